"""A small table of points: the last resort of scoring, and what a booster has to beat."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from iit.features.registry import INDEX

FEATURES = (
    "late_days_mean_3",
    "late_days_max_5",
    "n_late7_10",
    "n_prev_iit",
    "days_to_ecd",
    "months_on_art",
    "days_supplied_last",
    "age",
    "vl_category",
    "phone_present",
    "pdc_365",
    "fac_iit_rate_6m",
)
_PARTS = 5


@dataclass(frozen=True)
class Scorecard:
    """Log-odds by bins of a few features.

    Attributes:
        features: names.
        edges: for each feature, ascending inner edges of its bins (an edge belongs to the upper bin).
        points: for each feature, log-odds of each bin, and last that of an unknown value.
        base: log-odds where all points are 0.
    """

    features: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]
    points: tuple[tuple[float, ...], ...]
    base: float

    def risk(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return risks of (n, 98) features."""
        risks: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(self.contributions(matrix).sum(axis=1), -30, 30)))
        return risks

    def contributions(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the points of (n, 98) features in log-odds, (n, 99): zero for those without; the base comes last."""
        found = np.zeros((len(matrix), matrix.shape[1] + 1))
        found[:, -1] = self.base
        for name, edges, points in zip(self.features, self.edges, self.points, strict=True):
            values = matrix[:, INDEX[name]].astype(np.float64)
            bins = np.searchsorted(np.array(edges), values, side="right")
            bins[np.isnan(values)] = len(points) - 1
            found[:, INDEX[name]] += np.array(points)[bins]
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers."""
        return {
            "features": list(self.features),
            "edges": [list(one) for one in self.edges],
            "points": [list(one) for one in self.points],
            "base": self.base,
        }

    @classmethod
    def of(cls, numbers: dict[str, Any]) -> Self:
        """Return the scorecard of its numbers.

        Raises:
            ValueError: the table is not whole.
        """
        card = cls(
            tuple(map(str, numbers["features"])),
            tuple(tuple(map(float, one)) for one in numbers["edges"]),
            tuple(tuple(map(float, one)) for one in numbers["points"]),
            float(numbers["base"]),
        )
        if not len(card.features) == len(card.edges) == len(card.points) or not set(card.features) <= set(INDEX):
            raise ValueError("the scorecard is not whole")
        for edges, points in zip(card.edges, card.points, strict=True):
            if len(points) != len(edges) + 2 or not np.isfinite([*edges, *points, card.base]).all():
                raise ValueError("the scorecard is not whole")
        return card


def bin_edges(matrix: NDArray[np.float32]) -> tuple[tuple[float, ...], ...]:
    """Return inner edges for each scorecard feature: distinct quintiles of its known values."""
    edges = []
    for name in FEATURES:
        values = matrix[:, INDEX[name]]
        known = values[~np.isnan(values)]
        inner = np.quantile(known, np.arange(1, _PARTS) / _PARTS) if len(known) else np.empty(0)
        edges.append(tuple(np.unique(inner).tolist()))
    return tuple(edges)


def indicators(matrix: NDArray[np.float32], edges: tuple[tuple[float, ...], ...]) -> NDArray[np.float32]:
    """Return (n, bins in all) zeros and ones: the bin of each feature, the last of each for unknown."""
    blocks = []
    for name, inner in zip(FEATURES, edges, strict=True):
        values = matrix[:, INDEX[name]].astype(np.float64)
        bins = np.searchsorted(np.array(inner), values, side="right")
        bins[np.isnan(values)] = len(inner) + 1
        blocks.append(np.eye(len(inner) + 2, dtype=np.float32)[bins])
    return np.hstack(blocks)


def from_weights(edges: tuple[tuple[float, ...], ...], weights: NDArray[np.float64], base: float) -> Scorecard:
    """Return the scorecard of regression weights over `indicators`."""
    points = []
    at = 0
    for inner in edges:
        width = len(inner) + 2
        points.append(tuple(float(round(weight, 4)) for weight in weights[at : at + width]))
        at += width
    return Scorecard(FEATURES, edges, tuple(points), round(float(base), 4))
