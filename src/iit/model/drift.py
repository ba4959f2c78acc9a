"""How far values have moved from where they were: PSI and KS, with limits that small samples do not cross by chance."""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]

PSI_LARGE: Final = 0.25  # Siddiqi, Credit Risk Scorecards (2006): from here on the population is another one
FALSE_ALARM: Final = 0.01  # chance of an alert over all features of a run while nothing has changed
_MOST_PARTS: Final = 10
_GRID: Final = 128  # points of a kept distribution function
_HALF: Final = 0.5  # observations added to each part (Jeffreys): an empty part is rare, not impossible


class Moved(NamedTuple):
    """How far a distribution has moved. `limit` is what PSI must reach to mean something; an alert needs both."""

    psi: float
    ks: float
    limit: float

    @property
    def is_large(self) -> bool:
        """Whether the move is large and no chance."""
        return self.psi >= self.limit


def distribution(values: Values) -> dict[str, Any]:
    """Return what is kept of a reference: parts with their shares, the distribution function, the unknown share.

    Up to ten values are parts of their own; more are divided at the deciles. `edges` are the lowest values of the parts
    after the first. `points` and `below` are the distribution function P(value <= point): exact for up to 128 values.

    Args:
        values: (n,); NaN is unknown.
    """
    known = np.sort(values[~np.isnan(values)].astype(np.float64))
    distinct = np.unique(known)
    edges = distinct[1:] if len(distinct) <= _MOST_PARTS else np.unique(np.quantile(known, np.arange(1, 10) / 10))
    points = distinct if len(distinct) <= _GRID else np.unique(np.quantile(known, np.linspace(0, 1, _GRID)))
    parts = _counts(edges, known)
    return {
        "edges": edges.tolist(),
        "shares": (parts / max(len(known), 1)).tolist(),
        "unknown": float(1 - len(known) / max(len(values), 1)),
        "points": points.tolist(),
        "below": (np.searchsorted(known, points, side="right") / max(len(known), 1)).tolist(),
    }


def _counts(edges: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many known values lie in each part; an edge belongs to the part that it begins."""
    return np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)


def psi(reference: Sequence[float] | Values, shares: Sequence[float] | Values) -> float:
    """Return the population stability index of two sets of shares above 0: the sum of (q - p) ln(q / p)."""
    p, q = np.asarray(reference, np.float64), np.asarray(shares, np.float64)
    return float(((q - p) * np.log(q / p)).sum())


def smoothed(shares: Values, n: float) -> Values:
    """Return shares above 0 as told by n independent observations: half a one is added to each part."""
    return (shares * n + _HALF) / (n + _HALF * len(shares))


def ks(points: Sequence[float] | Values, below: Sequence[float] | Values, values: Values) -> float:
    """Return the largest distance of the distribution function of known values from one kept at points; NaN of none."""
    if not len(values) or not len(points):
        return float("nan")
    now = np.searchsorted(np.sort(values.astype(np.float64)), np.asarray(points), side="right") / len(values)
    return float(np.abs(now - np.asarray(below)).max())


def chance_limit(parts: int, n_reference: float, n_now: float, *, comparisons: int = 1) -> float:
    """Return the PSI that two samples of one population stay below, over all comparisons, but for `FALSE_ALARM`.

    PSI is about (1/n + 1/m) times a chi-squared variable with (parts - 1) degrees of freedom (Yurdakul 2018); its
    quantile is Wilson and Hilferty's.

    Args:
        parts: how many.
        n_reference: independent observations (patients, not rows) behind the reference.
        n_now: independent observations now.
        comparisons: how many are made in one run (Bonferroni).
    """
    freedom = max(parts - 1, 1)
    z = NormalDist().inv_cdf(1 - FALSE_ALARM / comparisons)
    spread = 2 / (9 * freedom)
    quantile = freedom * (1 - spread + z * math.sqrt(spread)) ** 3
    return quantile * (1 / max(n_reference, 1) + 1 / max(n_now, 1))


def moved(reference: Mapping[str, Any], values: Values, n_reference: float, n_now: float, comparisons: int) -> Moved:
    """Return how far values have moved from a reference; unknown values are a part of their own.

    Args:
        reference: what `distribution` returned.
        values: (n,) now; NaN is unknown.
        n_reference: independent observations behind the reference.
        n_now: independent observations behind the values.
        comparisons: how many are made in one run.
    """
    known = values[~np.isnan(values)].astype(np.float64)
    edges = np.asarray(reference["edges"], np.float64)
    parts = _counts(edges, known)
    shares = np.append(parts, len(values) - len(known)) / max(len(values), 1)
    before = np.append(np.asarray(reference["shares"]) * (1 - reference["unknown"]), reference["unknown"])
    used = (before > 0) | (shares > 0)
    limit = max(PSI_LARGE, chance_limit(int(used.sum()), n_reference, n_now, comparisons=comparisons))
    moves = psi(smoothed(before[used], n_reference), smoothed(shares[used], n_now))
    return Moved(moves, ks(reference["points"], reference["below"], known), limit)
