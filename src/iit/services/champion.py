"""The model in service: found in the registry, changed over while running, never replaced by something unsound.

Order of fallback: champion, previous champion, the scorecard of either; with nothing left, there is no answer.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from iit.domain.errors import ServiceError, Unavailable
from iit.domain.risk import Source
from iit.model.registry import Registry
from iit.model.scorer import AnyScorer, ScorecardScorer, Scorer
from iit.telemetry import model_load_failures_total

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 30.0  # while something else than the champion serves


class Serving(NamedTuple):
    """A scorer and where it stands in the order of fallback."""

    scorer: AnyScorer
    source: Source


class _Loaded(NamedTuple):
    """Which bundle the serving trees are of; a version alone may come back with other files."""

    version: str
    bundle_sha256: str


@dataclass
class Champion:
    """Holds the serving model and follows the registry.

    Attributes:
        models: folder of the registry.
        monotonic: seconds, for how often to look.
    """

    models: Path
    monotonic: Callable[[], float]
    _serving: Serving | None = field(default=None, repr=False)
    _loaded: _Loaded | None = field(default=None, repr=False)
    _mark: tuple[int, int] | None = field(default=None, repr=False)
    _looked: float = field(default=float("-inf"), repr=False)
    _is_settled: bool = field(default=False, repr=False)
    _tried: float = field(default=float("-inf"), repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def current(self) -> Serving:
        """Return the model to score with. A running model stays when the new one does not load.

        While one thread loads a new model, the others go on with the one that runs.

        Raises:
            Unavailable: there is no model that can be trusted.
        """
        now = self.monotonic()
        if now - self._looked >= _LOOK_SECONDS and self._lock.acquire(blocking=self._serving is None):
            try:
                self._follow_registry(now)
            finally:
                self._lock.release()
        if self._serving is None:
            raise Unavailable("no model is in service: train one with `iit train`", place="model")
        return self._serving

    def _follow_registry(self, now: float) -> None:
        if now - self._looked < _LOOK_SECONDS:
            return  # another thread has just looked
        self._looked = now
        mark = self._mark_of_registry()
        if mark == self._mark and (self._is_settled or now - self._tried < _RETRY_SECONDS):
            return
        self._mark, self._tried, self._is_settled = mark, now, False
        try:
            told = Registry(self.models).read()
        except (ServiceError, OSError) as problem:
            _complain("registry", problem, role="registry")
            return
        self._serving = next(self._choices(told), self._serving)
        self._is_settled = self._serving is not None and self._serving.source == Source.CHAMPION

    def _mark_of_registry(self) -> tuple[int, int] | None:
        try:
            facts = (self.models / "registry.json").stat()
        except OSError:
            return None
        return (facts.st_mtime_ns, facts.st_ino)

    def _choices(self, told: dict[str, Any]) -> Iterator[Serving]:
        """Yield what can serve, best first."""
        registry, hashes = Registry(self.models), {one["version"]: one["bundle_sha256"] for one in told["models"]}
        named = [(told[role], source) for role, source in _ROLES if told[role] is not None]
        for version, source in named:
            wanted = _Loaded(version, hashes[version])
            if self._serving is not None and self._loaded == wanted:
                yield Serving(self._serving.scorer, source)
                return
            try:
                scorer = Scorer(registry.load(version))
            except (ServiceError, OSError) as problem:
                _complain(version, problem, role=source)
                continue
            self._loaded = wanted
            yield Serving(scorer, source)
        if self._loaded is not None and self._serving is not None:
            yield Serving(self._serving.scorer, Source.PREVIOUS)  # trees in memory, whatever became of their files
        for version, _ in named:
            try:
                yield Serving(ScorecardScorer(registry.load_numbers(version)), Source.SCORECARD)
            except (ServiceError, OSError) as problem:
                _complain(version, problem, role=Source.SCORECARD)


_ROLES: Final = (("champion", Source.CHAMPION), ("previous", Source.PREVIOUS))


def _complain(version: str, problem: ServiceError | OSError, *, role: str) -> None:
    """Count and log what did not load."""
    model_load_failures_total.labels(role).inc()
    reason = problem.reason if isinstance(problem, ServiceError) else problem.strerror
    log.error("model not loaded", extra={"model_version": version, "role": role, "reason": reason})
