"""Kept figures in the form of Prometheus."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from iit.services.gauges import RECORDED_AT

Figures = Mapping[tuple[str, str], float]

_PLAIN: Final = (
    ("iit_prediction_accuracy", ("live_accuracy", "all"),
     "Share of resolved predictions on the right side of the band high, last 30 days."),
    ("iit_data_quality_score", ("data_quality_score", "all"), "Quality of the data on the latest lists, 0 to 1."),
    ("iit_score_psi", ("score_psi", "all"), "PSI of risks on the latest lists against the model's reference."),
    ("iit_drift_run_timestamp_seconds", RECORDED_AT, "When drift was last looked for, in Unix time."),
)  # fmt: skip
_LABELLED: Final = (
    ("iit_feature_psi", "feature", "feature_psi", "PSI of a feature on the latest lists against the reference."),
    ("iit_drift_alert", "kind", "drift_alert", "1 where the world has surely changed, else 0."),
)


class StoredFigures(Collector):
    """Gauges read from the latest kept run."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield a gauge for each figure that is known."""
        found = self._figures()
        for name, key, text in _PLAIN:
            if key in found:
                yield GaugeMetricFamily(name, text, value=found[key])
        for name, label, metric, text in _LABELLED:
            yield _family(name, text, label, {s: v for (m, s), v in found.items() if m == metric})
        live = {m.removeprefix("live_"): v for (m, s), v in found.items() if m.startswith("live_") and s == "all"}
        yield _family("iit_live_performance", "Figures of the model from resolved outcomes.", "metric", live)
        claimed = {m.removeprefix("expected_"): v for (m, _), v in found.items() if m.startswith("expected_")}
        yield _family("iit_expected_performance", "What the risks claim before labels are known.", "metric", claimed)


def exposition(figures: Callable[[], Figures]) -> bytes:
    """Return the gauges in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(StoredFigures(figures))
    return generate_latest(registry)


def _family(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for segment, value in sorted(values.items()):
        family.add_metric([segment], value)
    return family
