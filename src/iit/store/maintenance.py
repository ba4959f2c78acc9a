"""The log of maintenance, and the database's own upkeep."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, desc, func, insert, select, text

from iit.store.database import Database, Transaction
from iit.store.schema import maintenance_log, metadata, sessions
from iit.store.server import our_tables


class Task(NamedTuple):
    """A task that was done (`ok`) or failed, with its figures; never a patient's values."""

    task: str
    actor: str
    started_at: datetime
    finished_at: datetime
    outcome: str
    detail: Mapping[str, Any]


def log(tx: Transaction, task: Task) -> None:
    """Keep what became of a task."""
    tx.execute(insert(maintenance_log), {**task._asdict(), "detail": dict(task.detail)})


def logged(tx: Transaction, *, limit: int = 100) -> list[Task]:
    """Return the newest entries of the log."""
    columns = [maintenance_log.c[name] for name in Task._fields]
    return [Task(*row) for row in tx.execute(select(*columns).order_by(desc(maintenance_log.c.id)).limit(limit))]


def last_success(tx: Transaction, task: str) -> datetime | None:
    """Return when a task last succeeded; None if it never did."""
    entry = maintenance_log.c
    query = select(func.max(entry.finished_at)).where((entry.task == task) & (entry.outcome == "ok"))
    latest: datetime | None = tx.execute(query).scalar_one()
    return latest


def tend(database: Database, *, is_vacuum: bool) -> int:
    """Refresh the planner's figures of our tables, with VACUUM where asked; return how many.

    Blocks no reader or writer: each table by itself, outside a transaction. The system's tables are left alone.
    """
    with database.transaction() as tx:
        names = our_tables(tx)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in names:
            connection.execute(text(f'{"VACUUM (ANALYZE)" if is_vacuum else "ANALYZE"} "{name}"'))
    return len(names)


def remove_expired(tx: Transaction, *, now: datetime) -> int:
    """Remove sessions that have expired; return how many."""
    return tx.execute(delete(sessions).where(sessions.c.expires_at < now)).rowcount


def sizes(tx: Transaction) -> dict[str, int]:
    """Return the bytes of the database and of each of our tables with its indexes."""
    rows = tx.execute(
        text(
            "SELECT relname, pg_total_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname = 'public' AND relkind = 'r' UNION ALL"
            " SELECT 'all', pg_database_size(current_database())"
        )
    )
    return {name: size for name, size in rows if name == "all" or name in metadata.tables}
