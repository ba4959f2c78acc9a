"""Every message that others wrote gets an answer with the right code, and none crashes."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.hl7_messages import SAMPLES

from iit.domain.errors import ServiceError
from iit.ingest.hl7.ack import acknowledge
from iit.ingest.hl7.contents import Item, read_contents
from iit.ingest.hl7.header import MAPPED, Rules
from iit.ingest.hl7.map import mapper

AT = datetime(2024, 3, 1, 10, 15, tzinfo=UTC)
RULES = Rules(processing_ids=frozenset("PTD"))  # as a site that takes tests: many samples are marked so
MAPPER = mapper(RULES, ZoneInfo("Africa/Lagos"))
FILES = sorted(SAMPLES.rglob("*.hl7"))

pytestmark = pytest.mark.skipif(not FILES, reason="no HL7 samples beside the project")

# What is not as the type of the message alone would have it, by the end of the file's name.
BROKEN = {
    "FileSingleMessageInvalidSegments.hl7": "",  # begins with AAA
    "ObservationBundle-expected.hl7": "1",  # names neither a facility nor a person
}


def headers_by_hand(raw: bytes) -> list[list[bytes]]:
    """Return the fields of every header, found without the parser."""
    lines = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\n", b"\r").split(b"\r")
    return [line.split(b"|") for line in lines if line.startswith(b"MSH|")]


def outcome(item: Item) -> ServiceError | None:
    try:
        MAPPER.map(item, received=AT)
    except ServiceError as error:
        return error
    return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.split("__")[-1])
def test_every_sample_is_answered_with_the_right_code(path: Path) -> None:
    raw = path.read_bytes()
    items = read_contents(raw, RULES).items
    answers = [acknowledge(item.header, at=AT, error=outcome(item)).decode(item.header.codec) for item in items]
    told = [next(line for line in answer.split("\r") if line.startswith("MSA")).split("|") for answer in answers]
    expected = []
    for fields in headers_by_hand(raw):
        kind = "^".join(fields[8].decode().split("^")[:2])
        expected.append(["AA" if kind in MAPPED else "AR", fields[9].decode()])
    for name, control_id in BROKEN.items():
        if path.name.endswith(name):
            expected = [["AE", control_id]]
    assert [one[1:3] for one in told] == expected
