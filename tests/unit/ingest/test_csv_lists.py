"""Line-lists: what a line says, how dates are decided, and what is refused with its place."""

import io
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from tests.radet_lists import HEADER, LINE, a_line, a_list

from iit.domain.errors import InvalidInput
from iit.domain.vocabulary import Kind
from iit.ingest.csv import ListRules, read_list
from iit.ingest.csv.columns import columns_of
from iit.ingest.csv.dates import Evidence, Order, date_in, order_of
from iit.ingest.hl7.reading import Mapped
from iit.ingest.sources import SourceDocument
from iit.ingest.statement import Statement

LAGOS = ZoneInfo("Africa/Lagos")
RULES: dict[str, Any] = {"zone": LAGOS, "today": date(2024, 6, 1), "reported": date(2024, 1, 31)}


def read(data: bytes, name: str = "list.csv", **rules: Any) -> list[Statement]:
    return list(read_list(SourceDocument(name, data), ListRules(**{**RULES, **rules})))


def said(data: bytes, **rules: Any) -> Mapped:
    (statement,) = read(data, **rules)
    assert isinstance(statement.said, Mapped), statement.said
    return statement.said


def refusal(data: bytes, name: str = "list.csv", **rules: Any) -> tuple[str, str]:
    (statement,) = read(data, name, **rules)
    assert isinstance(statement.said, InvalidInput)
    return statement.place, str(statement.said)


def facts(mapped: Mapped) -> dict[Kind, tuple[date, float]]:
    return {one.event.kind: (one.event.occurred_at.date(), one.event.value) for one in mapped.facts}


def a_workbook(*rows: tuple[object, ...]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_line_tells_the_last_pickup_and_what_was_known_that_day() -> None:
    mapped = said(a_list())
    told = facts(mapped)
    assert mapped.facility == "SYN000001"
    assert told[Kind.PICKUP] == (date(2024, 1, 10), 90.0)
    assert told[Kind.REGIMEN] == (date(2024, 1, 10), 165681.0)
    assert told[Kind.REGIMEN_LINE][1] == 164506.0
    assert told[Kind.VIRAL_LOAD] == (date(2023, 12, 1), 19.0)
    assert told[Kind.PREGNANCY] == (date(2024, 1, 31), 165047.0)
    assert told[Kind.ART_START][0] == date(2022, 3, 7)
    assert told[Kind.BIRTH][0] == date(1991, 5, 14)
    assert told[Kind.SEX][1] == 2.0
    assert not [one for one in mapped.facts if one.event.kind is Kind.TERMINATION]


def test_nothing_is_known_before_the_day_of_the_list() -> None:
    known = {one.event.known_at.date() for one in said(a_list()).facts}
    assert known == {date(2024, 1, 31)}


def test_the_day_of_the_list_is_that_of_its_file_unless_told() -> None:
    changed = datetime(2024, 2, 3, 23, 30, tzinfo=UTC).timestamp()
    document = SourceDocument("list.csv", a_list(), made_at=changed)
    (one,) = read_list(document, ListRules(LAGOS, date(2024, 6, 1)))
    assert one.at is not None and one.at.date() == date(2024, 2, 4)
    place, reason = refusal(a_list(), reported=None)
    assert (place, "--reported" in reason) == ("list.csv", True)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_cells_may_be_divided_in_three_ways(delimiter: str) -> None:
    assert facts(said(a_list(delimiter=delimiter)))[Kind.PICKUP][1] == 90.0


def test_a_byte_order_mark_and_titles_above_the_header_do_no_harm() -> None:
    data = b"\xef\xbb\xbfRADET of an invented hospital\r\n\r\n" + a_list()
    (one,) = read(data)
    assert one.place == "list.csv:4"


def test_windows_1252_is_read_on_request_only() -> None:
    data = a_list(a_line(Facility_Name="Hôpital")).decode().encode("windows-1252")
    _, reason = refusal(data)
    assert "line 2" in reason and "windows-1252" in reason
    assert said(data, encoding="windows-1252").facility == "SYN000001"


def test_a_workbook_is_read_like_text_and_its_dates_are_plain() -> None:
    line = [datetime(2024, 1, 10, tzinfo=UTC).replace(tzinfo=None) if one == "2024-01-10" else one for one in LINE]
    (one,) = read(a_workbook(HEADER, tuple(line)), "list.xlsx")
    assert isinstance(one.said, Mapped)
    assert facts(one.said)[Kind.PICKUP] == (date(2024, 1, 10), 90.0)


def test_numbers_of_a_workbook_name_the_same_person_as_text() -> None:
    (text,) = read(a_list(a_line(Hospital="17")))
    line = [17.0 if one == "HN-17" else one for one in LINE]
    (number,) = read(a_workbook(HEADER, tuple(line)), "list.xlsx")
    assert isinstance(text.said, Mapped) and isinstance(number.said, Mapped)
    assert text.said.identifiers == number.said.identifiers


def test_what_is_no_workbook_is_refused_once() -> None:
    assert refusal(b"PK\x03\x04 nothing", "list.xlsx") == ("list.xlsx", "is no .xlsx workbook")


@pytest.mark.parametrize(
    ("written", "order", "expected"),
    [
        pytest.param("2024-03-07", None, date(2024, 3, 7), id="ISO"),
        pytest.param("2024-03-07 00:00:00", None, date(2024, 3, 7), id="with a time"),
        pytest.param("07-Mar-2024", None, date(2024, 3, 7), id="month as a word"),
        pytest.param("7 Sept 2024", None, date(2024, 9, 7), id="September in four letters"),
        pytest.param("07/03/2024", Order.DAY_FIRST, date(2024, 3, 7), id="day first"),
        pytest.param("07/03/2024", Order.MONTH_FIRST, date(2024, 7, 3), id="month first"),
        pytest.param("05/05/2024", None, date(2024, 5, 5), id="the same either way"),
        pytest.param(" ", None, None, id="blank"),
        pytest.param("N/A", None, None, id="not told"),
    ],
)
def test_dates_that_are_plain(written: str, order: Order | None, expected: date | None) -> None:
    assert date_in(written, order) == expected


@pytest.mark.parametrize(
    "written", ["07/03/24", "31/02/2024", "=TODAY()", "tomorrow", 45000, "0024-01-01", "7 Foo 2024"]
)
def test_what_is_no_date_is_refused_without_its_value(written: str | int) -> None:
    with pytest.raises(InvalidInput) as refused:
        date_in(written, Order.DAY_FIRST)
    assert str(written) not in str(refused.value)


@pytest.mark.parametrize(
    ("dates", "title", "told", "expected"),
    [
        pytest.param(["03/04/2024", "25/04/2024"], "", None, Order.DAY_FIRST, id="a day above 12 proves it"),
        pytest.param(["03/04/2024", "04/25/2024"], "", None, Order.MONTH_FIRST, id="a month place above 12 proves it"),
        pytest.param(["03/04/2024"], "(dd/mm/yyyy)", None, Order.DAY_FIRST, id="the title tells"),
        pytest.param(["03/04/2024"], "", Order.MONTH_FIRST, Order.MONTH_FIRST, id="an option tells"),
        pytest.param(["03/03/2024", "2024-01-01"], "", None, None, id="nothing is open"),
    ],
)
def test_the_order_of_a_column_is_decided_from_all_of_it(
    dates: list[str], title: str, told: Order | None, expected: Order | None
) -> None:
    assert _order(dates, title, told) is expected


@pytest.mark.parametrize(
    ("dates", "told", "reason"),
    [
        pytest.param(["03/04/2024"], None, "day or month may stand first", id="open"),
        pytest.param(["25/04/2024", "04/25/2024"], None, "both orders (lines 2 and 3)", id="contradictory"),
        pytest.param(["25/04/2024"], Order.MONTH_FIRST, "line 2 contradicts", id="against what was told"),
    ],
)
def test_an_order_that_cannot_be_told_is_refused_with_its_place(
    dates: list[str], told: Order | None, reason: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        _order(dates, "", told)
    assert refused.value.place == "column 1 (pickup)"
    assert reason in refused.value.reason


def _order(dates: list[str], title: str, told: Order | None) -> Order | None:
    column = columns_of([f"Last Pickup Date {title}"])["pickup"]
    evidence = Evidence()
    for line, one in enumerate(dates, 2):
        evidence.note(one, line)
    return order_of(column, evidence, told)


def test_a_list_with_open_dates_is_refused_whole_until_told() -> None:
    data = a_list(a_line(Last_Pickup="03/01/2024"))
    place, reason = refusal(data)
    assert (place, reason.startswith("column 10 (pickup)")) == ("list.csv", True)
    assert "03/01" not in reason
    assert facts(said(data, order=Order.DAY_FIRST))[Kind.PICKUP][0] == date(2024, 1, 3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"Last_Pickup": "2024-02-01"}, "column 10 (pickup): lies after the day of the list", id="future"),
        pytest.param({"Last_Pickup": "soon"}, "column 10 (pickup): is no date that can be read", id="no date"),
        pytest.param({"Months": "13"}, "column 11 (months): is no supply of 1 to 365 days", id="too much"),
        pytest.param({"Months": "many"}, "column 11 (months): is no supply of 1 to 365 days", id="no number"),
        pytest.param({"Hospital": "N/A", "Unique": "0"}, "the patient has no identifier", id="nobody"),
        pytest.param({"DatimId": ""}, "column 4 (facility): is blank", id="no facility"),
        pytest.param({"Current_ART_Status": "Active,more,and more"}, "has more cells than the header", id="shifted"),
    ],
)
def test_a_line_at_fault_is_rejected_with_line_column_and_reason(changes: dict[str, str], reason: str) -> None:
    assert refusal(a_list(a_line(**changes))) == ("list.csv:2", reason)


def test_a_person_on_two_lines_is_taken_once_and_the_other_line_told() -> None:
    first, second = read(a_list(a_line(), a_line(Unique="ART-18", Last_Pickup="2024-01-11")))
    assert isinstance(first.said, Mapped)
    assert (second.place, str(second.said)) == ("list.csv:3", "an identifier of this person stands on line 2 too")


@pytest.mark.parametrize(
    ("status", "on", "code"),
    [
        ("IIT", "2024-01-20", 5240),
        ("Transferred Out", "2024-01-20", 159492),
        ("Stopped Treatment", "2024-01-20", 165916),
    ],
)
def test_an_end_of_care_is_true_of_its_date(status: str, on: str, code: int) -> None:
    told = facts(said(a_list(a_line(Current_ART_Status=status, Date_of_Current_ART=on))))
    assert told[Kind.TERMINATION] == (date(2024, 1, 20), float(code))


def test_a_death_without_a_date_is_dated_by_the_day_it_became_known() -> None:
    told = facts(said(a_list(a_line(Current_ART_Status="Dead", Date_of_Current_ART=""))))
    assert told[Kind.DEATH][0] == date(2024, 1, 31)


def test_what_is_not_understood_is_left_out_and_counted() -> None:
    line = a_line(Sex="X", Pregnancy="maybe", Current_Viral="pending", Current_ART_Regimen="=HYPERLINK(1)")
    mapped = said(a_list(line))
    assert {Kind.SEX, Kind.PREGNANCY, Kind.VIRAL_LOAD, Kind.REGIMEN}.isdisjoint(facts(mapped))
    assert len(mapped.caveats) == 4
    assert "HYPERLINK" not in " ".join(mapped.caveats)


def test_text_kept_as_a_formula_is_the_text() -> None:
    quoted = a_list(a_line(Hospital='"=""HN-17"""'))
    assert said(quoted).identifiers == said(a_list()).identifiers


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        pytest.param("Sex,Last Pickup Date,Age,DatimId", "no column names the patient", id="nobody"),
        pytest.param("Sex,Unique ID,Age,DatimId", "Last Pickup Date is missing", id="no pick-up"),
        pytest.param("Sex,Unique ID,Age,Last Pickup Date", "--facility CODE", id="no facility"),
        pytest.param("Unique ID,ART Number,Last Pickup Date,Sex", "tell the same", id="two of one"),
        pytest.param("a,b,c", "no row is a header", id="no list"),
    ],
)
def test_a_list_without_what_it_needs_is_refused(header: str, reason: str) -> None:
    assert reason in refusal(f"{header}\r\n1,2,3,4\r\n".encode())[1]


def test_a_quote_that_is_not_closed_is_told_with_its_line() -> None:
    assert "line 2" in refusal(a_list(a_line(Facility_Name='"Invented')))[1]
