"""The way to PostgreSQL: one engine, one transaction a use case, and errors that say what to do."""

import inspect
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import isinf
from typing import Final, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, RootTransaction, create_engine, event, text
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from iit.breaker import Breaker, closed_breaker
from iit.deadline import current_deadline
from iit.domain.audit import AuditEvent
from iit.domain.errors import Busy, Conflict, InvalidInput, ReadOnly, ServiceError, Unavailable
from iit.store import chain
from iit.store.chain import AuditKeys
from iit.store.pool import PoolSettings as PoolSettings
from iit.store.punctual import keep_to_deadlines
from iit.telemetry import db_pool_in_use, db_pool_limit, db_pool_timeouts_total, db_transaction_seconds
from iit.traces import span

log = logging.getLogger(__name__)

T = TypeVar("T")

Transaction = Connection
"""What store functions are handed: an open transaction. Only `Database.transaction` commits."""

_READ_ONLY: Final = "25006"
_UNAVAILABLE_CLASSES: Final = ("08", "53", "57", "55", "40", "25")  # connection, resources, operator, locks, rollback
_WAITED_TOO_LONG: Final = ("55P03", "57014", "53300")  # lock, statement, connections
_AWAY: Final = ("08", "57P")  # connection lost or refused, server shuts down or starts
# Seconds, the last one milliseconds: a dead network is seen, too.
_PATIENCE: Final = {"connect_timeout": 2, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2,
                    "tcp_user_timeout": 10_000}  # fmt: skip
# A slow statement or a lock takes this share of the time that is left, so that an answer can still be given.
_STATEMENT_SHARE: Final = 0.6
_LOCK_SHARE: Final = 0.3
_BOUND: Final = """
SELECT set_config('statement_timeout', %(statement)s, true), set_config('lock_timeout', %(lock)s, true)
"""
_SECOND_TRY_SECONDS: Final = 2.5  # a new connection may take its whole patience
_UNIQUE_VIOLATION: Final = "23505"
_BAD_TEXT: Final = "22021"  # not in the database's encoding; a NUL is refused by the driver, without a state


class ConnectionLost(Unavailable):
    """The database is not there, or went away meanwhile: whether a commit took place is not known."""


@dataclass(frozen=True)
class Database:
    """A pool of connections to one PostgreSQL database. `repr` shows no password.

    Attributes:
        engine: the pool.
        audit_keys: keys of the audit trail, for those who act.
        pool: how long to wait.
        breaker: stops asking a server that is away.
        when_read_only: keeps the events of a transaction that only read, while nothing can be written; it raises the
            error it is given where it does not. None keeps none: then nothing is given out.
    """

    engine: Engine = field(repr=False)
    audit_keys: AuditKeys | None = field(repr=False)
    pool: PoolSettings = field(default_factory=PoolSettings)
    breaker: Breaker = field(repr=False, default_factory=lambda: closed_breaker("database"))
    when_read_only: "Callable[[Sequence[AuditEvent], ReadOnly], None] | None" = field(repr=False, default=None)

    @property
    def trail_keys(self) -> AuditKeys:
        """Keys of the audit trail.

        Raises:
            RuntimeError: the database was opened without them: nothing can be put on the trail.
        """
        if self.audit_keys is None:
            raise RuntimeError("opened without the keys of the audit trail")
        return self.audit_keys

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction; at a clean end write its audit events and commit, at an error roll back.

        Act and audit are one commit: where the trail cannot be written, nothing is done and nothing given out.

        Raises:
            Unavailable: the database is away. ReadOnly: it takes no writes. Busy: it is overloaded or waits too long.
            Conflict: a row with the same key exists. InvalidInput: a text holds NUL, which PostgreSQL does not keep.
        """
        self.breaker.admit()
        began = time.perf_counter()
        try:
            with span("transaction"), self.engine.connect() as connection:
                self.breaker.succeeded()
                self._tell_pool()
                with connection.begin() as opened:
                    self._bound(connection)
                    chain.begin(connection)
                    yield connection
                    has_appended = self._append(connection, opened)
                if has_appended:
                    chain.wait_for_disk(connection)
        except (SQLAlchemyError, psycopg.Error) as cause:
            if _is_away(cause):
                self.breaker.failed()
                raise ConnectionLost("the database cannot answer now", place="database") from cause
            translated = _translated(cause)
            if translated is None:
                raise
            raise translated from cause
        finally:
            self._tell_pool()
            self._tell_time(time.perf_counter() - began)

    def _tell_time(self, seconds: float) -> None:
        db_transaction_seconds.observe(seconds)
        # A command has no log: its user sees that it takes long, and is told nothing between its lines.
        if seconds > self.pool.slow_seconds and log.hasHandlers():
            log.warning("slow transaction", extra={"place": _place(), "milliseconds": round(seconds * 1000)})

    def _tell_pool(self) -> None:
        if isinstance(self.engine.pool, QueuePool):
            db_pool_in_use.set(self.engine.pool.checkedout())

    def _bound(self, connection: Connection) -> None:
        """Let no statement and no lock of this transaction be waited for beyond the request's deadline."""
        deadline = current_deadline()
        if deadline is None or isinf(left := deadline.left_seconds()):
            return
        if left <= 0:
            raise Busy("it took too long", place="database")
        statement = min(int(left * _STATEMENT_SHARE * 1000), self.pool.statement_timeout_ms)
        lock = min(int(left * _LOCK_SHARE * 1000), self.pool.lock_timeout_ms)
        connection.exec_driver_sql(_BOUND, {"statement": f"{statement}ms", "lock": f"{max(lock, 1)}ms"})

    def retried(self, work: Callable[[Transaction], T]) -> T:
        """Do work that has the same effect when done twice; do it again if the connection is lost meanwhile.

        Raises:
            Unavailable: as `transaction`, the second time.
        """
        try:
            with self.transaction() as tx:
                return work(tx)
        except ConnectionLost:
            deadline = current_deadline()
            if deadline is not None and deadline.left_seconds() < _SECOND_TRY_SECONDS:
                raise
            with self.transaction() as tx:
                return work(tx)

    def _append(self, connection: Connection, opened: RootTransaction) -> bool:
        """Write the transaction's events; return whether a commit has to be waited for."""
        events = list(chain.noted(connection))
        try:
            return chain.append(connection, lambda: self.trail_keys)
        except DBAPIError as cause:
            refusal = _translated(cause)
            if not isinstance(refusal, ReadOnly) or self.when_read_only is None:
                raise
            opened.rollback()
            self.when_read_only(events, refusal)
            return False

    def demand_writable(self) -> None:
        """Raise unless the database can be written.

        Raises:
            Unavailable: it is away. ReadOnly: it takes no writes.
        """
        with self.transaction() as tx:
            if tx.execute(text("SHOW transaction_read_only")).scalar_one() == "on":
                raise ReadOnly("the database is read-only", place="database")

    def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            Unavailable: it gives none.
        """
        with self.transaction() as tx:
            tx.execute(text("SELECT 1"))

    def connections(self) -> dict[str, float]:
        """Return how many connections of the pool are in use and how many there may be."""
        pool = self.engine.pool
        if not isinstance(pool, QueuePool):
            return {}
        return {"in_use": pool.checkedout(), "most": pool.size() + pool._max_overflow}

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(
    url: str,
    *,
    time_zone: str,
    audit_keys: AuditKeys | None = None,
    pool: PoolSettings | None = None,
    breaker: Breaker | None = None,
) -> Database:
    """Return a database for a `postgresql+psycopg://` URL whose audit trail is sealed with these keys.

    Without keys it serves for looking on and for upkeep that is told of elsewhere: an audited act fails.

    Connects at first use. Sessions work in `time_zone`, so that dates cast from timestamps are the facility's
    calendar days.
    """
    chosen = pool or PoolSettings()
    engine = create_engine(
        url,
        pool_size=chosen.size,
        max_overflow=chosen.max_overflow,
        pool_timeout=chosen.timeout_seconds,
        pool_recycle=chosen.recycle_seconds,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"application_name": "iit-ml-service", **_PATIENCE},
    )
    event.listen(engine, "connect", partial(_set_up, chosen=chosen, time_zone=time_zone))
    keep_to_deadlines(engine)
    db_pool_limit.set(chosen.size + chosen.max_overflow)
    return Database(engine, audit_keys, chosen, breaker or closed_breaker("database"))


def _set_up(
    connection: psycopg.Connection[tuple[object]], _record: object, *, chosen: PoolSettings, time_zone: str
) -> None:
    """Set limits and time zone of a session by a statement: pgbouncer hands on nothing that a connection asks for."""
    connection.autocommit = True
    try:
        connection.execute(
            "SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false),"
            " set_config('TimeZone', %s, false)",
            (str(chosen.statement_timeout_ms), str(chosen.lock_timeout_ms), time_zone),
        )
    finally:
        connection.autocommit = False


def _place() -> str:
    """Return module, line and function of who opened the transaction that just ends."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") in (__name__, "contextlib"):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_globals['__name__']}:{frame.f_lineno} {frame.f_code.co_name}"


def _is_away(cause: SQLAlchemyError | psycopg.Error) -> bool:
    """Tell whether an error says that the server is not there, rather than that it will not."""
    driver_error = cause.orig if isinstance(cause, DBAPIError) else cause
    if not isinstance(driver_error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    state = driver_error.sqlstate
    return state is None or state.startswith(_AWAY)


def _translated(cause: SQLAlchemyError | psycopg.Error) -> ServiceError | None:
    """Return what an error of the database means to who asks; None if it is a bug."""
    if isinstance(cause, PoolTimeout):
        db_pool_timeouts_total.inc()
        return Busy("all database connections are in use", place="database")
    driver_error = cause.orig if isinstance(cause, DBAPIError) else cause
    if not isinstance(driver_error, psycopg.Error):
        return None
    state = driver_error.sqlstate
    if state == _READ_ONLY:
        return ReadOnly("the database is read-only", place="database")
    if state in _WAITED_TOO_LONG or (state or "").startswith("40"):
        return Busy("the database is too busy for this now", place="database")
    if state == _UNIQUE_VIOLATION:
        return Conflict("it exists already", place="database")
    if isinstance(cause, DataError) and state in (None, _BAD_TEXT):
        return InvalidInput("holds a character that cannot be kept", place="text")
    if state is None or state[:2] in _UNAVAILABLE_CLASSES:
        return Unavailable("the database cannot answer now", place="database")
    return None
