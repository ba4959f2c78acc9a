"""How the pool of connections is set; apart from `database`, so that settings are read without SQLAlchemy."""

from dataclasses import dataclass


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
        slow_seconds: a transaction that takes longer is told in the log.
    """

    size: int = 20
    max_overflow: int = 30
    timeout_seconds: float = 3.0
    recycle_seconds: int = 3600
    statement_timeout_ms: int = 30_000
    lock_timeout_ms: int = 5_000
    slow_seconds: float = 1.0
