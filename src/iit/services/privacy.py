"""What a person may ask for: everything kept about them, and its removal; and keeping nothing longer than told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import NotFound
from iit.store import audit as audit_trail
from iit.store import privacy as privacy_store
from iit.store.audit import AuditFilter
from iit.store.database import Database


@dataclass(frozen=True)
class Privacy:
    """Gives out, removes and ages what is kept about persons.

    Attributes:
        database: where it is kept.
        now: the present time, aware.
    """

    database: Database
    now: Callable[[], datetime] = field(repr=False)

    def export(self, patient_uuid: str, *, who: Principal) -> dict[str, Any]:
        """Return everything kept about a person: rows by table, and who read or changed them.

        Raises:
            NotFound: nothing is kept.
        """
        with self.database.transaction() as tx:
            told: dict[str, Any] = privacy_store.rows_of(tx, patient_uuid)
            if not told:
                raise NotFound("nothing is kept about such a person", place="patient_uuid")
            seen = audit_trail.search(tx, AuditFilter(target=f"patient:{patient_uuid}"), newest=False)
            told["audit_logs"] = [{**row._asdict(), "patients": None} for row in seen]
            audit_trail.write(tx, _event(EventType.PATIENT_EXPORTED, who.name, "read", f"patient:{patient_uuid}"))
        return told

    def erase(self, patient_uuid: str, *, who: Principal) -> dict[str, int]:
        """Remove everything kept about a person; return how many rows by table.

        The audit trail keeps its rows, which hold no value, and tells of the erasure. Records imported later are left
        out until `readmit`. Figures of facilities and trained models keep what they learned until made anew.

        Raises:
            NotFound: nothing is kept.
        """
        with self.database.transaction() as tx:
            removed = privacy_store.erase(tx, patient_uuid)
            if not removed:
                raise NotFound("nothing is kept about such a person", place="patient_uuid")
            audit_trail.write(
                tx, _event(EventType.PATIENT_ERASED, who.name, "delete", f"patient:{patient_uuid}", removed)
            )
        return removed

    def readmit(self, patient_uuid: str, *, who: Principal) -> None:
        """Let the records of a person who was erased be imported again.

        Raises:
            NotFound: no such person was erased.
        """
        event = _event(EventType.PATIENT_READMITTED, who.name, "update", f"patient:{patient_uuid}")
        with self.database.transaction() as tx:
            if not privacy_store.readmit(tx, patient_uuid, audit=event):
                raise NotFound("no such person was erased", place="patient_uuid")

    def expired_predictions(self, keep_days: int) -> int:
        """Return how many predictions are older than so many days."""
        with self.database.transaction() as tx:
            return privacy_store.count_predictions_before(tx, self._before(keep_days))

    def drop_expired_predictions(self, keep_days: int, *, who: Principal) -> int:
        """Remove predictions older than so many days, with their outcomes; return how many.

        It is done in short transactions: repeating it after an interruption completes it.
        """
        moment, total = self._before(keep_days), 0
        while True:
            with self.database.transaction() as tx:
                number = privacy_store.drop_predictions_before(tx, moment)
                if not number:
                    return total
                detail = {"predictions": number, "keep_days": keep_days}
                audit_trail.write(tx, _event(EventType.RETENTION_APPLIED, who.name, "delete", "predictions", detail))
            total += number

    def _before(self, keep_days: int) -> datetime:
        return self.now() - timedelta(days=keep_days)


def _event(
    event_type: EventType, actor: str, action: str, target: str, detail: dict[str, int] | None = None
) -> AuditEvent:
    return AuditEvent(event_type=event_type, actor=actor, action=action, target=target, detail=detail or {})
