"""Running the checks: all at once, each with a time limit, and never more than one run of each at a time."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock, Thread
from typing import Any, Final, NamedTuple

from iit.domain.errors import ServiceError
from iit.ops.health.checks import CHECKS, Check

log = logging.getLogger(__name__)

LIMIT_SECONDS: Final = 2.0
DEEP_LIMIT_SECONDS: Final = 5.0
_LATELY_SECONDS: Final = 10.0


class State(StrEnum):
    """How a check ended, and how the whole is."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"


class Outcome(NamedTuple):
    """What a check found; figures and reasons name no patient."""

    state: State = State.OK
    reason: str | None = None
    figures: Mapping[str, float] = {}


class Told(NamedTuple):
    """A check with what it found and the milliseconds it took."""

    check: Check
    outcome: Outcome
    ms: float

    def as_json(self) -> dict[str, Any]:
        """Return it as an answer tells it."""
        told: dict[str, Any] = {"status": self.outcome.state, "critical": self.check.is_critical, "ms": self.ms}
        if self.outcome.reason is not None:
            told["reason"] = self.outcome.reason
        if self.outcome.state != State.OK:
            told["next_step"] = self.check.next_step
        return {**told, **self.outcome.figures}


class Standing(NamedTuple):
    """What all checks of one look found."""

    told: Sequence[Told]

    @property
    def state(self) -> State:
        """`failing` where something critical fails, `degraded` where anything else is not well."""
        bad = [one for one in self.told if one.outcome.state != State.OK]
        if any(one.check.is_critical and one.outcome.state == State.FAILING for one in bad):
            return State.FAILING
        return State.DEGRADED if bad else State.OK


Probe = Callable[[], Outcome]
"""Finds out how one thing is. A `ServiceError` counts as failing, with its reason."""


class _Run(NamedTuple):
    name: str
    future: "Future[tuple[Outcome, float]]"
    began: float


@dataclass
class Health:
    """Looks at everything there are probes for.

    A probe that hangs is given up on by whoever waits, and not begun again while it hangs: however often somebody
    asks, at most one thread a check waits for a dependency that is away.

    Attributes:
        probes: by the name of their check; a check without one is not looked at.
    """

    probes: Mapping[str, Probe]
    _runs: dict[str, _Run] = field(default_factory=dict, repr=False)
    _latest: tuple[float, Standing] | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def ready(self) -> Standing:
        """Look at what the service cannot answer without."""
        return self._look([one for one in CHECKS if one.is_critical and not one.is_deep], LIMIT_SECONDS)

    def detailed(self) -> Standing:
        """Look at all that is cheap to look at."""
        return self._look([one for one in CHECKS if not one.is_deep], LIMIT_SECONDS)

    def deep(self) -> Standing:
        """Look at everything, the dear things too."""
        return self._look(CHECKS, DEEP_LIMIT_SECONDS)

    def lately(self) -> Standing:
        """Return a deep look that is at most 10 seconds old: strangers may ask as often as they like."""
        found = self._latest
        if found is None or time.perf_counter() - found[0] > _LATELY_SECONDS:
            found = self._latest = (time.perf_counter(), self.deep())
        return found[1]

    def _look(self, checks: Sequence[Check], limit_seconds: float) -> Standing:
        chosen = [check for check in checks if check.name in self.probes]
        runs = [self._begun(check.name) for check in chosen]
        deadline = time.perf_counter() + limit_seconds
        return Standing([_waited(check, run, deadline) for check, run in zip(chosen, runs, strict=True)])

    def _begun(self, name: str) -> _Run:
        with self._lock:
            run = self._runs.get(name)
            if run is None or run.future.done():
                run = _Run(name, Future(), time.perf_counter())
                self._runs[name] = run
                Thread(target=_work, args=(self.probes[name], run), name=f"health-{name}", daemon=True).start()
            return run


def _work(probe: Probe, run: _Run) -> None:
    try:
        outcome = probe()
    except ServiceError as error:
        outcome = Outcome(State.FAILING, error.reason)
    except Exception:  # the rim of a job: what is asked whether all is well must always answer
        log.exception("health check failed", extra={"check": run.name})
        outcome = Outcome(State.FAILING, "failed in a way nobody expected: the log tells where")
    run.future.set_result((outcome, round(1000 * (time.perf_counter() - run.began), 1)))


def _waited(check: Check, run: _Run, deadline: float) -> Told:
    try:
        return Told(check, *run.future.result(timeout=max(deadline - time.perf_counter(), 0)))
    except TooLate:
        waited = time.perf_counter() - run.began
        return Told(check, Outcome(State.FAILING, f"no answer within {waited:.1f} s"), round(1000 * waited, 1))
