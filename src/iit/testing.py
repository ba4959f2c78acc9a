"""Builders of patients for tests: `a_record(pickup(on, 30), …)` reads like the case it makes."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from iit.domain.access import local_operator
from iit.domain.record import Event, Patient, Record, make_record
from iit.domain.vocabulary import Kind

NAN = float("nan")

TESTER = local_operator("test")
"""Who acts in tests where it does not matter."""


def a_patient(patient_uuid: str = "00000000-0000-4000-8000-000000000001", **changes: object) -> Patient:
    """Return a patient of facility `SYN000001`, changed as told."""
    patient = Patient(patient_uuid, "SYN000001", None, None, None, None, None, None, "active", None)
    return patient._replace(**changes)  # type: ignore[arg-type]


def a_fact(
    kind: Kind, on: date, value: float = NAN, *, known_after_days: int = 0, source_id: str = "", sequence: int = 0
) -> Event:
    """Return a fact that happened on a day and became known some days later."""
    at = datetime(on.year, on.month, on.day, tzinfo=UTC)
    named = source_id or f"{kind.name}:{on}:{value}"
    return Event(kind, at, at + timedelta(days=known_after_days), value, "test", named, sequence)


def pickup(on: date, days: float = 30.0, *, known_after_days: int = 0) -> Event:
    """Return an ARV pick-up."""
    return a_fact(Kind.PICKUP, on, days, known_after_days=known_after_days)


def a_record(*events: Event, patient: Patient | None = None) -> Record:
    """Return a record of facts."""
    return make_record(patient or a_patient(), list(events))


def pickups_with_lateness(first: date, days: int, late: Iterable[int]) -> list[Event]:
    """Return a first pick-up and one after it for each lateness in days (negative is early)."""
    events = [pickup(first, days)]
    on = first
    for lateness in late:
        on = on + timedelta(days=days + lateness)
        events.append(pickup(on, days))
    return events
