"""The latest kept figures of the champion, held in memory, so that a scrape costs nothing and never fails."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from iit.domain.errors import ServiceError
from iit.model.registry import Registry
from iit.store import metrics as metric_store
from iit.store.database import Database

_FRESH_SECONDS: Final = 30.0
RECORDED_AT: Final = ("recorded_at", "all")


@dataclass
class Gauges:
    """Figures by (name, segment), read from the database at most every half minute.

    Every worker reads the same rows, so it does not matter which of them is asked.

    Attributes:
        database: where they are kept.
        models: folder of bundles.
        monotonic: seconds, for how often to look.
    """

    database: Database
    models: Path
    monotonic: Callable[[], float]
    _held: Mapping[tuple[str, str], float] = field(default_factory=dict, repr=False)
    _looked: float = field(default=float("-inf"), repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def figures(self) -> Mapping[tuple[str, str], float]:
        """Return the figures of the latest run; while the database is away, those held."""
        if self.monotonic() - self._looked >= _FRESH_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._held = self._read()
            except ServiceError:
                pass  # `recorded_at` tells how old the figures are
            finally:
                self._looked = self.monotonic()
                self._lock.release()
        return self._held

    def _read(self) -> Mapping[tuple[str, str], float]:
        version = Registry(self.models).champion()
        if version is None:
            return {}
        with self.database.transaction() as tx:
            found = metric_store.of_latest_run(tx, version)
        if not found:
            return {}
        told = {(one.metric_name, one.segment): one.metric_value for one in found}
        return {**told, RECORDED_AT: found[0].recorded_at.timestamp()}
