"""How often passwords were wrong, by bucket: a keyed hash of where the attempts come from."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from iit.store.database import Transaction
from iit.store.schema import login_attempts

_KEPT: Final = timedelta(days=31)


class Attempts(NamedTuple):
    """What happened in a bucket."""

    failures: int
    last_failure_at: datetime | None
    last_success_at: datetime | None


def state(tx: Transaction, bucket: bytes) -> Attempts:
    """Return what happened in a bucket, and lock it against others who try at once."""
    row = tx.execute(
        select(*(login_attempts.c[name] for name in Attempts._fields))
        .where(login_attempts.c.bucket == bucket)
        .with_for_update()
    ).one_or_none()
    return Attempts(0, None, None) if row is None else Attempts(*row)


def failed(tx: Transaction, bucket: bytes, at: datetime, *, forgotten_after: timedelta) -> None:
    """Count a failure, from one again if the last is long ago."""
    counts = login_attempts.c.last_failure_at > at - forgotten_after
    failures = case((counts, login_attempts.c.failures + 1), else_=1)
    statement = upsert(login_attempts).values(bucket=bucket, failures=1, last_failure_at=at)
    changed = {"failures": failures, "last_failure_at": at}
    tx.execute(statement.on_conflict_do_update(index_elements=["bucket"], set_=changed))


def succeeded(tx: Transaction, own: bytes, shared: Sequence[bytes]) -> None:
    """Start the own bucket anew, take the attempt back from shared ones, and drop what is long past."""
    tx.execute(
        update(login_attempts).where(login_attempts.c.bucket == own).values(failures=0, last_success_at=func.now())
    )
    tx.execute(
        update(login_attempts)
        .where(login_attempts.c.bucket.in_(shared))
        .values(failures=func.greatest(login_attempts.c.failures - 1, 0))
    )
    newest = func.greatest(login_attempts.c.last_failure_at, login_attempts.c.last_success_at)
    tx.execute(delete(login_attempts).where(newest < func.now() - _KEPT))
