"""Reading ER7: separators, line ends, escapes, character sets, batches, limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hl7_messages import a_header, a_message, a_person

from iit.domain.errors import InvalidInput
from iit.ingest.hl7.characters import MAX_BYTES, decode
from iit.ingest.hl7.contents import read_contents
from iit.ingest.hl7.header import Rules
from iit.ingest.hl7.parse import (
    DEFAULT_SEPARATORS,
    MAX_PARTS,
    MAX_SEGMENTS,
    Message,
    Separators,
    split_messages,
    unescape,
)

RULES = Rules()


def the_message(raw: bytes | str) -> Message:
    items = read_contents(raw.encode() if isinstance(raw, str) else raw, RULES).items
    assert len(items) == 1
    assert items[0].error is None
    assert items[0].message is not None
    return items[0].message


def text_of(raw: bytes | str, segment: str, *place: int) -> str:
    found = the_message(raw).first(segment)
    assert found is not None
    return found.text(*place)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"], ids=["CR", "LF", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order mark"])
def test_line_ends_and_marks_change_nothing(end: str, mark: bytes) -> None:
    raw = mark + end.join((a_header(), "EVN|A08|20240301", a_person())).encode()
    assert text_of(raw, "EVN", 2) == "20240301"
    assert text_of(raw, "PID", 3) == "MRN-1"


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        pytest.param("^~\\&", Separators(), id="usual"),
        pytest.param("^~\\&#", Separators(truncation="#"), id="five with truncation"),
        pytest.param("^~\\\\&", Separators(), id="escape doubled"),
        pytest.param("^~", Separators(escape="", subcomponent=""), id="two"),
        pytest.param("!@%$", Separators("|", "!", "@", "%", "$"), id="others"),
    ],
)
def test_separators_are_those_of_the_header(signs: str, expected: Separators) -> None:
    header = a_header("ADT!A08" if signs == "!@%$" else "ADT^A08", signs=signs)
    assert the_message(header).separators == expected


def test_the_field_separator_is_that_of_the_header() -> None:
    assert text_of(a_header().replace("|", "*") + "\rPID*1**X1^^^SYN", "PID", 3, 4) == "SYN"


@pytest.mark.parametrize("signs", ["^^\\&", "^~\\|&"[:3] + "^", "ab\\&", "^~\\&#+"])
def test_separators_that_are_no_distinct_signs_are_refused(signs: str) -> None:
    items = read_contents(a_header(signs=signs).encode(), RULES).items
    assert isinstance(items[0].error, InvalidInput)
    assert items[0].error.place == "MSH-2"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
        (r"\X48C3A9\l", "Hél"),
        (r"\XE9\l", "él"),
        (r"one\.br\two", "one\ntwo"),
        (r"\H\loud\N\ soft", "loud soft"),
        (r"\.sp3\x", "x"),
        (r"C:\\dir", r"C:\dir"),
        (r"\Q\kept", r"\Q\kept"),
        (r"\X4\kept", r"\X4\kept"),
        ("ends in \\", "ends in \\"),
        (r"\C2842\x", "x"),
        (r"\Zlocal\x", "x"),
    ],
)
def test_escapes_are_resolved(written: str, meant: str) -> None:
    assert unescape(written, DEFAULT_SEPARATORS) == meant


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=50))
def test_what_is_escaped_comes_back(text: str) -> None:
    escaped = text
    for sign, name in (("\\", "E"), ("|", "F"), ("^", "S"), ("&", "T"), ("~", "R")):
        escaped = escaped.replace(sign, f"\\{name}\\") if sign != "\\" else escaped.replace("\\", "\\E\\")
    assert unescape(escaped, DEFAULT_SEPARATORS) == text


def test_parts_of_a_field() -> None:
    message = the_message(a_message("PID|1||A^^^NS&1.2&ISO^MR~B^^^Q"))
    pid = message.first("PID")
    assert pid is not None
    assert pid.text(3, 4, 2) == "1.2"
    assert [pid.part(one) for one in pid.repetitions(3)] == ["A", "B"]
    assert (pid.text(99), pid.text(3, 99), pid.repetitions(4)) == ("", "", [])


def test_hl7_null_says_nothing() -> None:
    assert text_of(a_message('PID|1||X1||""'), "PID", 5) == ""


def test_a_line_that_is_no_segment_goes_on_with_the_one_before() -> None:
    assert text_of(a_message("NTE|1||first", "and more"), "NTE", 3) == "first and more"


def test_a_segment_keeps_its_name_where_a_broken_line_follows_it() -> None:
    raw = a_message("NTE", "001||x")
    assert [segment.name for segment in the_message(raw).segments("NTE")] == ["NTE"]


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("", "utf-8"), ("ASCII", "utf-8"), ("UNICODE UTF-8", "utf-8"), ("8859/1", "iso8859-1"), ("8859/15", "iso8859-15")],
)
def test_character_sets(charset: str, codec: str) -> None:
    raw = (a_header(charset=charset) + "\rPID|1||Éloi").encode(codec)
    assert text_of(raw, "PID", 3) == "Éloi"


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_with_and_without_a_mark(codec: str) -> None:
    raw = (a_header(charset="UNICODE UTF-16") + "\rPID|1||Éloi").encode(codec)
    assert text_of(raw, "PID", 3) == "Éloi"


def test_latin_1_without_a_name_is_read_as_such() -> None:
    assert text_of((a_header() + "\rPID|1||Éloi").encode("latin-1"), "PID", 3) == "Éloi"


@pytest.mark.parametrize(
    "raw",
    [(a_header(charset="ISO IR87")).encode(), (a_header(charset="UNICODE UTF-8") + "\rPID|1||É").encode("latin-1")],
    ids=["not supported", "not of the set"],
)
def test_characters_that_cannot_be_read_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput, match="character set"):
        decode(raw)


def test_a_batch_is_read_message_by_message() -> None:
    lines = [
        "FHS|^~\\&|X",
        "BHS|^~\\&|X",
        a_header(control_id="1"),
        "EVN|A08",
        a_header(control_id="2"),
        "BTS|2",
        "FTS|1",
    ]
    contents = read_contents("\r".join(lines).encode(), RULES)
    assert contents.is_batch
    assert [item.header.control_id for item in contents.items] == ["1", "2"]


def test_one_bad_message_of_a_batch_holds_up_no_other() -> None:
    lines = [a_header(control_id="1"), a_header("ZZZ^Z01", control_id="2"), a_header(control_id="3")]
    errors = [item.error for item in read_contents("\r".join(lines).encode(), RULES).items]
    assert [error is None for error in errors] == [True, False, True]


@pytest.mark.parametrize("raw", [b"", b"\r\n \n", b"\xef\xbb\xbf", b"BHS|^~\\&\rBTS|0\r", b"hello", b"PID|1\rMSH|"])
def test_what_holds_no_message_says_so(raw: bytes) -> None:
    (item,) = read_contents(raw, RULES).items
    assert isinstance(item.error, InvalidInput)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"MSH|^~\\&|" + b"x" * MAX_BYTES, id="bytes"),
        pytest.param(a_message(*["NTE"] * (MAX_SEGMENTS + 1)), id="segments"),
        pytest.param((a_header() + "|" * MAX_PARTS).encode(), id="fields"),
        pytest.param(a_message("PID|a\0b"), id="zero character"),
    ],
)
def test_what_is_too_large_is_refused(raw: bytes) -> None:
    (item,) = read_contents(raw, RULES).items
    assert isinstance(item.error, InvalidInput)
    assert item.header.control_id in ("C1", "")


def test_splitting_a_field_stops_at_the_limit() -> None:
    pid = the_message(a_message("PID|1||" + "~" * 3 * MAX_PARTS)).first("PID")
    assert pid is not None
    assert len(pid.repetitions(3)) == MAX_PARTS + 1


def test_messages_are_found_in_a_text() -> None:
    assert [len(lines) for lines in split_messages(f"{a_header()}\nPID|1\n\n{a_header()}")] == [2, 1]
