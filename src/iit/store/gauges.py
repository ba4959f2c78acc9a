"""Figures of the database for Prometheus: cheap statements, asked together in one transaction."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, func, or_, select, text, union

from iit.store import backups, inbox
from iit.store.database import Transaction
from iit.store.schema import jobs, maintenance_log, refresh_tokens, sessions, users

Figure = tuple[str, tuple[str, ...], float]
"""Name, values of the labels, value."""

_DAY: Final = timedelta(days=1)


def figures(tx: Transaction, now: datetime) -> Iterator[Figure]:
    """Yield messages, backups, tasks, jobs, people and the server's own figures as of now (aware)."""
    yield from _messages(tx, now)
    for kind, finished_at in backups.latest_good(tx).items():
        yield "iit_backup_age_seconds", (kind,), _age(finished_at, now)
    yield from _tasks(tx, now)
    yield from _jobs(tx, now)
    yield "iit_active_users", (), _n_active(tx, now)
    yield from _server(tx, now)


def _messages(tx: Transaction, now: datetime) -> Iterator[Figure]:
    counts, oldest = inbox.depth(tx)
    for state, n in counts.items():
        yield "iit_inbox_depth", (state,), n
    yield "iit_inbox_oldest_seconds", (), 0.0 if oldest is None else _age(oldest, now)


def _tasks(tx: Transaction, now: datetime) -> Iterator[Figure]:
    """Yield for each task of upkeep how long ago it succeeded, and whether its newest run failed."""
    is_ok = maintenance_log.c.outcome == "ok"
    finished = maintenance_log.c.finished_at
    query = select(
        maintenance_log.c.task, func.max(finished).filter(is_ok), func.max(finished).filter(~is_ok)
    ).group_by(maintenance_log.c.task)
    for task, ok_at, failed_at in tx.execute(query):
        if ok_at is not None:
            yield "iit_task_age_seconds", (task,), _age(ok_at, now)
        has_failed = failed_at is not None and (ok_at is None or failed_at > ok_at)
        yield "iit_task_failed", (task,), float(has_failed)


def _jobs(tx: Transaction, now: datetime) -> Iterator[Figure]:
    query = (
        select(jobs.c.kind, jobs.c.state, func.count())
        .where(or_(jobs.c.created_at > now - _DAY, jobs.c.state.in_(("queued", "running"))))
        .group_by(jobs.c.kind, jobs.c.state)
    )
    for kind, state, n in tx.execute(query):
        yield "iit_jobs", (kind, state), n


def _n_active(tx: Transaction, now: datetime) -> float:
    since = now - _DAY
    active = union(
        select(users.c.user_name).where(users.c.last_login_at > since),
        select(sessions.c.user_name).where(sessions.c.last_used_at > since),
        select(refresh_tokens.c.user_name).where(refresh_tokens.c.created_at > since),
    ).subquery()
    return float(tx.execute(select(func.count()).select_from(active)).scalar_one())


def _server(tx: Transaction, now: datetime) -> Iterator[Figure]:
    row: Row[Any] = tx.execute(
        text(
            "SELECT current_setting('archive_mode') <> 'off' AS archives, failed_count, last_archived_time,"
            " coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS is_failing,"
            " (SELECT count(*) FROM pg_stat_replication) AS n_receivers,"
            " pg_database_size(current_database()) AS bytes, clock_timestamp() AS their_now FROM pg_stat_archiver"
        )
    ).one()
    yield "iit_database_size_bytes", (), row.bytes
    yield "iit_database_clock_offset_seconds", (), (row.their_now - now).total_seconds()
    yield "iit_wal_receivers", (), row.n_receivers
    if row.archives:
        yield "iit_wal_archive_failures_total", (), row.failed_count
        yield "iit_wal_archive_failing", (), float(row.is_failing)
        if row.last_archived_time is not None:
            yield "iit_wal_archive_age_seconds", (), _age(row.last_archived_time, now)


def _age(moment: datetime, now: datetime) -> float:
    return max((now - moment).total_seconds(), 0.0)
