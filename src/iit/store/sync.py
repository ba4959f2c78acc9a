"""How far other systems' records have been read, and that only one reads them at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, Date, and_, cast, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from iit.domain.errors import Conflict, Unavailable
from iit.domain.vocabulary import Kind
from iit.store.database import Database, Transaction
from iit.store.schema import events, patients, records, watermarks

_LOCKS: Final = 4_927_009  # class of the advisory locks of sources; any number that no one else takes


class Watermark(NamedTuple):
    """How far a source has been read; the columns' comments tell what each means."""

    source: str
    changed_until: datetime | None = None
    reading_since: datetime | None = None
    reading_until: datetime | None = None
    position: str | None = None
    finished_at: datetime | None = None


_COLUMNS: Final = [watermarks.c[name] for name in Watermark._fields]


def watermark_of(tx: Transaction, source: str) -> Watermark:
    """Return how far a source has been read; of one that was never read, nothing but its name."""
    row = tx.execute(select(*_COLUMNS).where(watermarks.c.source == source)).one_or_none()
    return Watermark(source) if row is None else Watermark(*row)


def begin(tx: Transaction, source: str, *, since: datetime | None, until: datetime) -> None:
    """Note that a reading begins, of everything or of what changed since a moment; `until` is the source's present."""
    told = {"reading_since": since, "reading_until": until, "position": None}
    statement = insert(watermarks).values(source=source, **told)
    tx.execute(statement.on_conflict_do_update(index_elements=["source"], set_=told))


def advance(tx: Transaction, source: str, position: str) -> None:
    """Note the last patient who was kept, in the transaction that keeps the facts."""
    tx.execute(update(watermarks).where(watermarks.c.source == source).values(position=position))


def finish(tx: Transaction, source: str, *, at: datetime) -> None:
    """Note that the reading under way has come to its end."""
    tx.execute(
        update(watermarks)
        .where(watermarks.c.source == source)
        .values(
            changed_until=watermarks.c.reading_until, reading_since=None, reading_until=None, position=None,
            finished_at=at,
        )
    )  # fmt: skip


def treated(tx: Transaction, facility: str, source: str) -> list[tuple[str, int, date | None]]:
    """Return of each patient of a facility with a full history the number of a source's pick-ups and the last day."""
    is_pickup = and_(
        events.c.patient_uuid == patients.c.patient_uuid, events.c.source == source, events.c.code == Kind.PICKUP.name
    )
    query = (
        select(patients.c.patient_uuid, func.count(events.c.source_id), func.max(cast(events.c.occurred_at, Date)))
        .select_from(patients.join(records).outerjoin(events, is_pickup))
        .where(patients.c.facility == facility)
        .where(func.length(records.c.content_hash) > 0)
        .group_by(patients.c.patient_uuid)
    )
    return [(uuid, number, last) for uuid, number, last in tx.execute(query)]


@contextmanager
def alone(database: Database, source: str) -> Iterator[None]:
    """Keep others from reading a source meanwhile; a process that dies lets go at once.

    Raises:
        Conflict: somebody is reading it. Unavailable: the database is away.
    """
    lock: dict[str, object] = {"of": _LOCKS, "source": source}
    try:
        connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except SQLAlchemyError as cause:
        raise Unavailable("the database cannot answer now", place="database") from cause
    with connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:of, hashtext(:source))"), lock).scalar_one():
            raise Conflict("is being read by another process", place=source)
        try:
            yield
        finally:
            _let_go(connection, lock)


def _let_go(connection: Connection, lock: dict[str, object]) -> None:
    try:
        connection.execute(text("SELECT pg_advisory_unlock(:of, hashtext(:source))"), lock)
    except SQLAlchemyError:
        connection.invalidate()  # with the connection goes the lock
