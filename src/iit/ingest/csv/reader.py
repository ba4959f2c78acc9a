"""From a list to what each of its lines says. Pure: the same file, told the same, always says the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from pathlib import PurePosixPath
from typing import Final

from iit.domain.errors import InvalidInput
from iit.ingest.csv.columns import Column
from iit.ingest.csv.dates import Evidence, Order, order_of
from iit.ingest.csv.line import SOURCE, Line, read_line
from iit.ingest.csv.table import Table, open_table
from iit.ingest.hl7.reading import Identifier, Mapped
from iit.ingest.sources import SourceDocument
from iit.ingest.statement import Statement

__all__ = ["SOURCE", "SUFFIXES", "ListRules", "read_list"]

SUFFIXES: Final = frozenset({".csv", ".tsv", ".txt", ".xlsx"})
_WORKBOOKS: Final = frozenset({".xlsx"})
_NAMING: Final = ("uuid", "ndr_id", "art_number", "hospital_number", "patient_id")


@dataclass(frozen=True, repr=False)
class ListRules:
    """What is told of lists beside the lists themselves.

    Attributes:
        zone: time zone of the facilities.
        today: the present day: no list is of a later one.
        reported: the day whose state the lists tell, or None: the day on which the file was last changed.
        order: what stands first in dates that leave it open, or None.
        encoding: of the text, `utf-8` or `windows-1252`.
        facility: code of the facility of lines that tell none, or None.
    """

    zone: tzinfo
    today: date
    reported: date | None = None
    order: Order | None = None
    encoding: str = "utf-8"
    facility: str | None = None


def read_list(document: SourceDocument, rules: ListRules) -> Iterator[Statement]:
    """Yield what each line says, and an error in the place of each that cannot be taken, or of the whole list."""
    try:
        if document.error is not None:
            raise document.error
        reported = _reported(document, rules)
        table = open_table(document.data, is_workbook=_suffix(document) in _WORKBOOKS, encoding=rules.encoding)
        _refuse_incomplete(table, rules)
        orders = _orders(table, rules)
        yield from _lines(document.place, table, orders, reported, rules)
    except InvalidInput as problem:
        yield Statement(document.place, problem)


def _lines(
    place: str, table: Table, orders: dict[str, Order | None], reported: datetime, rules: ListRules
) -> Iterator[Statement]:
    seen: dict[int, int] = {}
    for number, cells in table.rows():
        where = f"{place}:{number}"
        try:
            line = Line(cells, table.columns, table.width, orders)
            said = read_line(line, at=reported, zone=rules.zone, facility=rules.facility)
            _refuse_twice(said, number, seen)
        except InvalidInput as problem:
            yield Statement(where, problem)
        else:
            yield Statement(where, said, reported)


def _refuse_twice(said: Mapped, line: int, seen: dict[int, int]) -> None:
    """Refuse a person who stands on an earlier line too, by any identifier: which line is right, nobody can tell."""
    own = [_short(one) for one in said.identifiers]
    earlier = min((seen[one] for one in own if one in seen), default=None)
    if earlier is not None:
        raise InvalidInput(f"an identifier of this person stands on line {earlier} too")
    seen.update(dict.fromkeys(own, line))


def _short(one: Identifier) -> int:
    return hash((one.scope, one.value.upper()))  # a number instead of the text: lists may have a million lines


def _suffix(document: SourceDocument) -> str:
    return PurePosixPath(document.place.lower().removesuffix(".gz")).suffix


def _reported(document: SourceDocument, rules: ListRules) -> datetime:
    if rules.reported is not None:
        on = rules.reported
    elif document.made_at is not None:
        on = datetime.fromtimestamp(document.made_at, rules.zone).date()
    else:
        raise InvalidInput("nothing tells the day of the list: say --reported YYYY-MM-DD")
    if on > rules.today:
        raise InvalidInput("the day of the list lies in the future")
    return datetime.combine(on, time(), rules.zone)


def _refuse_incomplete(table: Table, rules: ListRules) -> None:
    if not any(name in table.columns for name in _NAMING):
        raise InvalidInput("no column names the patient (Unique ID, Hospital Number, Patient ID)")
    if "pickup" not in table.columns:
        raise InvalidInput("the column Last Pickup Date is missing")
    if "facility" not in table.columns and rules.facility is None:
        raise InvalidInput("no column tells the facility's DATIM code: say --facility CODE")


def _orders(table: Table, rules: ListRules) -> dict[str, Order | None]:
    """Return how each column of dates is written, from all of its dates."""
    columns: list[Column] = [one for one in table.columns.values() if one.role.value == "day"]
    evidence = {one.role.name: Evidence() for one in columns}
    for number, cells in table.rows():
        for column in columns:
            if column.at < len(cells):
                evidence[column.role.name].note(cells[column.at], number)
    return {one.role.name: order_of(one, evidence[one.role.name], rules.order) for one in columns}
