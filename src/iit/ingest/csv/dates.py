"""Dates of a list: how a column writes them is decided once, from the whole column, and never guessed.

`2024-03-07`, `07-Mar-2024` and a spreadsheet's own dates are plain. `07/03/2024` may be March or July: the column's
other dates (`25/03/2024`), its title (`dd/mm/yyyy`) or an option must tell.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from iit.domain.errors import InvalidInput
from iit.ingest.csv.columns import Column
from iit.ingest.csv.table import Cell

EARLIEST_YEAR: Final = 1900
LATEST_YEAR: Final = 2100

_TIME: Final = r"(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp][Mm])?Z?)?"
_ISO: Final = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_TIME}", re.ASCII)
_NUMBERS: Final = re.compile(rf"(\d{{1,2}})[-/.](\d{{1,2}})[-/.](\d{{4}}){_TIME}", re.ASCII)
_WORDS: Final = re.compile(rf"(\d{{1,2}})[-/ .]([A-Za-z]{{3,9}})[-/ .,]{{1,2}}(\d{{4}}){_TIME}", re.ASCII)
_MONTHS: Final = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
                  "november", "december")  # fmt: skip
_NONE: Final = frozenset({"", "-", "n/a", "na", "nil", "none", "null", "0000-00-00", "1900-01-00"})


class Order(StrEnum):
    """What stands first where day and month are both numbers."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"


@dataclass(repr=False)
class Evidence:
    """What a column's dates show of their order: the first lines that do, 0 where there is none."""

    day_first: int = 0
    month_first: int = 0
    either: int = 0

    def note(self, cell: Cell, line: int) -> None:
        """Take one more date of the column."""
        found = _NUMBERS.fullmatch(cell.strip()) if isinstance(cell, str) else None
        if found is None:
            return
        first, second = int(found[1]), int(found[2])
        if first > 12 >= second:
            self.day_first = self.day_first or line
        elif second > 12 >= first:
            self.month_first = self.month_first or line
        elif first != second:
            self.either = self.either or line


def order_of(column: Column, evidence: Evidence, told: Order | None) -> Order | None:
    """Return the order of a column's dates; None where no date leaves it open.

    Raises:
        InvalidInput: the order cannot be told, or the dates contradict each other or what was told.
    """
    place = column.place
    if evidence.day_first and evidence.month_first:
        lines = f"lines {evidence.day_first} and {evidence.month_first}"
        raise InvalidInput(f"days and months stand in both orders ({lines})", place=place)
    seen = _seen(evidence)
    titled = _titled(column.title)
    wished = told or titled
    if seen is not None and wished is not None and seen is not wished:
        line = evidence.day_first or evidence.month_first
        raise InvalidInput(f"line {line} contradicts that dates are {wished}", place=place)
    if seen or wished:
        return seen or wished
    if evidence.either:
        reason = "day or month may stand first: say --dates day-first or month-first, or write YYYY-MM-DD"
        raise InvalidInput(f"{reason} (line {evidence.either})", place=place)
    return None


def date_in(cell: Cell, order: Order | None) -> date | None:
    """Return the date in a cell, None where it is blank.

    Raises:
        InvalidInput: it is no date that can be read. The message has no value.
    """
    if isinstance(cell, datetime):
        cell = cell.date()
    if isinstance(cell, date):
        return _within(cell)
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in _NONE):
        return None
    if not isinstance(cell, str):
        raise InvalidInput("is a number without the format of a date")
    try:
        return _within(_written(cell.strip(), order))
    except ValueError:
        raise InvalidInput("is no date that can be read") from None


def _written(text: str, order: Order | None) -> date:
    if found := _ISO.fullmatch(text):
        return date(int(found[1]), int(found[2]), int(found[3]))
    if found := _WORDS.fullmatch(text):
        return date(int(found[3]), _month(found[2].lower()), int(found[1]))
    found = _NUMBERS.fullmatch(text)
    if found is None:
        raise ValueError
    first, second, year = int(found[1]), int(found[2]), int(found[3])
    if order is Order.MONTH_FIRST:
        first, second = second, first
    return date(year, second, first)  # without an order both are the same, or there is no such month


def _month(name: str) -> int:
    matching = [at for at, month in enumerate(_MONTHS, 1) if name in (month, month[:3], month[:4])]
    if not matching:
        raise ValueError
    return matching[0]


def _within(on: date) -> date:
    if not EARLIEST_YEAR <= on.year <= LATEST_YEAR:
        raise InvalidInput("lies outside the years 1900 to 2100")
    return on


def _seen(evidence: Evidence) -> Order | None:
    if evidence.day_first:
        return Order.DAY_FIRST
    return Order.MONTH_FIRST if evidence.month_first else None


def _titled(title: str) -> Order | None:
    plain = re.sub(r"[^a-z]", "", title.lower())
    if "ddmmyy" in plain:
        return Order.DAY_FIRST
    return Order.MONTH_FIRST if "mmddyy" in plain else None
