"""RDS and RDE: antiretrovirals handed out, with the days they last.

An order alone is no pick-up: an RDE counts only where it tells when medicine was dispensed (RXE-18). Days come from the
duration (TQ1-6, the third component of ORC-7 or RXE-1), from an observation of the days supplied, or, as days implied
by quantity, from the amount dispensed and the total daily dose.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from math import floor
from typing import Final, NamedTuple

from iit.domain.interruption import is_valid_supply
from iit.domain.vocabulary import Kind
from iit.ingest.hl7.codes import SUPPLY_DAYS, agents_of, is_treatment, regimen_of
from iit.ingest.hl7.parse import Segment
from iit.ingest.hl7.reading import NO_VALUE, Reading
from iit.ingest.hl7.results import question_of, value_of
from iit.ingest.nmrs.scalars import normal, number

_PREVENTION: Final = re.compile(r"\b(prep|pep|prophylaxis)\b", re.ASCII | re.I)
_CANCELLED: Final = frozenset({"CA", "OC", "CR"})  # HL7 table 0119
_DAYS_IN: Final = {"d": 1.0, "day": 1.0, "days": 1.0, "w": 7.0, "wk": 7.0, "week": 7.0, "weeks": 7.0,
                   "l": 30.0, "mo": 30.0, "month": 30.0, "months": 30.0}  # fmt: skip


class _Line(NamedTuple):
    """One drug handed out."""

    on: datetime
    order: str
    agents: frozenset[str]
    days: float | None
    implied_days: float | None
    is_cancelled: bool

    def __repr__(self) -> str:
        return "_Line()"


class _Group(NamedTuple):
    """The segments of one order."""

    orc: Segment | None
    others: list[Segment]

    def of(self, name: str) -> Iterator[Segment]:
        return (segment for segment in self.others if segment.name == name)

    def __repr__(self) -> str:
        return "_Group()"


def take_dispenses(reading: Reading) -> int:
    """Take the pick-ups of a message, one a day, and their regimens; return how many there were."""
    lines = sorted((line for group in _groups(reading) for line in _lines(group, reading)), key=_by_day)
    n_taken = 0
    for _, found in groupby(lines, key=lambda line: line.on.date()):
        day = list(found)
        agents = frozenset().union(*(line.agents for line in day))
        if is_treatment(agents):
            n_taken += 1
            _take(day, agents, reading)
        elif agents:
            reading.caveats.append("two drugs alone may be for prevention: no pick-up")
    return n_taken


def _by_day(line: _Line) -> tuple[datetime, str]:
    return line.on, line.order


def _take(day: list[_Line], agents: frozenset[str], reading: Reading) -> None:
    on, order = day[0].on, day[0].order
    is_retracted = all(line.is_cancelled for line in day)
    days = max((line.days for line in day if line.days is not None), default=NO_VALUE)
    implied = max((line.implied_days for line in day if line.implied_days is not None), default=None)
    named = (order, on.date().isoformat())
    reading.add(Kind.PICKUP, on, reading.named("pickup", *named), value=days, is_retracted=is_retracted)
    if implied is not None:
        source_id = reading.named("pickup-quantity", *named)
        reading.add(Kind.PICKUP_QUANTITY_DAYS, on, source_id, value=implied, is_retracted=is_retracted)
    regimen = regimen_of(agents)
    if regimen is not None:
        source_id = reading.named("regimen", *named)
        reading.add(Kind.REGIMEN, on, source_id, value=float(regimen), is_retracted=is_retracted)


def _groups(reading: Reading) -> Iterator[_Group]:
    group = _Group(None, [])
    for segment in reading.message.segments("ORC", "RXE", "RXD", "TQ1", "OBX"):
        if segment.name == "ORC":
            yield group
            group = _Group(segment, [])
        else:
            group.others.append(segment)
    yield group


def _lines(group: _Group, reading: Reading) -> Iterator[_Line]:
    is_order = reading.header.message_type == "RDE"
    days = _days(group, reading)
    orc = group.orc
    for drug in group.of("RXE" if is_order else "RXD"):
        code, name = drug.text(2), f"{drug.text(2)} {drug.text(2, 2)}"
        agents = agents_of(code, name)
        if not agents or _PREVENTION.search(" ".join((name, drug.raw(9), drug.raw(7)))):
            continue
        on = reading.day(drug.text(18 if is_order else 3))
        if on is None:
            reading.caveats.append("drugs without a day of dispensing: no pick-up")
            continue
        number_of_order = drug.text(15 if is_order else 7) or ((orc.text(3) or orc.text(2)) if orc is not None else "")
        amount, dose = (drug.text(10), drug.text(19)) if is_order else (drug.text(4), drug.text(12))
        is_cancelled = orc is not None and orc.text(1) in _CANCELLED
        yield _Line(on, number_of_order, agents, days, _implied(amount, dose), is_cancelled)


def _days(group: _Group, reading: Reading) -> float | None:
    """Return the credible days that the order or an observation tells, the most of them."""
    told: list[float | None] = [_duration(tq1.text(6), tq1.text(6, 2)) for tq1 in group.of("TQ1")]
    told += [_coded(rxe.text(1, 3)) for rxe in group.of("RXE")]
    if group.orc is not None:
        told.append(_coded(group.orc.text(7, 3)))
    for obx in group.of("OBX"):
        question = question_of(obx, reading)
        if question is not None and question.kind == SUPPLY_DAYS:
            told.append(value_of(obx, question))
    return max((days for days in told if days is not None and is_valid_supply(days)), default=None)


def _duration(amount: str, unit: str) -> float | None:
    count, days = number(amount), _DAYS_IN.get(normal(unit or "d"))
    return None if count is None or days is None else count * days


def _coded(written: str) -> float | None:
    """Return the days of a duration such as `D30`, `W4` or `L3` (months)."""
    found = re.fullmatch(r"([DWL])(\d{1,4})", written.upper())
    return _DAYS_IN[found[1].lower()] * int(found[2]) if found else None


def _implied(amount: str, dose: str) -> float | None:
    count, a_day = number(amount), number(dose)
    if not count or not a_day or a_day < 0:
        return None
    days = floor(count / a_day)
    return float(days) if is_valid_supply(days) else None
