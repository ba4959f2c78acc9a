"""The list of audit event types holds what is written and nothing else."""

import re
from pathlib import Path

import pytest

from iit.domain.audit import EventType

SOURCE = Path(__file__).parents[3] / "src" / "iit"
LIST = SOURCE / "domain" / "audit.py"


@pytest.fixture(scope="module")
def used() -> set[str]:
    """Return the types that the code names, those left out that only tell what may wait for the database."""
    sources = [path.read_text() for path in SOURCE.rglob("*.py") if path != LIST and path.name != "spooling.py"]
    return {name for source in sources for name in re.findall(r"EventType\.([A-Z_]+)", source)}


@pytest.mark.parametrize("event_type", list(EventType), ids=str)
def test_every_type_of_event_is_written_somewhere(event_type: EventType, used: set[str]) -> None:
    assert event_type.name in used
