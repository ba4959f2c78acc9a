"""What has changed since a model was made: in what goes in, in what it says, and in what becomes of it."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iit.features.registry import FEATURES
from iit.model.drift import Moved, moved
from iit.model.estimate import expected_performance
from iit.model.metrics import all_metrics, auprc, auroc, bootstrap, brier, ece
from iit.model.ranking import GROUP_FIGURES, Order, draws, interval
from iit.model.reference import parts_of

RATIO: Final = 1.25  # observed to expected interruptions; the gate's own limit for the calibration slope
AUROC_LOSS: Final = 0.05  # below what the risks claim for themselves
LEAST_EVENTS: Final = 20  # of either label, before anything is said of performance
ROUNDS: Final = 200
CALENDAR: Final = frozenset({"ecd_dow", "ecd_month", "ecd_is_holiday_window"})
"""Features that follow the calendar: any week differs from the year, and no retraining would change that."""

_SHOWN: Final = ("auroc", "auprc", "brier", "ece", "calibration_slope", "recall_top_20", "ppv_top_20", "prevalence")


class Resolved(NamedTuple):
    """Past predictions whose label is known and whose window has closed, r rows."""

    risk: NDArray[np.float64]
    label: NDArray[np.int64]
    days_to_expected: NDArray[np.int64]
    patient: NDArray[np.int64]
    facility: NDArray[np.int64]


Figure = tuple[float, float, float]
"""A value and its 95 % interval."""


def changes_of_features(
    reference: Mapping[str, Any], features: NDArray[np.float32], n_facilities: int
) -> dict[str, Moved]:
    """Return how far each feature has moved, but for those of the calendar.

    What a facility's patients share (family H) is as many observations as there are facilities, not patients.

    Args:
        reference: of the bundle.
        features: (n, 98) of a list, a row a patient.
        n_facilities: on the list.
    """
    told = {}
    for place, feature in enumerate(FEATURES):
        if feature.name in CALENDAR:
            continue
        before, now = (
            (reference["n_facilities"], n_facilities)
            if feature.family == "H"
            else (reference["n_patients"], len(features))
        )
        told[feature.name] = moved(
            reference["features"][feature.name], features[:, place], before, now, len(FEATURES) - len(CALENDAR)
        )
    return told


def expected_shares(reference: Mapping[str, Any], days_to_expected: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how often rows as near to their expected contact were interrupted at the reference; NaN of none then."""
    n, interrupted = (np.array(reference["labels"][name], np.float64) for name in ("n", "interrupted"))
    rate = np.divide(interrupted, n, out=np.full(len(n), np.nan), where=n > 0)
    shares: NDArray[np.float64] = rate[parts_of(days_to_expected)]
    return shares


def has_enough(rows: Resolved) -> bool:
    """Return whether there are enough labels of either kind to speak of performance."""
    positives = int(rows.label.sum())
    return min(positives, len(rows.label) - positives) >= LEAST_EVENTS


def ratio(label: NDArray[np.int64], expected: NDArray[np.float64], cluster: NDArray[np.int64]) -> Figure:
    """Return observed to expected interruptions, with an interval by drawing whole patients; NaN rows do not count."""
    used = ~np.isnan(expected)
    label, expected, cluster = label[used], expected[used], cluster[used]
    if not expected.sum() > 0:
        return float("nan"), float("nan"), float("nan")
    drawn = [float(w @ label) / float(w @ expected) for w in draws(cluster, rounds=ROUNDS, seed=1)]
    return (float(label.sum() / expected.sum()), *interval(drawn))


def performance(rows: Resolved, reference: Mapping[str, Any], high: float) -> dict[str, Figure]:
    """Return live figures with 95 % intervals, drawing whole patients.

    `label_ratio` is interruptions against those expected from the reference at equal days to the expected contact;
    `calibration_ratio` against those the risks announced. `expected_auroc` is what the risks claim of the same rows.
    """
    figures = all_metrics(rows.risk, rows.label, rows.facility)
    intervals = bootstrap(rows.risk, rows.label, rows.facility, rows.patient, rounds=ROUNDS)
    told: dict[str, Figure] = {name: (figures[name], *intervals[name]) for name in _SHOWN}
    told["label_ratio"] = ratio(rows.label, expected_shares(reference, rows.days_to_expected), rows.patient)
    told["calibration_ratio"] = ratio(rows.label, rows.risk, rows.patient)
    hit = ((rows.risk >= high) == (rows.label == 1)).astype(np.float64)
    told["accuracy"] = (
        float(hit.mean()),
        *interval([float(w @ hit / w.sum()) for w in draws(rows.patient, rounds=ROUNDS, seed=1)]),
    )
    claimed = expected_performance(rows.risk, high)["auroc"]
    told["expected_auroc"] = claimed, claimed, claimed
    return told


def label_has_moved(live: Mapping[str, Figure]) -> bool:
    """Return whether interruptions have surely become a quarter more or fewer than at the reference."""
    return _is_off(live["label_ratio"])


def performance_is_lost(live: Mapping[str, Figure]) -> bool:
    """Return whether risks are surely off by a quarter, or rank surely worse than they claim by more than 0.05."""
    return _is_off(live["calibration_ratio"]) or live["auroc"][2] < live["expected_auroc"][0] - AUROC_LOSS


def _is_off(told: Figure) -> bool:
    return told[1] > RATIO or told[2] < 1 / RATIO


def compare_pairs(
    first: NDArray[np.float64], second: NDArray[np.float64], label: NDArray[np.int64], cluster: NDArray[np.int64]
) -> dict[str, Any]:
    """Return the figures of two models on the same rows, and the AUROC of the second less the first with an interval.

    Intervals are of 95 %, by drawing whole patients; both models are judged on the same draws.
    """
    told = [
        {"auroc": auroc(risk, label), "auprc": auprc(risk, label), "brier": brier(risk, label), "ece": ece(risk, label)}
        for risk in (first, second)
    ]
    orders, place = [Order(risk, label) for risk in (first, second)], GROUP_FIGURES.index("auroc")
    drawn = [[one.measure(w)[0, place] for one in orders] for w in draws(cluster, rounds=ROUNDS, seed=1)]
    low, high = interval([theirs - ours for ours, theirs in drawn])
    return {"figures": told, "auroc_gain": told[1]["auroc"] - told[0]["auroc"], "auroc_gain_interval": [low, high]}
