"""Reading what was said of patients by day and band, and all that is known of one."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from uuid import UUID

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType, concerning
from iit.domain.errors import NotFound
from iit.domain.record import Event
from iit.services.cursors import behind, cursor_at, not_ours
from iit.services.refusals import note_refused_patient
from iit.store import audit as audit_trail
from iit.store import patients as patient_store
from iit.store import predictions as prediction_store
from iit.store import records as record_store
from iit.store.database import Database
from iit.store.patients import PatientRow
from iit.store.predictions import PredictionSearch, StoredPrediction

_MOST_TOLD = 1000  # predictions of one patient that are given out with the record


class AssessmentPage(NamedTuple):
    """Some predictions and where to go on."""

    found: list[StoredPrediction]
    next_cursor: str | None

    def __repr__(self) -> str:
        return f"AssessmentPage({len(self.found)})"


class Everything(NamedTuple):
    """A patient, all facts that stand, and what was said."""

    patient: PatientRow
    events: list[Event]
    said: list[StoredPrediction]

    def __repr__(self) -> str:
        return "Everything()"


@dataclass(frozen=True)
class Assessments:
    """Searches predictions and gives out whole records, in the scope of who asks and with an audit event of each."""

    database: Database

    def search(self, wanted: PredictionSearch, *, cursor: str | None, limit: int, who: Principal) -> AssessmentPage:
        """Return up to `limit` predictions, those of the latest days first, and a cursor if there are more.

        A patient outside the scope has none, like one that does not exist; the trail tells of the attempt.
        """
        after = None if cursor is None else _decoded(cursor)
        with self.database.transaction() as tx:
            rows = prediction_store.search(tx, wanted, who, after=after, limit=limit + 1)
            found = rows[:limit]
            listed = sorted({one.row.patient_uuid for one in found if one.row.patient_uuid is not None})
            event = AuditEvent(event_type=EventType.PREDICTION_READ, actor=who.name, action="read",
                               target="predictions", detail={"n": len(found)})  # fmt: skip
            audit_trail.write(tx, *concerning(event, listed))
            uuid = wanted.patient_uuid
            is_hidden = uuid is not None and not rows and bool(patient_store.outside(tx, [uuid], who.scope))
        if is_hidden and wanted.patient_uuid is not None:
            note_refused_patient(self.database, who, action="read", patient_uuid=wanted.patient_uuid)
        return AssessmentPage(found, _encoded(found[-1]) if len(rows) > limit else None)

    def everything(self, patient_uuid: str, *, who: Principal) -> Everything:
        """Return all that is known of a patient.

        Raises:
            NotFound: there is no such patient in scope.
        """
        with self.database.transaction() as tx:
            patient = patient_store.find(tx, patient_uuid, who.scope)
            if patient is not None:
                events = record_store.events_of(tx, patient_uuid)
                said = prediction_store.of_patient(tx, patient_uuid, limit=_MOST_TOLD)
                event = AuditEvent(event_type=EventType.PATIENT_EXPORTED, actor=who.name, action="read",
                                   target=f"patient:{patient_uuid}")  # fmt: skip
                audit_trail.write(tx, event)
        if patient is None:
            note_refused_patient(self.database, who, action="read", patient_uuid=patient_uuid)
            raise NotFound("there is no such patient", place="patient_uuid")
        return Everything(patient, events, said)


def _encoded(last: StoredPrediction) -> str:
    return cursor_at(f"{last.row.as_of.isoformat()} {last.row.prediction_id}")


def _decoded(cursor: str) -> tuple[date, UUID]:
    day, _, prediction_id = behind(cursor, place="_cursor").partition(" ")
    try:
        return date.fromisoformat(day), UUID(prediction_id)
    except ValueError:
        raise not_ours("_cursor") from None
