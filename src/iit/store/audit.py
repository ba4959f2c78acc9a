"""Writing the audit trail. The application's role may add and read, never change or remove."""

from collections.abc import Sequence

from sqlalchemy import insert

from iit.domain.audit import AuditEvent
from iit.store.database import Transaction
from iit.store.schema import audit_logs


def write(tx: Transaction, *events: AuditEvent) -> None:
    """Add events in the transaction of the act they tell of: neither exists without the other."""
    tx.execute(insert(audit_logs), rows_of(events))


def rows_of(events: Sequence[AuditEvent]) -> list[dict[str, object]]:
    """Return events as rows of `audit_logs`."""
    return [
        {
            "event_type": event.event_type,
            "actor": event.actor,
            "action": event.action,
            "target": event.target,
            "outcome": event.outcome,
            "detail": dict(event.detail),
        }
        for event in events
    ]
