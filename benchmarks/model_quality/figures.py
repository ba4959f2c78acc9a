"""Figures of a model over several cohorts, with intervals that cover both chance of patients and chance of cohorts.

Within a cohort patients are drawn with replacement, whole, and the same for every model. Over the cohorts a second
stage draws cohorts with replacement and for each one of its draws; the mean of those is one draw of the mean. The 2.5th
and 97.5th percentile bound it. Differences take both models from the same draws. (Five cohorts are few: the second
stage sees about 0.9 of their spread.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.model_quality.peers.recipe import Judged
from iit.model.ranking import Ranking, draws

NAMES: Final = (
    "auroc", "auprc", "lift", "brier", "ece", "calibration_slope", "recall_top_20", "ppv_top_20",
)  # fmt: skip
OF_RISK: Final = frozenset({"brier", "ece", "calibration_slope"})  # mean nothing of a mere rank
_COMBINED: Final = 4000


@dataclass(frozen=True, repr=False)
class Drawn:
    """Figures of a model on one cohort.

    Attributes:
        point: (f,) in the order of `NAMES`; NaN where a figure means nothing.
        draws: (b, f) of the bootstrap.
        n: rows.
        prevalence: share of positives.
    """

    point: NDArray[np.float64]
    draws: NDArray[np.float64]
    n: int
    prevalence: float


@dataclass(frozen=True)
class Interval:
    """A mean over cohorts with its 95 % interval."""

    mean: float
    low: float
    high: float


def draw(judged: Judged, *, rounds: int, seed: int) -> Drawn:
    """Return the figures of scores and their draws; the same seed draws the same patients for every model."""
    ranking = Ranking(judged.score, judged.label, judged.facility)
    meant = np.array([judged.tells_risk or name not in OF_RISK for name in NAMES])

    def told(weights: NDArray[np.uint8]) -> list[float]:
        if not 0 < weights[judged.label == 1].sum() < weights.sum():
            return [np.nan] * len(NAMES)
        found = ranking.measure(weights).whole
        return [found[name] for name in NAMES]

    drawn = [told(weights) for weights in draws(judged.patient, rounds=rounds, seed=seed)]
    point = np.where(meant, told(np.ones(len(judged.label), np.uint8)), np.nan)
    return Drawn(point, np.where(meant, drawn, np.nan), len(judged.label), float(judged.label.mean()))


def combine(cohorts: Sequence[Drawn], less: Sequence[Drawn] | None = None) -> dict[str, Interval]:
    """Return each figure's mean over cohorts and its interval, or those of a difference between two models.

    Args:
        cohorts: of a model, one each.
        less: of another on the same cohorts and draws, to be taken off.
    """
    points = np.stack([one.point for one in cohorts])
    drawn = np.stack([one.draws for one in cohorts])
    if less is not None:
        points = points - np.stack([one.point for one in less])
        drawn = drawn - np.stack([one.draws for one in less])
    means = _second_stage(drawn)
    return {name: _interval(points[:, place].mean(), means[:, place]) for place, name in enumerate(NAMES)}


def gain(ours: Sequence[Drawn], theirs: Sequence[Drawn], name: str) -> Interval:
    """Return by which share the mean of a figure is higher than another model's, with its interval."""
    place = NAMES.index(name)

    def mean_of(drawn: Sequence[Drawn]) -> tuple[float, NDArray[np.float64]]:
        point = float(np.mean([one.point[place] for one in drawn]))
        return point, _second_stage(np.stack([one.draws for one in drawn]))[:, place]

    (our_point, our_draws), (their_point, their_draws) = mean_of(ours), mean_of(theirs)
    return _interval(our_point / their_point - 1, our_draws / their_draws - 1)


def _second_stage(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (rounds, f) means over drawn cohorts of (s, b, f) draws; the same picks at every call."""
    rng = np.random.default_rng(1)
    n_cohorts, n_draws, _ = drawn.shape
    cohort = rng.integers(0, n_cohorts, (_COMBINED, n_cohorts))
    which = rng.integers(0, n_draws, (_COMBINED, n_cohorts))
    means: NDArray[np.float64] = drawn[cohort, which].mean(axis=1)
    return means


def _interval(mean: float, drawn: NDArray[np.float64]) -> Interval:
    known = drawn[~np.isnan(drawn)]
    if not len(known) or np.isnan(mean):
        return Interval(float(mean), float("nan"), float("nan"))
    low, high = np.percentile(known, (2.5, 97.5))
    return Interval(float(mean), float(low), float(high))
