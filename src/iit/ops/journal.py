"""The log of maintenance: each task leaves a row, whether it was done or failed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

from iit.domain.errors import ServiceError
from iit.store import maintenance
from iit.store.database import Database
from iit.store.maintenance import Task

Opener = Callable[[], AbstractContextManager[Database]]


@contextmanager
def journal(
    task: str, *, actor: str, opened: Opener, now: Callable[[], datetime], warn: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Yield a place for figures and write the row when the task ends.

    Args:
        task: what is done.
        actor: who does it.
        opened: opens the database, when the task has ended: a restore may have brought it back only then.
        now: the present time.
        warn: told when the row cannot be written; that does not make a good task fail.
    """
    started_at = now()
    detail: dict[str, Any] = {}
    outcome = "failed"
    try:
        yield detail
        outcome = "ok"
    except ServiceError as error:
        detail["reason"] = str(error)
        raise
    finally:
        try:
            with opened() as database, database.transaction() as tx:
                maintenance.log(tx, Task(task, actor, started_at, now(), outcome, detail))
        except ServiceError as error:
            warn(f"the log of maintenance has no row of this: {error}")
