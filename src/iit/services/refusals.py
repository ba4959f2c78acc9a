"""What the audit trail is told when somebody is refused."""

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Database

UNAUTHORIZED = "unauthorized_access"


def note_refusal(database: Database, who: Principal, *, action: str, target: str) -> None:
    """Write that somebody asked for what is not theirs, in a transaction of its own: what was asked is undone."""
    event = AuditEvent(
        event_type=UNAUTHORIZED, actor=who.name, action=action, target=target, outcome="refused",
        detail={"role": who.role, "credential": who.credential},
    )  # fmt: skip
    with database.transaction() as tx:
        audit_trail.write(tx, event)
