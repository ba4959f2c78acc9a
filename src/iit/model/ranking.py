"""Figures of rows that count several times or not at all: what a bootstrap needs, without sorting again each round.

`Ranking(risk, label, facility).measure(weights).whole` equals `all_metrics` of the rows repeated as often as they
weigh.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iit.model import tally
from iit.model.logistic import fit_logistic

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Groups = NDArray[np.uint16]
Weights = NDArray[np.uint8]

TOP_SHARES: Final = (0.10, 0.20, 0.25)
BINS: Final = 15  # of ECE
CURVE: Final = tuple(place / 100 for place in range(1, 51))  # thresholds of the decision curve
THRESHOLDS: Final = (0.05, 0.1, 0.2, 0.3)  # those of them that stand among the figures
RELIABILITY_BINS: Final = 10

_NEAR_ENOUGH: Final = 1e-4


def draws(cluster: Ints, *, rounds: int, seed: int) -> Iterator[Weights]:
    """Yield (n,) weights of rows: how often each row's cluster (a patient) was drawn with replacement.

    Args:
        cluster: (n,) whose row it is; whole clusters are drawn.
        rounds: how many draws.
        seed: the same seed gives the same draws.
    """
    clusters, place = np.unique(cluster, return_inverse=True)  # a patient drawn 256 times will not be met
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        drawn = np.bincount(rng.integers(0, len(clusters), len(clusters)), minlength=len(clusters))
        yield drawn.astype(np.uint8)[place]


def top_names(share: float) -> tuple[str, str]:
    """Return the names of recall and PPV when a share of each list is followed up, for example `recall_top_10`."""
    return f"recall_top_{share * 100:.0f}", f"ppv_top_{share * 100:.0f}"


GROUP_FIGURES: Final = (
    "n", "prevalence", "mean_risk", "observed_expected", "auroc", "auprc", "lift", "brier", "ece",
    *(name for share in TOP_SHARES for name in (*top_names(share), f"selected_top_{share * 100:.0f}")),
)  # fmt: skip


class Measured(NamedTuple):
    """What one weighing of the rows gives.

    Attributes:
        whole: every figure of `all_metrics`.
        groups: (1 + g, k) of everyone and each group, columns as `GROUP_FIGURES`; NaN where rows or a label lack.
        lists: (f, 2 + 2s) each facility's rows, positives, and by share of `TOP_SHARES` rows chosen and hits.
        curve: (c,) net benefit at the thresholds of `CURVE`.
        bins: (b,) observed share in bins of equal numbers of rows, from low risk to high.
    """

    whole: dict[str, float]
    groups: Floats
    lists: Floats
    curve: Floats
    bins: Floats


class Order:
    """Rows in rising order of a score, sorted once, with the groups they are in; group 0 is everyone.

    Args:
        score: (n,) any numbers; risks give calibration and error too.
        label: (n,) 0 or 1.
        groups: (n, f) places of the groups that a row is in, counted without everyone; by default there are none.
    """

    def __init__(self, score: Floats, label: Ints, groups: Groups | None = None) -> None:
        everyone = np.zeros((len(score), 1), np.uint16)
        self.groups = everyone if groups is None else np.hstack((everyone, groups + np.uint16(1)))
        self.n_groups = int(self.groups.max(initial=0)) + 1
        self.order = np.argsort(score, kind="stable").astype(np.uint32)
        self.score = score[self.order].astype(np.float64)
        self.label = label[self.order].astype(np.float64)
        self._sorted_groups = self.groups[self.order]

    def measure(self, weights: Weights) -> Floats:
        """Return (g, 9) figures of each group, as `GROUP_FIGURES` begins; NaN where rows or a label lack."""
        told = np.empty((self.n_groups, 7))
        tally.in_order(self.order, self.score, self.label, self._sorted_groups, weights, BINS, told)
        total, positives, expected, squared, area, precision, error = told.T
        with np.errstate(divide="ignore", invalid="ignore"):
            prevalence = positives / total
            figures = (
                total, prevalence, expected / total, positives / expected,
                area, precision, precision / prevalence, squared / total, error,
            )  # fmt: skip
        return np.column_stack(figures)


class Ranking:
    """Everything about risks and the lists that facilities make by them.

    Args:
        risk: (n,) in (0, 1).
        label: (n,) 0 or 1.
        facility: (n,) place of the facility that would follow up.
        groups: see `Order`.
    """

    def __init__(self, risk: Floats, label: Ints, facility: Ints, groups: Groups | None = None) -> None:
        self._rows = Order(risk, label, groups)
        self._odds = np.log(self._rows.score / (1 - self._rows.score))
        self._line = calibration_line_of(self._odds, self._rows.label)
        self._list_order = np.lexsort((np.arange(len(risk)), -risk, facility)).astype(np.uint32)
        self._starts = np.append(np.unique(facility[self._list_order], return_index=True)[1], len(risk))
        self._list_label = label[self._list_order].astype(np.float64)
        self._list_groups = self._rows.groups[self._list_order]
        self._at_threshold = np.searchsorted(CURVE, self._rows.score, side="right")
        self._at_bin = np.arange(len(risk)) * RELIABILITY_BINS // max(len(risk), 1)

    @property
    def expected_by_bin(self) -> Floats:
        """(b,) mean risk in each of the bins of `Measured.bins`."""
        counts = np.bincount(self._at_bin, minlength=RELIABILITY_BINS)
        told: Floats = np.bincount(self._at_bin, self._rows.score, RELIABILITY_BINS) / np.maximum(counts, 1)
        return told

    def measure(self, weights: Weights) -> Measured:
        """Return every figure; `weights` (n,) are whole numbers in the order of the rows given."""
        rows = self._rows
        groups, lists = self._with_tops(rows.measure(weights), weights)
        whole = dict(zip(GROUP_FIGURES, groups[0].tolist(), strict=True))
        whole = {name: value for name, value in whole.items() if not name.startswith("selected")}
        intercept, slope = tally.line(rows.order, self._odds, rows.label, weights, self._line, _NEAR_ENOUGH)
        w = weights[rows.order]
        curve = self._net_benefit(w)
        whole |= {"calibration_intercept": intercept, "calibration_slope": slope}
        whole |= {f"net_benefit_{one}": float(curve[CURVE.index(one)]) for one in THRESHOLDS}
        return Measured(whole, groups, lists, curve, self._observed_by_bin(w))

    def _with_tops(self, figures: Floats, weights: Weights) -> tuple[Floats, Floats]:
        shares = np.array(TOP_SHARES)
        chosen, hits = np.zeros((2, len(figures), len(shares)))
        lists = np.zeros((len(self._starts) - 1, 2 + 2 * len(shares)))
        rows = (self._list_order, self._starts, self._list_label, self._list_groups, weights)
        tally.tops(*rows, shares, chosen, hits, lists)
        total, prevalence = figures[:, 0], figures[:, 1]
        told = [figures]
        with np.errstate(divide="ignore", invalid="ignore"):
            for at in range(len(shares)):
                recall, ppv = hits[:, at] / (prevalence * total), hits[:, at] / chosen[:, at]
                told.append(np.column_stack((recall, ppv, chosen[:, at] / total)))
        return np.hstack(told), lists

    def _net_benefit(self, w: Weights) -> Floats:
        right, flagged = (
            np.cumsum(np.bincount(self._at_threshold, values, len(CURVE) + 1)[::-1])[::-1][1:]
            for values in (w * self._rows.label, w)
        )
        odds = np.array(CURVE) / (1 - np.array(CURVE))
        told: Floats = (right - (flagged - right) * odds) / w.sum()
        return told

    def _observed_by_bin(self, w: Weights) -> Floats:
        hits, rows = (np.bincount(self._at_bin, values, RELIABILITY_BINS) for values in (w * self._rows.label, w))
        told: Floats = np.divide(hits, rows, out=np.full(RELIABILITY_BINS, np.nan), where=rows > 0)
        return told


def precision_at_recall(risk: Floats, label: Ints, recalls: Sequence[float]) -> list[float]:
    """Return the precision when just as many rows are taken, highest risk first, as reach each share of positives."""
    order = np.argsort(-risk, kind="stable")
    hits = np.cumsum(label[order])
    places = np.searchsorted(hits, np.ceil(np.array(recalls) * hits[-1]))
    return [float(hits[place] / (place + 1)) for place in places]


def calibration_line_of(odds: Floats, label: Ints | Floats) -> tuple[float, float, float]:
    """Return (intercept with the slope fixed at 1, slope, intercept beside it) of labels on log-odds."""
    slope, level = fit_logistic(np.column_stack((odds, np.ones_like(odds))), label)
    (intercept,) = fit_logistic(np.ones((len(odds), 1)), label, offset=odds)
    return float(intercept), float(slope), float(level)


def interval(values: Sequence[float] | Floats) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of drawn values; NaN ones do not count."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)


def mirrored(value: float, drawn: Sequence[float] | Floats) -> tuple[float, float]:
    """Return the basic bootstrap interval of a figure that cannot be negative and lies higher in draws than in rows.

    Such is the ECE: its bins hold chance, and those of a draw hold it twice. Twice the value less the percentiles takes
    that back; the percentiles themselves would show good calibration as surely bad where rows are few.
    """
    low, high = interval(drawn)
    return max(2 * value - high, 0.0), max(2 * value - low, 0.0)
