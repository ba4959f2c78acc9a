"""Pick-ups: what a pharmacy order form proves.

A pick-up is a pharmacy form with an answered regimen line (165708), or with an ARV group (162240) that has a duration
(159368) above zero: the rule of NMRS' own report (RADET). Durations under the group of drugs for opportunistic
infections (165726) use the same concept and do not count.
"""

from collections.abc import Iterator
from datetime import datetime
from math import floor
from typing import Final

from iit.domain.interruption import is_valid_supply
from iit.domain.record import Event
from iit.domain.vocabulary import Kind
from iit.ingest.nmrs.answers import answer_in, known_answer, number_in
from iit.ingest.nmrs.concepts import Form, Part
from iit.ingest.nmrs.contacts import Contact, Found
from iit.ingest.nmrs.observations import event_of
from iit.ingest.nmrs.reading import NO_VALUE, SOURCE, Reading
from iit.ingest.nmrs.scalars import is_blank, row_number, words

TABLETS_A_DAY: Final = {160862: 1.0, 160858: 2.0, 165721: 4.0, 160870: 4.0, 165722: 3 / 7}
_PREVENTION: Final = frozenset({"prep", "pep", "prophylaxis"})


def pharmacy_events(contact: Contact, reading: Reading) -> Iterator[Event]:
    """Yield a form's pick-up, the days its quantities last, its regimen, drugs and the like."""
    if contact.form is Form.PHARMACY:
        if contact.is_prevention or not reading.is_on_art or _names_prevention(contact):
            return
        yield from _pickup(contact, reading)
    for found in contact.of(Part.ARV_FACT):
        answer = known_answer(found, reading)
        if answer is not None:
            known = reading.known(found.occurred, found.created or contact.created)
            event = event_of(found, answer, found.occurred, known, reading)
            if event is not None:
                yield event


def _pickup(contact: Contact, reading: Reading) -> Iterator[Event]:
    groups = {row_number(found.row.obs_id) for found in contact.of(Part.ARV_GROUP)} - {None}
    has_line = any(_is_answered_line(found) for found in contact.of(Part.ARV_FACT))
    durations = [number_in(found.row) or 0.0 for found in _supplies(contact, groups, reading, has_line=has_line)]
    if contact.occurred is None or not (has_line or any(days > 0 for days in durations)):
        return
    if not contact.source_id:
        reading.doubt("messageData.obs", "a pick-up belongs to no encounter")
        return
    known = reading.known(contact.occurred, contact.created)
    days = max((days for days in durations if is_valid_supply(days)), default=NO_VALUE)
    yield _event(Kind.PICKUP, contact, contact.occurred, known, days)
    implied = max((days for group in groups for days in _implied_days(contact, group)), default=None)
    if implied is not None:
        yield _event(Kind.PICKUP_QUANTITY_DAYS, contact, contact.occurred, known, implied)


def _event(kind: Kind, contact: Contact, occurred: datetime, known: datetime, value: float) -> Event:
    source_id = contact.source_id if kind is Kind.PICKUP else f"{contact.source_id}:quantity"
    return Event(kind, occurred, known, value, SOURCE, source_id, contact.sequence)


def _is_answered_line(found: Found) -> bool:
    if found.concept.kind is not Kind.REGIMEN_LINE:
        return False
    return bool(row_number(found.row.value_coded)) or not is_blank(found.row.variable_value)


def _supplies(contact: Contact, groups: set[int | None], reading: Reading, *, has_line: bool) -> list[Found]:
    """Return the durations of ARVs: under an ARV group, or without any group where nothing else was dispensed."""
    supplies = contact.of(Part.SUPPLY_DAYS)
    if groups:
        return [found for found in supplies if row_number(found.row.obs_group_id) in groups]
    if not has_line or contact.of(Part.OI_GROUP):
        return []
    for found in supplies:
        reading.doubt(found.place("obsGroupId"), "a duration belongs to no group of drugs")
    return supplies


def _implied_days(contact: Contact, group: int | None) -> Iterator[float]:
    """Yield the whole days that a group's quantities last at its daily number of tablets, where credible."""
    rates = [
        TABLETS_A_DAY.get(answer_in(found.row, found.concept) or 0, 0.0)
        for found in contact.of(Part.FREQUENCY)
        if row_number(found.row.obs_group_id) == group
    ]
    rate = max(rates, default=0.0)
    for found in contact.of(Part.QUANTITY):
        if rate and row_number(found.row.obs_group_id) == group:
            days = floor((number_in(found.row) or 0.0) / rate)
            if is_valid_supply(days):
                yield float(days)


def _names_prevention(contact: Contact) -> bool:
    """Tell whether the regimen or its line is PrEP or PEP, by the name of the answer."""
    return any(
        words(found.row.variable_value) & _PREVENTION
        for found in contact.of(Part.ARV_FACT)
        if found.concept.kind in (Kind.REGIMEN, Kind.REGIMEN_LINE)
    )
