"""The model in service: found in the registry, changed over while running, never replaced by something unsound."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

from iit.domain.errors import ServiceError, Unavailable
from iit.domain.risk import Source
from iit.model.registry import Registry
from iit.model.scorer import Scorer

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0


class Serving(NamedTuple):
    """A scorer and where it stands in the order of fallback."""

    scorer: Scorer
    source: Source


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
    _mark: tuple[int, int] | None = field(default=None, repr=False)
    _looked: float = field(default=float("-inf"), repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def current(self) -> Serving:
        """Return the model to score with. A running model stays when the new one does not load.

        Raises:
            Unavailable: there is no model that can be trusted.
        """
        if self.monotonic() - self._looked >= _LOOK_SECONDS:
            with self._lock:
                self._follow_registry()
        if self._serving is None:
            raise Unavailable("no model is in service: train one with `iit train`", place="model")
        return self._serving

    def _follow_registry(self) -> None:
        self._looked = self.monotonic()
        try:
            stat = (self.models / "registry.json").stat()
        except FileNotFoundError:
            return
        mark = (stat.st_mtime_ns, stat.st_ino)
        if mark == self._mark:
            return
        registry = Registry(self.models)
        for version, source in ((registry.champion(), Source.CHAMPION), (registry.previous(), Source.PREVIOUS)):
            if version is None:
                continue
            try:
                self._serving = Serving(Scorer(registry.load(version)), source)
            except ServiceError as problem:
                log.error("model not loaded", extra={"model_version": version, "reason": problem.reason})  # noqa: TRY400 - the reason says all
                if self._serving is not None:
                    break
                continue
            break
        self._mark = mark
