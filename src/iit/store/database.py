"""The way to PostgreSQL: one engine, one transaction a use case, and errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from iit.domain.errors import Conflict, InvalidInput, Unavailable

Transaction = Connection
"""What store functions are handed: an open transaction. Only `Database.transaction` commits."""

_READ_ONLY: Final = "25006"
_UNAVAILABLE_CLASSES: Final = ("08", "53", "57", "55", "40", "25")  # connection, resources, operator, locks, rollback
_UNIQUE_VIOLATION: Final = "23505"
_BAD_TEXT: Final = "22021"  # not in the database's encoding; a NUL is refused by the driver, without a state


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """How many connections to hold and how long to wait, the guide's defaults except for the wait.

    Attributes:
        size: connections kept open.
        max_overflow: more under load.
        timeout_seconds: wait for a free connection before answering 503.
        recycle_seconds: age at which a connection is replaced.
        statement_timeout_ms: longest statement.
        lock_timeout_ms: longest wait for a lock.
    """

    size: int = 20
    max_overflow: int = 30
    timeout_seconds: float = 3.0
    recycle_seconds: int = 3600
    statement_timeout_ms: int = 30_000
    lock_timeout_ms: int = 5_000


@dataclass(frozen=True)
class Database:
    """A pool of connections to one PostgreSQL database. `repr` shows no password."""

    engine: Engine = field(repr=False)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction; commit at a clean end, roll back at an error.

        Raises:
            Unavailable: the database is away, read-only, overloaded or waits on a lock too long.
            Conflict: a row with the same key exists. InvalidInput: a text holds NUL, which PostgreSQL does not keep.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as cause:
            raise _translated(cause) from cause

    def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            Unavailable: it gives none.
        """
        with self.transaction() as tx:
            tx.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(url: str, *, time_zone: str, pool: PoolSettings | None = None) -> Database:
    """Return a database for a `postgresql+psycopg://` URL. Connects at first use.

    Sessions work in `time_zone`, so that dates cast from timestamps are the facility's calendar days.
    """
    chosen = pool or PoolSettings()
    options = (
        f"-c statement_timeout={chosen.statement_timeout_ms} -c lock_timeout={chosen.lock_timeout_ms} "
        f"-c TimeZone={time_zone}"
    )
    engine = create_engine(
        url,
        pool_size=chosen.size,
        max_overflow=chosen.max_overflow,
        pool_timeout=chosen.timeout_seconds,
        pool_recycle=chosen.recycle_seconds,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"options": options, "connect_timeout": 5, "application_name": "iit-ml-service"},
    )
    return Database(engine)


def _translated(cause: SQLAlchemyError) -> Exception:
    if isinstance(cause, PoolTimeout):
        return Unavailable("all database connections are in use", place="database")
    if not isinstance(cause, DBAPIError):
        return cause
    state = getattr(cause.orig, "sqlstate", None)
    if state == _READ_ONLY:
        return Unavailable("the database is read-only", place="database", retry_after_seconds=60)
    if state == _UNIQUE_VIOLATION:
        return Conflict("it exists already", place="database")
    if isinstance(cause, DataError) and state in (None, _BAD_TEXT):
        return InvalidInput("holds a character that cannot be kept", place="text")
    if state is None or state[:2] in _UNAVAILABLE_CLASSES:
        return Unavailable("the database cannot answer now", place="database")
    return cause
