"""How often somebody asked within a minute: counted in Redis where there is one, else in this process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from limits.aio.storage import RedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.errors import StorageError

from iit.breaker import Breaker, closed_breaker

WINDOW_SECONDS: Final = 60

_HELD: Final = 20_000
_REDIS_SECONDS: Final = 0.1  # longest wait for Redis: counting must never cost more than what is counted


class Standing(NamedTuple):
    """How much of a limit is left, and in how many seconds it is whole again."""

    limit: int
    remaining: int
    reset_seconds: int
    is_exceeded: bool


@dataclass
class Limits:
    """Counts requests in windows of a minute. Without Redis, and while it is away, each process counts by itself.

    Attributes:
        redis: the shared counter, or None.
        clock: seconds since the epoch, so that all workers share windows.
        breaker: stops asking a Redis that fails.
    """

    redis: RedisStorage | None
    clock: Callable[[], float]
    breaker: Breaker = field(default_factory=lambda: closed_breaker("redis"), repr=False)
    _window: int = 0
    _counts: dict[str, int] = field(default_factory=dict, repr=False)

    async def hit(self, name: str, limit: int) -> Standing:
        """Count one request and tell whether it is over the limit, in requests a minute."""
        now = self.clock()
        window = int(now // WINDOW_SECONDS)
        shared = await self._shared(f"{name}:{window}")
        return _standing(self._local(name, window) if shared is None else shared, limit, now)

    async def _shared(self, key: str) -> int | None:
        if self.redis is None or not self.breaker.admits():
            return None
        try:
            count = await self.redis.incr(key, WINDOW_SECONDS)
        except (StorageError, OSError):
            self.breaker.failed()
            return None
        self.breaker.succeeded()
        return count

    def _local(self, name: str, window: int) -> int:
        if window != self._window or len(self._counts) >= _HELD:
            self._window = window
            self._counts.clear()
        count = self._counts.get(name, 0) + 1
        self._counts[name] = count
        return count

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self.redis is not None and isinstance(self.redis.bridge, RedispyBridge):
            await self.redis.bridge.storage.aclose()

    def forget(self) -> None:
        """Count anew in this process."""
        self._counts.clear()


def open_limits(redis_url: str | None, clock: Callable[[], float], breaker: Breaker | None = None) -> Limits:
    """Return the counter; connects to Redis at first use.

    Args:
        redis_url: `redis://`, `rediss://` or `unix://`; None counts in this process.
        clock: seconds since the epoch.
        breaker: stops asking a Redis that fails; by default none does.
    """
    if redis_url is None:
        return Limits(None, clock)
    options = {"socket_timeout": _REDIS_SECONDS, "socket_connect_timeout": _REDIS_SECONDS}
    uri = f"async+{redis_url.replace('unix://', 'redis+unix://')}"
    storage = RedisStorage(uri, wrap_exceptions=True, implementation="redispy", key_prefix="iit-limit", **options)
    return Limits(storage, clock, breaker or closed_breaker("redis"))


def _standing(count: int, limit: int, now: float) -> Standing:
    reset = WINDOW_SECONDS - int(now % WINDOW_SECONDS)
    return Standing(limit, max(limit - count, 0), reset, count > limit)
