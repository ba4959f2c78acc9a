"""Reading patients: one, a page of them, the timeline of one, and the worklist of a facility."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, NoReturn

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType, concerning
from iit.domain.errors import NotFound
from iit.domain.interruption import CycleStatus, DaysSource, interruption_day
from iit.domain.record import Event, day_date, day_number
from iit.domain.vocabulary import Kind
from iit.features.columns import unpack
from iit.model.cycles import cycles_of
from iit.services.cursors import behind, cursor_at
from iit.services.refusals import note_refused_patient
from iit.store import audit as audit_trail
from iit.store import facilities as facility_store
from iit.store import patients as patient_store
from iit.store import predictions as prediction_store
from iit.store import records as record_store
from iit.store.database import Database
from iit.store.patients import PatientRow, WorklistRow
from iit.store.predictions import StoredPrediction


class CycleView(NamedTuple):
    """A refill cycle as it is shown."""

    pickup_on: date
    days_supplied: int
    days_source: str
    expected_on: date
    interruption_on: date
    next_pickup_on: date | None
    late_days: int | None
    status: str
    label: int | None

    def __repr__(self) -> str:
        return "CycleView()"


class EventView(NamedTuple):
    """A fact as it is shown."""

    on: date
    known_on: date
    code: str
    value: float | None

    def __repr__(self) -> str:
        return "EventView()"


class Timeline(NamedTuple):
    """A patient's cycles and facts as known on a day."""

    patient_uuid: str
    as_of: date
    cycles: list[CycleView]
    events: list[EventView]

    def __repr__(self) -> str:
        return "Timeline()"


class Page(NamedTuple):
    """Some patients and where to go on."""

    patients: list[PatientRow]
    next_cursor: str | None

    def __repr__(self) -> str:
        return "Page()"


@dataclass(frozen=True)
class Patients:
    """Reads patients in the scope of who asks; every reading is written to the audit trail in the same transaction.

    A patient outside the scope looks like one that does not exist; the trail tells of the attempt.
    """

    database: Database

    def get(self, patient_uuid: str, *, who: Principal) -> PatientRow:
        """Return a patient.

        Raises:
            NotFound: there is none in scope.
        """
        with self.database.transaction() as tx:
            row = patient_store.find(tx, patient_uuid, who.scope)
            if row is not None:
                audit_trail.write(tx, _read(who, f"patient:{patient_uuid}"))
        return row if row is not None else self._missing(patient_uuid, who)

    def page(self, *, facility: str | None, band: str | None, cursor: str | None, limit: int, who: Principal) -> Page:
        """Return up to `limit` patients in a fixed order, and a cursor if there are more."""
        after = None if cursor is None else behind(cursor, place="cursor")
        with self.database.transaction() as tx:
            rows = patient_store.page(tx, scope=who.scope, facility=facility, band=band, after=after, limit=limit + 1)
            listed = [row.patient_uuid for row in rows[:limit]]
            audit_trail.write(tx, *_list_read(EventType.PATIENTS_LISTED, who, facility, listed))
        more = len(rows) > limit
        return Page(rows[:limit], cursor_at(rows[limit - 1].patient_uuid) if more else None)

    def timeline(self, patient_uuid: str, *, as_of: date | None, today: date, who: Principal) -> Timeline:
        """Return a patient's cycles, with labels as far as they can be known on a day, and the facts known by then.

        Args:
            patient_uuid: who.
            as_of: the day; by default the last day the facility's exports cover, at most today.
            today: the present day.
            who: asks.

        Raises:
            NotFound: there is no such patient in scope.
        """
        with self.database.transaction() as tx:
            row = record_store.facts_of(tx, patient_uuid, who.scope)
            if row is not None:
                facility = facility_store.find(tx, row.facility)
                events = record_store.events_of(tx, patient_uuid)
                audit_trail.write(tx, _read(who, f"patient:{patient_uuid}"))
        if row is None:
            self._missing(patient_uuid, who)
        until = facility.data_until if facility is not None else None
        day = as_of or (today if until is None else min(until, today))
        last_known = facility.last_known_on if facility is not None else None
        reach = max((one for one in (last_known, until) if one is not None), default=day)
        lag = facility.reporting_lag_days if facility is not None else None
        cycles = cycles_of(unpack([row.facts]), 0, day_number(day), day_number(reach), lag or 0)
        views = [
            CycleView(
                pickup_on=day_date(cycle.start),
                days_supplied=cycle.days_supplied,
                days_source=DaysSource(cycle.source).name.lower(),
                expected_on=day_date(cycle.expected),
                interruption_on=day_date(interruption_day(cycle.expected)),
                next_pickup_on=None if cycle.next_start is None else day_date(cycle.next_start),
                late_days=None if cycle.next_start is None else cycle.next_start - cycle.expected,
                status=CycleStatus(cycle.status).name.lower(),
                label=cycle.label,
            )
            for cycle in cycles
        ]
        return Timeline(patient_uuid, day, views, _event_views(events, day))

    def predictions(self, patient_uuid: str, *, limit: int, who: Principal) -> Sequence[StoredPrediction]:
        """Return what was said of a patient, newest first."""
        with self.database.transaction() as tx:
            found = patient_store.find(tx, patient_uuid, who.scope)
            if found is not None:
                rows = prediction_store.of_patient(tx, patient_uuid, limit=limit)
                audit_trail.write(tx, _read(who, f"patient:{patient_uuid}"))
        return rows if found is not None else self._missing(patient_uuid, who)

    def worklist(self, *, facility: str | None, as_of: date | None, limit: int, who: Principal) -> list[WorklistRow]:
        """Return the patients with the highest risk of one day's predictions, by default those of the latest list."""
        with self.database.transaction() as tx:
            rows = patient_store.worklist(tx, scope=who.scope, facility=facility, as_of=as_of, limit=limit)
            listed = [row.patient_uuid for row in rows]
            audit_trail.write(tx, *_list_read(EventType.WORKLIST_READ, who, facility, listed))
        return rows

    def facilities(self, *, who: Principal) -> Sequence[tuple[str, str | None, int]]:
        """Return (code, name, number of patients) of each facility in scope."""
        with self.database.transaction() as tx:
            return facility_store.names_with_counts(tx, who.scope)

    def _missing(self, patient_uuid: str, who: Principal) -> NoReturn:
        note_refused_patient(self.database, who, action="read", patient_uuid=patient_uuid)
        raise NotFound("there is no such patient", place="patient_uuid")


_PERSONAL = frozenset({Kind.CITY, Kind.PHONE})


def _event_views(events: list[Event], day: date) -> list[EventView]:
    return [
        EventView(
            event.occurred_at.date(),
            event.known_at.date(),
            event.code,
            None if event.value != event.value or "//" in event.code else event.value,
        )
        for event in events
        if event.occurred_at.date() <= day and event.known_at.date() <= day and event.kind not in _PERSONAL
    ]


def _read(who: Principal, target: str) -> AuditEvent:
    return AuditEvent(event_type=EventType.PATIENT_READ, actor=who.name, action="read", target=target)


def _list_read(event_type: EventType, who: Principal, facility: str | None, listed: list[str]) -> list[AuditEvent]:
    # A facility without patients may be no facility: what was asked for is then not told, it could be anything.
    target = f"facility:{facility}" if facility is not None and listed else "patients"
    event = AuditEvent(event_type=event_type, actor=who.name, action="read", target=target, detail={"n": len(listed)})
    return concerning(event, listed)
