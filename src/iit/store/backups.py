"""What became of each run of a backup. What backups there are their manifests tell, which outlive the database."""

from datetime import datetime

from sqlalchemy import func, insert, select, update

from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import backups


def start(tx: Transaction, backup_id: str, *, kind: str, target: str, started_at: datetime, audit: AuditEvent) -> None:
    """Note a run that begins. Runs that were broken off before are noted as failed: only one runs at a time."""
    tx.execute(
        update(backups)
        .where(backups.c.state == "running")
        .values(state="failed", finished_at=started_at, reason="was broken off")
    )
    row = {"backup_id": backup_id, "kind": kind, "state": "running", "target": target, "started_at": started_at}
    tx.execute(insert(backups), row)
    audit_trail.write(tx, audit)


def succeed(tx: Transaction, backup_id: str, *, finished_at: datetime, size: int, audit: AuditEvent) -> None:
    """Note that a run made a whole backup of `size` bytes."""
    _finish(tx, backup_id, state="good", finished_at=finished_at, bytes=size)
    audit_trail.write(tx, audit)


def fail(tx: Transaction, backup_id: str, *, finished_at: datetime, reason: str, audit: AuditEvent) -> None:
    """Note that a run made nothing, and why."""
    _finish(tx, backup_id, state="failed", finished_at=finished_at, reason=reason)
    audit_trail.write(tx, audit)


def latest_good(tx: Transaction) -> dict[str, datetime]:
    """Return by kind when its newest good backup was finished."""
    rows = tx.execute(
        select(backups.c.kind, func.max(backups.c.finished_at).label("finished_at"))
        .where(backups.c.state == "good")
        .group_by(backups.c.kind)
    )
    return {row.kind: row.finished_at for row in rows}


def first_whole(tx: Transaction) -> datetime | None:
    """Return when the first good backup of the database was finished; None without any."""
    ours = (backups.c.state == "good") & (backups.c.kind != "models")
    first: datetime | None = tx.execute(select(func.min(backups.c.finished_at)).where(ours)).scalar_one()
    return first


def _finish(tx: Transaction, backup_id: str, **values: object) -> None:
    tx.execute(update(backups).where(backups.c.backup_id == backup_id).values(**values))
