"""What the audit trail is told when somebody is refused."""

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.store import audit as audit_trail
from iit.store import facilities as facility_store
from iit.store import patients as patient_store
from iit.store.database import Database, Transaction


def note_refusal(database: Database, who: Principal, *, action: str, target: str) -> None:
    """Write that somebody asked for what is not theirs, in a transaction of its own: what was asked is undone."""
    with database.transaction() as tx:
        _write(tx, who, action, target)


def note_refused_patient(database: Database, who: Principal, *, action: str, patient_uuid: str) -> None:
    """Write that somebody asked for a patient who is not theirs; one who is not known could be anything: not quoted."""
    with database.transaction() as tx:
        known = patient_store.is_known(tx, patient_uuid)
        _write(tx, who, action, f"patient:{patient_uuid}" if known else "patients")


def note_refused_facility(database: Database, who: Principal, *, action: str, facility: str | None) -> None:
    """Write that somebody asked for a facility that is not theirs; one that is not known is not quoted."""
    with database.transaction() as tx:
        known = facility is not None and facility_store.is_known(tx, facility)
        _write(tx, who, action, f"facility:{facility}" if known else "facilities")


def _write(tx: Transaction, who: Principal, action: str, target: str) -> None:
    event = AuditEvent(
        event_type=EventType.UNAUTHORIZED_ACCESS, actor=who.name, action=action, target=target, outcome="refused",
        detail={"role": who.role, "credential": who.credential},
    )  # fmt: skip
    audit_trail.write(tx, event)
