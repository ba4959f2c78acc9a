"""What one line says: who it is, the last pick-up and what else was known on the day of the list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from iit.domain.errors import InvalidInput
from iit.domain.interruption import is_valid_supply
from iit.domain.record import city_hash, day_number
from iit.domain.vocabulary import TERMINATION_DIED, Kind
from iit.ingest.csv.columns import ACTIVE, Column, answer_in, status_in
from iit.ingest.csv.dates import Order, date_in
from iit.ingest.csv.table import Cell
from iit.ingest.hl7.codes import agents_of, is_treatment, regimen_of
from iit.ingest.hl7.reading import NO_VALUE, Identifier, Mapped, sequence_at
from iit.ingest.nmrs.laboratory import viral_load_told
from iit.ingest.nmrs.person import state_number
from iit.ingest.nmrs.scalars import normal, number, text
from iit.ingest.statement import HOSPITAL_NUMBER, Saying, identifier

SOURCE: Final = "csv"

_DAYS_A_MONTH: Final = 30  # RADET counts months of refill as 30 days
_HALF_A_YEAR: Final = timedelta(days=183)
_LONGEST_FACILITY: Final = 64
_OLDEST: Final = 120
_SEXES: Final = {"m": 1.0, "male": 1.0, "f": 2.0, "female": 2.0}
_BLANK: Final = frozenset({"", "na", "nil", "none", "null"})
_CD4: Final = (0.0, 5000.0)
_VIRAL_LOAD: Final = (0.0, 1e9)


@dataclass(frozen=True, repr=False)
class Line:
    """One line of a list.

    Attributes:
        cells: as they stand.
        columns: the known columns by the names of their roles.
        width: how many cells the header has.
        orders: how each column of dates is written.
    """

    cells: Sequence[Cell]
    columns: Mapping[str, Column]
    width: int
    orders: Mapping[str, Order | None]

    def cell(self, role: str) -> Cell:
        """Return a cell by the role of its column; None where there is none."""
        column = self.columns.get(role)
        return None if column is None or column.at >= len(self.cells) else self.cells[column.at]

    def words(self, role: str) -> str:
        """Return a cell as text; numbers without a fraction as whole ones; nothing where nothing is told."""
        cell = self.cell(role)
        if isinstance(cell, float) and cell.is_integer():
            cell = int(cell)
        plain = "" if cell is None or isinstance(cell, date) else str(cell).strip()
        return "" if normal(plain) in _BLANK and not plain.startswith(("<", ">")) else plain

    def day(self, role: str, *, at: datetime, zone: tzinfo) -> datetime | None:
        """Return a day that had come when the list was made, None where none is told.

        Raises:
            InvalidInput: it cannot be read, or lies after the day of the list.
        """
        found = self.any_day(role, zone=zone)
        if found is not None and found > at:
            raise InvalidInput("lies after the day of the list", place=self.columns[role].place)
        return found

    def any_day(self, role: str, *, zone: tzinfo) -> datetime | None:
        """Return a day that may lie ahead, None where none is told.

        Raises:
            InvalidInput: it cannot be read.
        """
        try:
            found = date_in(self.cell(role), self.orders.get(role))
        except InvalidInput as problem:
            raise InvalidInput(problem.reason, place=self.columns[role].place) from None
        return None if found is None else datetime.combine(found, time(), zone)


def read_line(line: Line, *, at: datetime, zone: tzinfo, facility: str | None) -> Mapped:
    """Return what a line says, known since the day of the list.

    Args:
        line: what is read.
        at: the first moment of the day of the list.
        zone: time zone of the facility.
        facility: code of the facility where the line tells none.

    Raises:
        InvalidInput: it cannot be taken; the place is a column.
    """
    if len(line.cells) > line.width and any(cell not in (None, "") for cell in line.cells[line.width :]):
        raise InvalidInput("has more cells than the header")
    code = " ".join(line.words("facility").split())[:_LONGEST_FACILITY] or facility
    if code is None:
        raise InvalidInput("is blank", place=line.columns["facility"].place)
    content = "\0".join(map(str, line.cells)).encode("utf-8", "replace")
    saying = Saying(SOURCE, code, at, sequence_at(at, content))
    identifiers = _identifiers(line, code)
    _take_person(line, saying, zone)
    _take_pickup(line, saying, zone)
    _take_results(line, saying, zone)
    _take_status(line, saying, zone)
    _take_others(line, saying, zone)
    return saying.mapped(identifiers)


def _identifiers(line: Line, facility: str) -> tuple[Identifier, ...]:
    told = (
        identifier(line.words("uuid"), "uuid"),
        identifier(line.words("ndr_id"), facility, "NDR"),
        identifier(line.words("art_number"), facility, "ART"),
        identifier(line.words("hospital_number"), facility, HOSPITAL_NUMBER),
        identifier(line.words("patient_id"), facility, "PATIENT ID"),
    )
    found = tuple(one for one in told if one is not None)
    if not found:
        raise InvalidInput("the patient has no identifier")
    return found


def _take_person(line: Line, saying: Saying, zone: tzinfo) -> None:
    born, age = line.day("birth", at=saying.at, zone=zone), number(line.words("age"))
    if born is not None:
        saying.add_person(Kind.BIRTH, NO_VALUE, occurred=born)
    elif age is not None and 0 <= age <= _OLDEST:
        estimated = saying.at.replace(day=1, year=saying.at.year - int(age)) - _HALF_A_YEAR
        saying.add_person(Kind.BIRTH, NO_VALUE, occurred=estimated)
        saying.caveats.append("a birthdate is estimated from the age")
    sex, state = line.words("sex"), state_number(line.words("state"))
    if normal(sex) in _SEXES:
        saying.add_person(Kind.SEX, _SEXES[normal(sex)])
    elif sex:
        saying.caveats.append("a sex is none of the known ones")
    if state is not None:
        saying.add_person(Kind.STATE, float(state))
    town = text(line.words("lga"), longest=80)
    if town is not None:
        saying.add_person(Kind.CITY, float(city_hash(town)), text=town)
    if "phone" in line.columns:
        saying.add_person(Kind.PHONE, float(any(one.isdigit() for one in line.words("phone"))))


def _take_pickup(line: Line, saying: Saying, zone: tzinfo) -> None:
    """Take the last pick-up. A list tells no other: those before it are in the lists before."""
    on = line.day("pickup", at=saying.at, zone=zone)
    if on is None:
        saying.caveats.append("no pick-up is told")
        return
    named = on.date().isoformat()
    saying.add(Kind.PICKUP, on, f"pickup:{named}", value=_supply(line))
    expected = line.any_day("appointment", zone=zone)
    if expected is not None:
        saying.add(Kind.APPOINTMENT, on, f"appointment:{named}", value=float(day_number(expected)))
    regimen = line.words("regimen")
    agents = agents_of("", regimen)
    concept = regimen_of(agents) if is_treatment(agents) else None
    if concept is not None:
        saying.add(Kind.REGIMEN, on, f"regimen:{named}", value=float(concept))
    elif regimen:
        saying.caveats.append("a regimen is none of the known ones")
    _take_answer(line, "regimen_line", on, saying)


def _supply(line: Line) -> float:
    """Return the days that the medicine lasts, NaN where none are told.

    Raises:
        InvalidInput: they are no credible number.
    """
    for role, factor in (("days", 1), ("months", _DAYS_A_MONTH)):
        written = line.words(role)
        if not written:
            continue
        told = number(written)
        days = None if told is None else float(round(told * factor))
        if days == 0:
            continue
        if days is None or not is_valid_supply(days):
            raise InvalidInput("is no supply of 1 to 365 days", place=line.columns[role].place)
        return days
    return NO_VALUE


def _take_results(line: Line, saying: Saying, zone: tzinfo) -> None:
    written = line.words("viral_load")
    on = line.day("viral_load_sampled", at=saying.at, zone=zone) or line.day("viral_load_on", at=saying.at, zone=zone)
    value = number(written.replace(",", ""))
    _take_result(Kind.VIRAL_LOAD, on, viral_load_told(written) if value is None else value, written, saying)
    written, on = line.words("cd4"), line.day("cd4_on", at=saying.at, zone=zone)
    _take_result(Kind.CD4, on, number(written), written, saying)


def _take_result(kind: Kind, on: datetime | None, value: float | None, written: str, saying: Saying) -> None:
    if not written:
        return
    lowest, highest = _VIRAL_LOAD if kind is Kind.VIRAL_LOAD else _CD4
    if value is None or not lowest <= value <= highest:
        saying.caveats.append("a result cannot be read")
    elif on is None:
        saying.caveats.append("a result has no date")
    else:
        saying.add(kind, on, f"{kind.name}:{on.date().isoformat()}", value=value)


def _take_status(line: Line, saying: Saying, zone: tzinfo) -> None:
    """Take an end of care, true of its date, or where none is told of the day it became known."""
    written, told = line.words("status"), line.day("status_on", at=saying.at, zone=zone)
    if not written:
        return
    status = status_in(written)
    if status is None:
        saying.caveats.append("a status is none of the known ones")
    elif status == ACTIVE:
        saying.add_death(None)
    else:
        on = told or saying.at
        named = told.date().isoformat() if told is not None else "undated"
        saying.add(Kind.TERMINATION, on, f"termination:{status}:{named}", value=float(status))
        if int(status) == TERMINATION_DIED:
            saying.add_death(on)


def _take_others(line: Line, saying: Saying, zone: tzinfo) -> None:
    for column in line.columns.values():
        if column.role.when == "once" and column.role.kind is not None:
            on = line.day(column.role.name, at=saying.at, zone=zone)
            if on is not None:
                saying.add_day(column.role.kind, on)
        elif column.role.when == "report":
            _take_answer(line, column.role.name, saying.at, saying)


def _take_answer(line: Line, role: str, on: datetime, saying: Saying) -> None:
    written = line.words(role)
    if not written:
        return
    kind = line.columns[role].role.kind
    answer = answer_in(kind.name, written) if kind is not None else None
    if kind is None or answer is None:
        saying.caveats.append("an answer is none of the known ones")
    else:
        saying.add(kind, on, f"{kind.name}:{on.date().isoformat()}", value=float(answer))
