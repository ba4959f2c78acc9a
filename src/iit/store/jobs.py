"""Work that outlasts a request: what was asked, how far it is, how it ended."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import desc, func, insert, select, update

from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import jobs

OPEN: Final = ("queued", "running")


class JobRow(NamedTuple):
    """One job. `state` is queued, running, done, failed or cancelled; `done` of `total` counts within `stage`."""

    job_id: UUID
    kind: str
    arguments: dict[str, Any]
    state: str
    stage: str | None
    done: int
    total: int
    result: dict[str, Any] | None
    reason: str | None
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_COLUMNS = [jobs.c[name] for name in JobRow._fields]


def add(tx: Transaction, job_id: UUID, kind: str, arguments: Mapping[str, Any], *, audit: AuditEvent) -> None:
    """Queue a job."""
    tx.execute(
        insert(jobs).values(
            job_id=job_id, kind=kind, arguments=dict(arguments), requested_by=audit.actor, state="queued"
        )
    )
    audit_trail.write(tx, audit)


def find(tx: Transaction, job_id: UUID) -> JobRow | None:
    """Return a job."""
    row = tx.execute(select(*_COLUMNS).where(jobs.c.job_id == job_id)).one_or_none()
    return None if row is None else JobRow(*row)


def page(tx: Transaction, *, kind: str | None, limit: int) -> list[JobRow]:
    """Return the newest jobs."""
    query = select(*_COLUMNS).order_by(desc(jobs.c.created_at)).limit(limit)
    if kind is not None:
        query = query.where(jobs.c.kind == kind)
    return [JobRow(*row) for row in tx.execute(query)]


def claim(tx: Transaction, job_id: UUID, *, stale_after: timedelta) -> JobRow | None:
    """Take a job that waits, or whose process has not been heard of for a while; None if it is neither."""
    changed = tx.execute(
        update(jobs)
        .where(jobs.c.job_id == job_id, _is_waiting(stale_after))
        .values(state="running", started_at=func.now(), heartbeat_at=func.now(), stage=None, done=0, total=0)
    )
    return find(tx, job_id) if changed.rowcount else None


def waiting(tx: Transaction, *, stale_after: timedelta) -> list[UUID]:
    """Return the jobs that nobody works on, oldest first."""
    return list(tx.execute(select(jobs.c.job_id).where(_is_waiting(stale_after)).order_by(jobs.c.created_at)).scalars())


def beat(tx: Transaction, job_id: UUID) -> bool:
    """Say that the job's process lives; return whether it is still wanted."""
    wanted = tx.execute(
        update(jobs)
        .where(jobs.c.job_id == job_id, jobs.c.state == "running")
        .values(heartbeat_at=func.now())
        .returning(jobs.c.cancel_requested)
    ).scalar_one_or_none()
    return wanted is False


def progress(tx: Transaction, job_id: UUID, stage: str, done: int, total: int) -> None:
    """Note how far a job is."""
    tx.execute(update(jobs).where(jobs.c.job_id == job_id).values(stage=stage, done=done, total=total))


def finish(
    tx: Transaction,
    job_id: UUID,
    state: str,
    *,
    result: Mapping[str, Any] | None,
    reason: str | None,
    audit: AuditEvent,
) -> None:
    """Note how a job ended."""
    values = {"state": state, "result": None if result is None else dict(result), "reason": reason}
    tx.execute(update(jobs).where(jobs.c.job_id == job_id).values(**values, finished_at=func.now()))
    audit_trail.write(tx, audit)


def cancel(tx: Transaction, job_id: UUID, *, audit: AuditEvent) -> bool:
    """Ask a job to stop; one that waits ends at once. Return whether it was open."""
    changed = tx.execute(
        update(jobs).where(jobs.c.job_id == job_id, jobs.c.state.in_(OPEN)).values(cancel_requested=True)
    ).rowcount
    tx.execute(
        update(jobs)
        .where(jobs.c.job_id == job_id, jobs.c.state == "queued")
        .values(state="cancelled", finished_at=func.now())
    )
    audit_trail.write(tx, audit)
    return bool(changed)


def open_of_kind(tx: Transaction, kind: str) -> UUID | None:
    """Return an open job of a kind, locking out whoever asks the same at this moment."""
    tx.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"job:{kind}"))))
    found: UUID | None = tx.execute(
        select(jobs.c.job_id).where(jobs.c.kind == kind, jobs.c.state.in_(OPEN)).limit(1)
    ).scalar_one_or_none()
    return found


def _is_waiting(stale_after: timedelta) -> Any:
    stale = (jobs.c.state == "running") & (jobs.c.heartbeat_at < func.now() - stale_after)
    return (jobs.c.state == "queued") | stale
