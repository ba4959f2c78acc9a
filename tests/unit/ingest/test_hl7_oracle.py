"""Our reading of well-formed messages is hl7apy's; on messages of real senders it normalises, drops and refuses."""

import pytest
from hl7apy.parser import parse_message
from tests.hl7_messages import a_message, a_person

from iit.domain.errors import InvalidInput
from iit.ingest.hl7.contents import read_contents
from iit.ingest.hl7.header import Rules
from iit.ingest.hl7.strict import validate

OURS = [
    a_message("EVN||20240301", a_person(), "PV1|1|O", kind="ADT^A04^ADT_A01"),
    a_message(a_person("A\\T\\B"), "MRG|OLD^^^SYN^MR", kind="ADT^A40^ADT_A39"),
    a_message(
        a_person(), "OBR|1|P|F|856^VL^CIEL|||20240201", "OBX|1|NM|856^VL^CIEL||50|cp/mL|||||F", kind="ORU^R01^ORU_R01"
    ),
]


@pytest.mark.parametrize("raw", OURS)
def test_segments_and_fields_are_those_of_hl7apy(raw: bytes) -> None:
    theirs = parse_message(raw.decode().strip(), find_groups=False)
    item = read_contents(raw, Rules()).items[0]
    assert item.message is not None
    names = [segment.name for segment in theirs.children]
    ours = list(item.message.segments(*set(names)))
    assert [segment.name for segment in ours] == names
    for mine, their in zip(ours[1:], list(theirs.children)[1:], strict=True):
        fields = "|".join(mine.raw(number) for number in range(1, 100))
        assert f"{mine.name}|{fields}".rstrip("|") == their.to_er7().rstrip("|"), mine.name


def test_a_conforming_message_is_strictly_valid() -> None:
    good = a_message("EVN||20240301101500", "PID|1||M1^^^SYN^MR||DOE^ADA", "PV1|1|O", kind="ADT^A04^ADT_A01")
    validate(good, "utf-8")


@pytest.mark.parametrize(
    "raw",
    [
        a_message("PID|1||M1||X^Y", kind="ADT^A04^ADT_A01"),
        b"MSH|^~\\&|",
        b"nonsense",
    ],
)
def test_what_does_not_conform_is_refused_without_its_values(raw: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate(raw, "utf-8")
    assert "M1" not in str(caught.value)
