"""Asking the database and Redis whether they do what they are there for; nothing that is asked here stays."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

import redis
from sqlalchemy import insert, select, text
from sqlalchemy.exc import ProgrammingError

from iit.domain.errors import Unavailable
from iit.store.database import Transaction
from iit.store.schema import login_attempts

_REDIS_SECONDS: Final = 1.0


def write_and_read_back(tx: Transaction) -> None:
    """Write a row, read it, and take it back.

    Raises:
        Unavailable: it is not read as it was written, or the application's role may not write.
    """
    bucket = secrets.token_bytes(32)
    with tx.begin_nested() as savepoint:
        try:
            tx.execute(insert(login_attempts).values(bucket=bucket, failures=7))
        except ProgrammingError as cause:
            raise Unavailable("the application's role may not write", place="database") from cause
        found = tx.execute(select(login_attempts.c.failures).where(login_attempts.c.bucket == bucket)).scalar_one()
        savepoint.rollback()
    if found != 7:
        raise Unavailable("what was written is not what is read", place="database")


def clock_difference_seconds(tx: Transaction, now: Callable[[], datetime]) -> float:
    """Return how many seconds the database's clock is ahead of ours (negative: behind), to within the way there."""
    before = now()
    theirs: datetime = tx.execute(text("SELECT clock_timestamp()")).scalar_one()
    after = now()
    return (theirs - before).total_seconds() - (after - before).total_seconds() / 2


def exchange_with_redis(url: str) -> dict[str, float]:
    """Write a value that expires, read it back, and return Redis' own figures.

    Raises:
        Unavailable: it does not answer, refuses, or gives something else.
    """
    key, value = f"iit-health:{secrets.token_hex(8)}", secrets.token_bytes(8)
    try:
        with redis.Redis.from_url(url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS) as client:
            client.set(key, value, ex=10)
            found = client.get(key)
            client.delete(key)
            memory = client.info("memory")
    except redis.RedisError as cause:
        raise Unavailable(_why(cause), place="Redis") from cause
    if found != value:
        raise Unavailable("what was written is not what is read", place="Redis")
    return {"used_bytes": float(memory["used_memory"]), "most_bytes": float(memory["maxmemory"])}


class RedisFacts(NamedTuple):
    """How Redis is set and filled; `most_bytes` 0 is without limit."""

    policy: str
    used_bytes: int
    most_bytes: int


def redis_facts(url: str) -> RedisFacts:
    """Ask Redis how it is, without writing.

    Raises:
        Unavailable: it does not answer or refuses.
    """
    try:
        with redis.Redis.from_url(url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS) as client:
            memory = client.info("memory")
    except redis.RedisError as cause:
        raise Unavailable(_why(cause), place="Redis") from cause
    return RedisFacts(str(memory["maxmemory_policy"]), int(memory["used_memory"]), int(memory["maxmemory"]))


def _why(cause: redis.RedisError) -> str:
    if isinstance(cause, redis.AuthenticationError | redis.exceptions.NoPermissionError):
        return "refuses the password"
    if isinstance(cause, redis.exceptions.OutOfMemoryError):
        return "is full and evicts nothing"
    if isinstance(cause, redis.exceptions.ReadOnlyError):
        return "is a read-only replica"
    return "cannot be reached" if isinstance(cause, redis.ConnectionError | redis.TimeoutError) else "cannot answer"
