"""A patient's record: dated facts, each with the time it happened and the time it became known."""

import re
from datetime import date, datetime
from typing import Final, NamedTuple

from iit.domain.vocabulary import Kind, code_of

EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


def day_number(on: date) -> int:
    """Return days since 1970-01-01; a datetime counts by its own calendar day."""
    return on.toordinal() - EPOCH_ORDINAL


def day_date(day: int) -> date:
    """Return the date that is `day` days after 1970-01-01."""
    return date.fromordinal(day + EPOCH_ORDINAL)


class Event(NamedTuple):
    """One fact.

    `occurred_at` and `known_at` are aware datetimes in the facility's time zone; a fact is usable from the end of the
    calendar day of `known_at`. `value` is NaN where the kind has no value. `sequence` is the source's own row number
    (NMRS obsId): rows of one day are read in that order.
    """

    kind: Kind
    occurred_at: datetime
    known_at: datetime
    value: float
    source: str
    source_id: str
    sequence: int = 0

    @property
    def code(self) -> str:
        """The MEDS-style code of the fact."""
        return code_of(self.kind, self.value)

    def __repr__(self) -> str:
        return f"Event({self.kind.name})"


def record_order(event: Event) -> tuple[int, int, int, str, int]:
    """Return the sort key that defines the order of facts, everywhere.

    By day, then the day it became known, then the source's row number, then its id, then kind. Times within a day do
    not count: NMRS exports write every time as midnight.
    """
    return (
        event.occurred_at.toordinal(),
        event.known_at.toordinal(),
        event.sequence,
        event.source_id,
        event.kind,
    )


class Patient(NamedTuple):
    """The person a record belongs to. Holds no name, phone or address; `city` is a town or LGA."""

    patient_uuid: str
    facility: str
    facility_name: str | None
    birth_on: date | None
    sex: str | None
    state_province: str | None
    city: str | None
    phone_present: bool | None
    status: str
    exported_at: datetime | None

    def __repr__(self) -> str:
        return "Patient()"


class Record(NamedTuple):
    """All that is known of a patient: the person and the facts, in `record_order`."""

    patient: Patient
    events: tuple[Event, ...]

    def __repr__(self) -> str:
        return f"Record({len(self.events)} events)"


def make_record(patient: Patient, events: list[Event]) -> Record:
    """Return the record with its facts in the one order that every path relies on."""
    return Record(patient, tuple(sorted(events, key=record_order)))


def city_hash(city: str) -> int:
    """Return a stable 24-bit number of a town's name, the same for `Port-Harcourt` and ` port harcourt `.

    FNV-1a over the letters and digits in lower case; it fits a float32 exactly.
    """
    hashed = 2166136261
    for byte in re.sub(r"[^a-z0-9]", "", city.lower()).encode():
        hashed = ((hashed ^ byte) * 16777619) & 0xFFFFFFFF
    return (hashed >> 8) ^ (hashed & 0xFF)
