"""Figures in the form of Prometheus: those counted by all workers and those read when they are asked for."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    REGISTRY,
    CollectorRegistry,
    Metric,
    ProcessCollector,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from iit.services.gauges import MEANINGS, Figure

for _collector in (GC_COLLECTOR, PLATFORM_COLLECTOR):  # of Python alone: nobody looks at them
    with suppress(KeyError):
        REGISTRY.unregister(_collector)


class ReadFigures(Collector):
    """Figures as families; those without a value are told with name and meaning only."""

    def __init__(self, figures: Callable[[], Iterable[Figure]]) -> None:
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering reads no figures."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        found: dict[str, list[Figure]] = {name: [] for name in MEANINGS}
        for figure in self._figures():
            found[figure[0]].append(figure)
        for name, (labels, text, is_counter) in MEANINGS.items():
            family = (CounterMetricFamily if is_counter else GaugeMetricFamily)(name, text, labels=labels)
            for _, values, value in found[name]:
                family.add_metric(values, value)
            yield family


_SUMMED: Final = {"process_virtual_memory_bytes", "process_resident_memory_bytes", "process_cpu_seconds",
                  "process_open_fds"}  # fmt: skip


class Workers(Collector):
    """`process_*` of all workers together: sums; of start and limit the lowest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering reads no figures."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the families, and forget what workers that are gone had under way."""
        told: dict[str, Metric] = {}
        for pid in sorted({int(path.stem.rpartition("_")[2]) for path in self._folder.glob("*.db")}):
            if not _is_alive(pid):
                multiprocess.mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]
                continue
            for family in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                _add(told.setdefault(family.name, family), family)
        return told.values()


def exposition(figures: Callable[[], Iterable[Figure]], workers: Path | None) -> bytes:
    """Return all figures in Prometheus' text format.

    Args:
        figures: what is read when asked for.
        workers: folder where several workers count; None counts in this process.
    """
    read = CollectorRegistry()
    read.register(ReadFigures(figures))
    if workers is None:
        return generate_latest(REGISTRY) + generate_latest(read)
    counted = CollectorRegistry()
    counted.register(Workers(workers))
    multiprocess.MultiProcessCollector(counted, path=str(workers))  # type: ignore[no-untyped-call]
    return generate_latest(counted) + generate_latest(read)


def _add(whole: Metric, part: Metric) -> None:
    if whole is part:
        return
    (before,), (more,) = whole.samples, part.samples
    value = before.value + more.value if whole.name in _SUMMED else min(before.value, more.value)
    whole.samples = [before._replace(value=value)]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
