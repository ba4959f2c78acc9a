"""Acknowledgements: codes, control ids, separators, versions."""

from datetime import UTC, datetime

import pytest
from tests.hl7_messages import a_header, a_message

from iit.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound, Unavailable
from iit.ingest.hl7.ack import acknowledge, batch_of, code_for
from iit.ingest.hl7.contents import Item, read_contents
from iit.ingest.hl7.header import Rules, Sender

AT = datetime(2024, 3, 1, 10, 15, tzinfo=UTC)


def the_item(raw: bytes, rules: Rules | None = None) -> Item:
    return read_contents(raw, rules or Rules()).items[0]


def answer(raw: bytes, error: Exception | None = None, rules: Rules | None = None) -> list[list[str]]:
    item = the_item(raw, rules)
    told = acknowledge(item.header, at=AT, error=error or item.error).decode(item.header.codec)
    assert told.endswith("\r")
    return [line.split(item.header.separators.field) for line in told[:-1].split("\r")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, "AA"),
        (InvalidInput("x"), "AE"),
        (NotFound("x"), "AE"),
        (Conflict("x"), "AE"),
        (NotAllowed("x"), "AR"),
        (Unavailable("x"), "AR"),
        (RuntimeError("x"), "AR"),
    ],
)
def test_the_code_follows_the_kind_of_error(error: Exception | None, code: str) -> None:
    assert code_for(error) == code
    assert answer(a_message(), error)[1][1] == code


@pytest.mark.parametrize("control_id", ["1", "MSG-00001 ", "a\\T\\b^c", "Ünïcode", "x" * 199])
def test_msa_2_is_exactly_the_control_id(control_id: str) -> None:
    assert answer(a_message(control_id=control_id))[1][2] == control_id


@pytest.mark.parametrize("sign", ["\x0b", "\x1c", "\x01", "\t", "\x7f"])
@pytest.mark.parametrize("broken", [b"", b"\x00"])
def test_no_control_character_is_echoed(sign: str, broken: bytes) -> None:
    raw = a_message(control_id=f"7{sign}8").replace(b"|EMR|", f"|E{sign}MR|".encode()) + broken
    told = answer(raw)
    assert (told[0][4], told[1][2]) == ("EMR", "78")


def test_sender_and_receiver_change_places() -> None:
    msh = answer(a_message())[0]
    assert msh[2:6] == ["IIT", "HUB", "EMR", "SYN000001"]
    assert msh[8] == "ACK^A08^ACK"
    assert msh[6] == "20240301101500+0000"


def test_separators_and_character_set_are_the_senders() -> None:
    raw = (a_header("ADT!A08", signs="!@%$", charset="8859/1", control_id="É1")).replace("|", "*").encode("latin-1")
    item = the_item(raw)
    told = acknowledge(item.header, at=AT)
    assert told.startswith(b"MSH*!@%$*")
    assert b"MSA*AA*\xc91\r" in told
    assert b"ACK!A08!ACK" in told


@pytest.mark.parametrize(
    ("version", "has_segment"), [("2.3", False), ("2.4", False), ("2.5", True), ("2.5.1", True), ("2.8", True)]
)
def test_the_reason_stands_where_the_version_has_a_place_for_it(version: str, has_segment: bool) -> None:
    lines = answer(a_message(version=version), InvalidInput("the identifier is missing", place="PID-3"))
    if has_segment:
        assert lines[2] == ["ERR", "", "PID^1^3", "101^Required field missing^HL70357", "E", "", "", "",
                            "the identifier is missing"]  # fmt: skip
    else:
        assert len(lines) == 2
        assert lines[1][3] == "PID-3: the identifier is missing"


@pytest.mark.parametrize(
    ("raw", "place", "number"),
    [
        (a_message(kind="VXU^V04"), "MSH^1^9", "200"),
        (a_message(processing="X"), "MSH^1^11", "202"),
        (a_message(processing="T"), "MSH^1^11", "202"),
        (a_message(version="3.0"), "MSH^1^12", "203"),
    ],
)
def test_what_is_not_accepted_is_rejected_by_its_place(raw: bytes, place: str, number: str) -> None:
    lines = answer(raw)
    assert lines[1][1] == "AR"
    assert (lines[2][2], lines[2][3].split("^")[0]) == (place, number)


def test_a_type_may_be_acknowledged_and_ignored() -> None:
    rules = Rules(ignored=frozenset({"ADT^A02", "VXU^*"}))
    assert answer(a_message(kind="ADT^A02"), rules=rules)[1][1] == "AA"
    assert answer(a_message(kind="VXU^V04"), rules=rules)[1][1] == "AA"
    assert answer(a_message(kind="ADT^A05"), rules=rules)[1][1] == "AR"


@pytest.mark.parametrize(
    ("listed", "code"),
    [
        ("EMR/SYN000001", "AA"),
        ("EMR/*", "AA"),
        ("*/SYN000001", "AA"),
        ("EMR/OTHER", "AR"),
        ("OTHER/*", "AR"),
        ("EMR/*@10.0.0.0/8", "AA"),
        ("EMR/*@10.1.2.3", "AA"),
        ("EMR/*@192.168.0.0/16", "AR"),
        ("EMR/*@::1", "AR"),
    ],
)
def test_only_listed_senders_are_taken(listed: str, code: str) -> None:
    rules = Rules(senders=(Sender.parse(listed),))
    item = read_contents(a_message(), rules, "10.1.2.3").items[0]
    assert code_for(item.error) == code


@pytest.mark.parametrize("written", ["EMR", "/X", "EMR/", "EMR/X@nowhere", ""])
def test_a_sender_that_is_written_in_another_way_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput):
        Sender.parse(written)


def test_a_message_without_control_id_is_at_fault() -> None:
    assert answer(a_message(control_id=""))[1][1:3] == ["AE", ""]


def test_an_unreadable_message_is_answered_by_its_control_id() -> None:
    assert answer(a_message("PID|a\0b", control_id="C77"))[1][1:3] == ["AE", "C77"]


def test_the_same_message_gets_the_same_answer() -> None:
    assert answer(a_message()) == answer(a_message())


def test_a_bug_tells_nothing_of_itself() -> None:
    assert "secret" not in str(answer(a_message(), RuntimeError("secret")))


def test_answers_of_a_batch_come_in_an_envelope() -> None:
    item = the_item(a_message())
    told = batch_of([acknowledge(item.header, at=AT)] * 2, item.header).decode().split("\r")
    assert [line[:3] for line in told if line] == ["BHS", "MSH", "MSA", "MSH", "MSA", "BTS"]
    assert told[-2] == "BTS|2"
