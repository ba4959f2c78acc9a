"""Trails of invented events, and the keys and anchors to check them with."""

from datetime import UTC, datetime
from pathlib import Path

from iit.domain.audit import AuditEvent
from iit.services.audit import Audit
from iit.store import audit
from iit.store.anchors import Anchors
from iit.store.database import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_event(number: int = 1, **changes: object) -> AuditEvent:
    """Return the reading of a patient by a key, changed as told."""
    told = {
        "event_type": "patient_read",
        "actor": "key:abcdefgh2345",
        "action": "read",
        "target": f"patient:00000000-0000-4000-8000-{number:012d}",
    }
    return AuditEvent(**{**told, **changes})  # type: ignore[arg-type]


def note(database: Database, *events: AuditEvent) -> None:
    """Commit events in one transaction."""
    with database.transaction() as tx:
        audit.write(tx, *events)


def an_audit(database: Database, folder: Path, now: datetime = NOON) -> Audit:
    """Return the service over a trail, with its anchors in a folder."""
    return Audit(database, Anchors(folder, database.audit_keys), lambda: now)
