"""Figures that are read when Prometheus asks: held in memory, so that a scrape costs little and never fails."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final, NamedTuple

from iit.domain.errors import ServiceError
from iit.domain.risk import Source as ScoreSource
from iit.model.registry import Registry
from iit.services.champion import Champion
from iit.store import gauges as gauge_store
from iit.store import metrics as metric_store
from iit.store.database import Database
from iit.store.gauges import Figure as Figure

log = logging.getLogger(__name__)

FRESH_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 2.0


class Meaning(NamedTuple):
    """What a figure tells: its labels and a sentence with unit or range. `is_counter` where it only grows."""

    labels: tuple[str, ...]
    text: str
    is_counter: bool = False


MEANINGS: Final[Mapping[str, Meaning]] = {
    "iit_active_users": Meaning((), "People who logged in or used the service in the last 24 hours."),
    "iit_audit_anchor_age_seconds": Meaning((), "Time since the start of the day of the audit trail's last anchor."),
    "iit_audit_chain_intact": Meaning((), "1 while the audit trail holds the row of its last anchor, else 0."),
    "iit_backup_age_seconds": Meaning(("kind",), "Age of the newest good backup."),
    "iit_build_info": Meaning(("version", "python"), "1; the labels tell what runs."),
    "iit_certificate_expires_timestamp_seconds": Meaning(("file",), "When a certificate of ours expires, Unix time."),
    "iit_clock_timestamp_seconds": Meaning((), "The service's own clock, Unix time."),
    "iit_data_quality_score": Meaning((), "Quality of the data on the latest lists, 0 to 1."),
    "iit_database_clock_offset_seconds": Meaning((), "How far the database's clock is ahead of the service's."),
    "iit_database_size_bytes": Meaning((), "Size of the database."),
    "iit_disk_free_bytes": Meaning(("place",), "Bytes that can still be written where something is kept."),
    "iit_disk_size_bytes": Meaning(("place",), "Size of the disk where something is kept."),
    "iit_drift_alert": Meaning(("kind",), "1 where the world has surely changed, else 0."),
    "iit_drift_run_timestamp_seconds": Meaning((), "When drift was last looked for, Unix time."),
    "iit_expected_performance": Meaning(("metric",), "What the risks claim before labels are known."),
    "iit_feature_psi": Meaning(("feature",), "PSI of a feature on the latest lists against the reference."),
    "iit_figures_age_seconds": Meaning(("source",), "Time since the figures of a source were last read."),
    "iit_figures_up": Meaning(("source",), "1 if the last attempt to read the figures of a source succeeded, else 0."),
    "iit_inbox_depth": Meaning(("state",), "Messages that wait or are dead."),
    "iit_inbox_oldest_seconds": Meaning((), "Age of the oldest waiting message."),
    "iit_jobs": Meaning(("kind", "state"), "Jobs of the last 24 hours and those still open."),
    "iit_live_performance": Meaning(("metric",), "Figures of the champion from resolved outcomes, last 30 days."),
    "iit_model_age_seconds": Meaning((), "Time since the serving model was trained."),
    "iit_model_fallback": Meaning((), "1 while something else than the champion answers, else 0."),
    "iit_model_info": Meaning(("version", "source"), "1; the labels tell which model answers."),
    "iit_model_loaded": Meaning((), "1 while a model is in service, else 0."),
    "iit_prediction_accuracy": Meaning(
        (), "Share of resolved predictions on the right side of the band high, last 30 days."
    ),
    "iit_score_psi": Meaning((), "PSI of risks on the latest lists against the model's reference."),
    "iit_spool_files": Meaning(("part",), "Files kept on disk until a part that is away is back."),
    "iit_spool_oldest_seconds": Meaning(("part",), "Age of the oldest such file."),
    "iit_task_age_seconds": Meaning(("task",), "Time since a task of upkeep last succeeded."),
    "iit_task_failed": Meaning(("task",), "1 if the newest run of a task of upkeep failed, else 0."),
    "iit_wal_archive_age_seconds": Meaning((), "Time since a segment of the log was last archived."),
    "iit_wal_archive_failing": Meaning((), "1 if the last attempt to archive the log failed, else 0."),
    "iit_wal_archive_failures_total": Meaning((), "Attempts to archive the log that failed.", is_counter=True),
    "iit_wal_copy_expected": Meaning((), "1 where the log is to be copied elsewhere as it is written, else 0."),
    "iit_wal_receivers": Meaning((), "Receivers that follow the database's log."),
}
"""Every figure a source may give. Labels take few values: names of parts, features, kinds; never of people."""

Source = Callable[[], Iterable[Figure]]
"""Reads figures. A `ServiceError` means that they cannot be read now; those held are told on."""


@dataclass
class _Held:
    figures: tuple[Figure, ...] = ()
    is_up: bool = False
    read_at: datetime | None = None


@dataclass
class Gauges:
    """Figures of all sources, read anew when they are older than ten seconds and somebody asks.

    Reading happens in a thread of its own that whoever asks waits two seconds for: with a dependency that hangs, the
    figures held so far are told. Every worker reads the same things, so it does not matter which of them is asked.

    Attributes:
        sources: what to read, by name.
        monotonic: seconds, for how often to look.
        now: the present time, aware.
    """

    sources: Mapping[str, Source]
    monotonic: Callable[[], float] = field(repr=False)
    now: Callable[[], datetime] = field(repr=False)
    _held: dict[str, _Held] = field(default_factory=dict, repr=False)
    _looked: float = field(default=float("-inf"), repr=False)
    _reading: Lock = field(default_factory=Lock, repr=False)

    def figures(self) -> Iterator[Figure]:
        """Yield all figures that are known, and of each source whether and when they were read."""
        if self.monotonic() - self._looked >= FRESH_SECONDS and self._reading.acquire(blocking=False):
            done = Event()
            Thread(target=self._read, args=(done,), name="gauges", daemon=True).start()
            done.wait(_PATIENCE_SECONDS)
        now = self.now()
        yield "iit_clock_timestamp_seconds", (), now.timestamp()
        for name in self.sources:
            held = self._held.get(name, _Held())
            yield "iit_figures_up", (name,), float(held.is_up)
            if held.read_at is not None:
                yield "iit_figures_age_seconds", (name,), (now - held.read_at).total_seconds()
            yield from held.figures

    def _read(self, done: Event) -> None:
        try:
            for name, source in self.sources.items():
                self._held[name] = self._read_one(name, source)
        finally:
            self._looked = self.monotonic()
            self._reading.release()
            done.set()

    def _read_one(self, name: str, source: Source) -> _Held:
        before = self._held.get(name, _Held())
        try:
            return _Held(tuple(source()), is_up=True, read_at=self.now())
        except ServiceError:
            pass
        except Exception:  # the rim of a job: figures of other sources are still told
            log.exception("figures could not be read", extra={"source": name})
        return _Held(before.figures, is_up=False, read_at=before.read_at)


def of_database(database: Database, now: Callable[[], datetime]) -> Iterable[Figure]:
    """Return the database's figures."""
    with database.transaction() as tx:
        return list(gauge_store.figures(tx, now()))


def of_model(champion: Champion, now: Callable[[], datetime]) -> Iterator[Figure]:
    """Yield which model answers; without one, only that there is none."""
    try:
        scorer, source = champion.current()
    except ServiceError:
        yield "iit_model_loaded", (), 0.0
        return
    yield "iit_model_loaded", (), 1.0
    yield "iit_model_info", (scorer.version, source), 1.0
    wanted = Registry(champion.models).champion()
    yield "iit_model_fallback", (), float(source != ScoreSource.CHAMPION or wanted != scorer.version)
    created_at = datetime.fromisoformat(str(scorer.bundle.manifest["created_at"]))
    yield "iit_model_age_seconds", (), (now() - created_at).total_seconds()


_KEPT: Final = {
    ("live_accuracy", "all"): "iit_prediction_accuracy",
    ("data_quality_score", "all"): "iit_data_quality_score",
    ("score_psi", "all"): "iit_score_psi",
}
_KEPT_BY_SEGMENT: Final = {"feature_psi": "iit_feature_psi", "drift_alert": "iit_drift_alert"}


def of_latest_comparison(database: Database, models: Path) -> Iterable[Figure]:
    """Return the champion's figures of the latest comparison with its reference; none before the first."""
    version = Registry(models).champion()
    if version is None:
        return []
    with database.transaction() as tx:
        found = metric_store.of_latest_run(tx, version)
    if not found:
        return []
    kept = {(one.metric_name, one.segment): one.metric_value for one in found}
    return [("iit_drift_run_timestamp_seconds", (), found[0].recorded_at.timestamp()), *told_of_comparison(kept)]


def told_of_comparison(kept: Mapping[tuple[str, str], float]) -> Iterator[Figure]:
    """Yield kept figures, by (name, segment), under the names that dashboards rely on."""
    for (metric, segment), value in sorted(kept.items()):
        if (metric, segment) in _KEPT:
            yield _KEPT[metric, segment], (), value
        if metric in _KEPT_BY_SEGMENT:
            yield _KEPT_BY_SEGMENT[metric], (segment,), value
        if segment == "all" and metric.startswith("live_"):
            yield "iit_live_performance", (metric.removeprefix("live_"),), value
        if segment == "all" and metric.startswith("expected_"):
            yield "iit_expected_performance", (metric.removeprefix("expected_"),), value
