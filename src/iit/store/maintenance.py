"""The log of maintenance, and the database's own upkeep."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import desc, insert, select

from iit.store.database import Transaction
from iit.store.schema import maintenance_log


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
