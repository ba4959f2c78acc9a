"""The invented patient that describes the export format, where the checkout has it beside it."""

from pathlib import Path

import pytest
from nmrs_documents import LAGOS

from iit.domain.vocabulary import Kind
from iit.ingest.nmrs import Imported, read_nmrs

EXAMPLE = Path(__file__).parents[4] / "shared" / "nmrs" / "example_patient.json"
pytestmark = pytest.mark.skipif(not EXAMPLE.exists(), reason="../shared/nmrs/example_patient.json is not here")


@pytest.fixture(scope="module")
def imported() -> Imported:
    """The example, read."""
    return read_nmrs(EXAMPLE.read_bytes(), zone=LAGOS)


def test_example_has_seven_pickups_with_their_days(imported):
    pickups = [(str(e.occurred_at.date()), e.value) for e in imported.record.events if e.kind is Kind.PICKUP]
    assert pickups == [
        ("2022-03-07", 30), ("2022-04-08", 90), ("2022-07-19", 90), ("2022-10-20", 90),
        ("2023-03-27", 30), ("2023-04-27", 90), ("2023-07-31", 180),
    ]  # fmt: skip


def test_example_leaves_out_the_voided_encounter_and_nothing_else(imported):
    assert (imported.n_rows, imported.n_voided, imported.warnings) == (197, 12, ())


def test_example_knows_its_viral_load_when_it_was_reported(imported):
    (result,) = [event for event in imported.record.events if event.kind is Kind.VIRAL_LOAD]
    assert (str(result.occurred_at.date()), str(result.known_at.date()), result.value) == (
        "2022-10-20", "2022-11-14", 20,
    )  # fmt: skip


def test_example_knows_of_the_return_when_it_came(imported):
    (returned,) = [event for event in imported.record.events if event.kind is Kind.RETURNED]
    assert (str(returned.occurred_at.date()), str(returned.known_at.date())) == ("2023-02-20", "2023-03-27")
