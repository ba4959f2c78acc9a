"""Figures of rows that count several times or not at all: what a bootstrap needs, without sorting again each round.

`Ranking(risk, label, facility).figures(weights)` equals `all_metrics` of the rows repeated as often as they weigh.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.model.logistic import fit_logistic, sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOP_SHARES: Final = (0.10, 0.20, 0.25)
BINS: Final = 15
THRESHOLDS: Final = (0.05, 0.1, 0.2, 0.3)  # of net benefit

_NEWTON_STEPS: Final = 8  # from the line through all rows
_NEAR_ENOUGH: Final = 1e-5  # a step's error is about its square


def draws(cluster: Ints, *, rounds: int, seed: int) -> Iterator[Floats]:
    """Yield (n,) weights of rows: how often each row's cluster (a patient) was drawn with replacement.

    Args:
        cluster: (n,) whose row it is; whole clusters are drawn.
        rounds: how many draws.
        seed: the same seed gives the same draws.
    """
    clusters, place = np.unique(cluster, return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        drawn = np.bincount(rng.integers(0, len(clusters), len(clusters)), minlength=len(clusters))
        yield drawn[place].astype(np.float64)


class _Ties:
    """Rows in rising order of a score, in groups of equal ones."""

    def __init__(self, score: Floats) -> None:
        self.order = np.argsort(score, kind="stable")
        self._ends = np.flatnonzero(np.append(np.diff(score[self.order]) != 0, True))

    def sums(self, values: Floats) -> Floats:
        """Return the sum of values, (n,) in rising order, over each group."""
        return np.diff(np.cumsum(values)[self._ends], prepend=0.0)

    def auroc(self, weights: Floats, label: Ints) -> float:
        """Return the AUROC of weighed rows, both (n,) in the order of the rows given."""
        w = weights[self.order]
        hits = w * label[self.order]
        return auroc_of(self.sums(hits), self.sums(w - hits))


class Ranking:
    """Rows in the order of their risk, sorted once.

    Args:
        risk: (n,) in (0, 1).
        label: (n,) 0 or 1.
        facility: (n,) place of the facility that would follow up.
    """

    def __init__(self, risk: Floats, label: Ints, facility: Ints) -> None:
        self._ties = _Ties(risk)
        self._order = self._ties.order
        self._risk = risk[self._order]
        self._label = label[self._order].astype(np.float64)
        self._odds = np.log(self._risk / (1 - self._risk))
        self._odds_squared = self._odds**2
        self._squared_error = (self._risk - self._label) ** 2
        self._line = calibration_line_of(self._odds, self._label)
        self._by_facility = np.lexsort((np.arange(len(risk)), -risk, facility))
        _, self._facility = np.unique(facility[self._by_facility], return_inverse=True)
        self._facility_label = label[self._by_facility]

    def figures(self, weights: Floats) -> dict[str, float]:
        """Return every figure of `all_metrics`; `weights` (n,) are whole numbers in the order of the rows given."""
        w = weights[self._order]
        total, positives = float(w.sum()), float(w @ self._label)
        prevalence = positives / total
        hits = self._ties.sums(w * self._label)
        precision = self._auprc(w)
        intercept, slope = self._calibration(w)
        found = {
            "n": total,
            "prevalence": prevalence,
            "auroc": auroc_of(hits, self._ties.sums(w) - hits),
            "auprc": precision,
            "lift": precision / prevalence if prevalence else float("nan"),
            "brier": float(w @ self._squared_error) / total,
            "ece": self._ece(w),
            "calibration_intercept": intercept,
            "calibration_slope": slope,
        }
        chosen = weights[self._by_facility]
        for share in TOP_SHARES:
            recall, ppv = self._top(chosen, share)
            found |= dict(zip(top_names(share), (recall, ppv), strict=True))
        for threshold in THRESHOLDS:
            found[f"net_benefit_{threshold}"] = self._net_benefit(w, threshold)
        return found

    def _auprc(self, w: Floats) -> float:
        hits, rows = np.cumsum(self._ties.sums(w * self._label)[::-1]), np.cumsum(self._ties.sums(w)[::-1])
        precision = np.divide(hits, rows, out=np.zeros_like(hits), where=rows > 0)
        return float(precision @ np.diff(hits, prepend=0.0) / hits[-1]) if hits[-1] else float("nan")

    def _ece(self, w: Floats) -> float:
        gap = np.append(0.0, np.cumsum(w * (self._risk - self._label)))
        rows = np.append(0.0, np.cumsum(w))
        total = int(rows[-1])
        sizes = np.full(BINS, total // BINS)
        sizes[: total % BINS] += 1  # as np.array_split does
        edges = np.append(0, np.cumsum(sizes))
        return float(np.abs(np.diff(np.interp(edges, rows, gap))).sum() / total)

    def _calibration(self, w: Floats) -> tuple[float, float]:
        """Return (intercept, slope) by Newton steps from the line through all rows."""
        intercept, slope, level = self._line
        for _ in range(_NEWTON_STEPS):
            risk = sigmoid(self._odds + intercept)
            step = float(w @ (self._label - risk)) / max(float(w @ (risk * (1 - risk))), 1e-12)
            intercept += step
            if abs(step) < _NEAR_ENOUGH:
                break
        for _ in range(_NEWTON_STEPS):
            risk = sigmoid(slope * self._odds + level)
            error, bend = w * (self._label - risk), w * (risk * (1 - risk))
            b0, b1, b2 = float(bend.sum()), float(bend @ self._odds), float(bend @ self._odds_squared)
            g0, g1 = float(error.sum()), float(error @ self._odds)
            scale = max(b0 * b2 - b1 * b1, 1e-12)
            step = (b0 * g1 - b1 * g0) / scale
            level += (b2 * g0 - b1 * g1) / scale
            slope += step
            if abs(step) < _NEAR_ENOUGH:
                break
        return intercept, slope

    def _top(self, w: Floats, share: float) -> tuple[float, float]:
        rows = np.bincount(self._facility, w)
        begin = (np.cumsum(rows) - rows)[self._facility]
        before = np.cumsum(w) - w - begin
        chosen = np.clip(np.ceil(share * rows)[self._facility] - before, 0, w)
        hits, positives = float(chosen @ self._facility_label), float(w @ self._facility_label)
        return (hits / positives if positives else float("nan")), hits / float(chosen.sum())

    def _net_benefit(self, w: Floats, threshold: float) -> float:
        first = int(np.searchsorted(self._risk, threshold))
        right = float(w[first:] @ self._label[first:])
        wrong = float(w[first:].sum()) - right
        return (right - wrong * threshold / (1 - threshold)) / float(w.sum())


def auroc_of(positives: Floats, negatives: Floats) -> float:
    """Return the AUROC of the weight of either label at each distinct score, rising; NaN without both labels."""
    pairs = positives.sum() * negatives.sum()
    below = np.cumsum(negatives) - negatives
    return float(positives @ (below + negatives / 2) / pairs) if pairs else float("nan")


def top_names(share: float) -> tuple[str, str]:
    """Return the names of recall and PPV when a share of each list is followed up, for example `recall_top_10`."""
    return f"recall_top_{share * 100:.0f}", f"ppv_top_{share * 100:.0f}"


def calibration_line_of(odds: Floats, label: Ints | Floats) -> tuple[float, float, float]:
    """Return (intercept with the slope fixed at 1, slope, intercept beside it) of labels on log-odds."""
    slope, level = fit_logistic(np.column_stack((odds, np.ones_like(odds))), label)
    (intercept,) = fit_logistic(np.ones((len(odds), 1)), label, offset=odds)
    return float(intercept), float(slope), float(level)


def auroc_draws(scores: Sequence[Floats], label: Ints, cluster: Ints, *, rounds: int, seed: int = 1) -> Floats:
    """Return (k, s) AUROC of s scores in each usable round, all on the same draws, so that differences can be taken."""
    ties = [_Ties(score) for score in scores]
    drawn = [
        [one.auroc(weights, label) for one in ties]
        for weights in draws(cluster, rounds=rounds, seed=seed)
        if 0 < weights @ label < weights.sum()
    ]
    return np.array(drawn, np.float64).reshape(-1, len(scores))


def interval(values: Sequence[float] | Floats) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of drawn values; NaN ones do not count."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)
