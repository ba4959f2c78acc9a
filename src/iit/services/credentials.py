"""Credentials that were looked up a moment ago, so that a request costs microseconds and no database."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Final, NamedTuple

from iit.domain.access import Principal
from iit.domain.errors import Unavailable
from iit.telemetry import cache_hits_total, cache_misses_total

FRESH_SECONDS: Final = 5.0
"""How long a revoked credential may still work in a running worker."""

_GRACE_SECONDS: Final = 900.0  # nothing can be revoked while the database is away, so what it confirmed goes on
_HELD: Final = 10_000
_HITS: Final = cache_hits_total.labels("credentials")
_MISSES: Final = cache_misses_total.labels("credentials")


class Found(NamedTuple):
    """Whose a credential is, and until when."""

    principal: Principal
    until: datetime | None

    def __repr__(self) -> str:
        return "Found()"


class _Held(NamedTuple):
    at: float
    found: Found

    def __repr__(self) -> str:
        return "_Held()"


@dataclass(repr=False, frozen=True)
class CredentialCache:
    """Holds who credentials belong to, by their keyed hash.

    Attributes:
        clock: the present time, aware.
        monotonic: seconds for ageing.
    """

    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    _held: dict[bytes, _Held] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def known(self, fingerprint: bytes, *, within_seconds: float = FRESH_SECONDS) -> Principal | None:
        """Return who a credential belongs to if that was found out not long ago and it has not expired."""
        held = self._held.get(fingerprint)
        if held is None or self.monotonic() - held.at >= within_seconds:
            return None
        until = held.found.until
        return held.found.principal if until is None or self.clock() < until else None

    def resolve(self, fingerprint: bytes, look_up: Callable[[], Found]) -> Principal:
        """Return who a credential belongs to, from memory or by looking it up.

        While the database is away, what it confirmed within the last quarter of an hour counts.
        """
        known = self.known(fingerprint)
        if known is not None:
            _HITS.inc()
            return known
        _MISSES.inc()
        try:
            found = look_up()
        except Unavailable:
            confirmed = self.known(fingerprint, within_seconds=_GRACE_SECONDS)
            if confirmed is None:
                raise
            return confirmed
        with self._lock:
            self._held[fingerprint] = _Held(self.monotonic(), found)
            while len(self._held) > _HELD:
                del self._held[next(iter(self._held))]
        return found.principal

    def forget(self) -> None:
        """Look everything up anew, as after a revocation."""
        with self._lock:
            self._held.clear()
