"""Stops asking a dependency that keeps failing: callers are told at once, and it is left alone to come back."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from threading import Lock
from typing import Final

from iit.domain.errors import Unavailable
from iit.telemetry import circuit_breaker_state

NEVER: Final = math.inf
"""So many failures open no breaker: it is turned off."""


class State(IntEnum):
    """How a breaker stands; the numbers are those of `iit_circuit_breaker_state`."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass
class Breaker:
    """Opens after some failures in a row; then lets one caller through each `rest_seconds`, and closes at a success.

    Only failures of the dependency itself are told to it: refused or lost connections and answers that do not come,
    never a request that was at fault or a wait for a lock.

    Attributes:
        name: of the dependency: the label of the metric and the place of the error.
        monotonic: seconds.
        failures: so many in a row open it; `NEVER` turns it off.
        rest_seconds: pause between two probes while it is open.
    """

    name: str
    monotonic: Callable[[], float] = field(repr=False)
    failures: float = 5
    rest_seconds: float = 1.0
    _failed: int = field(default=0, repr=False)
    _state: State = State.CLOSED
    _probe_at: float = field(default=0.0, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def state(self) -> State:
        """How it stands."""
        return self._state

    def admit(self) -> None:
        """Let a caller through, or a single probe each pause while it is open. Never waits.

        Raises:
            Unavailable: it is open.
        """
        if not self.admits():
            raise Unavailable("keeps failing and is left alone for a moment", place=self.name, retry_after_seconds=1)

    def admits(self) -> bool:
        """Tell whether a caller is let through, as `admit` does."""
        return self._state == State.CLOSED or self._may_probe()

    def succeeded(self) -> None:
        """Note that the dependency answered."""
        if self._failed:
            with self._lock:
                self._failed = 0
                self._turn(State.CLOSED)

    def failed(self) -> None:
        """Note that the dependency failed."""
        with self._lock:
            self._failed += 1
            if self._failed >= self.failures:
                self._probe_at = self.monotonic() + self.rest_seconds
                self._turn(State.OPEN)

    def _may_probe(self) -> bool:
        with self._lock:
            now = self.monotonic()
            if self._state == State.CLOSED:
                return True
            if now < self._probe_at:
                return False
            self._probe_at = now + self.rest_seconds
            self._turn(State.HALF_OPEN)
            return True

    def _turn(self, state: State) -> None:
        self._state = state
        circuit_breaker_state.labels(self.name).set(state)


def closed_breaker(name: str) -> Breaker:
    """Return a breaker that never opens."""
    return Breaker(name, lambda: 0.0, failures=NEVER)
