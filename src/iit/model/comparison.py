"""A model beside its rivals on the same rows and the same draws of patients, so that differences have intervals."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iit.model.ranking import GROUP_FIGURES, Order, Weights, interval
from iit.model.segments import Segments

Floats = NDArray[np.float64]

REFERENCES: Final = ("champion", "scorecard")
"""Whom segments are compared with: who serves, else what would serve without the trees."""

_HIGHER_IS_BETTER: Final = {"auroc": 1, "auprc": 1, "brier": -1}


class Compared(NamedTuple):
    """What came of it.

    Attributes:
        rivals: by name: `auroc`, `auprc`, `brier` (of probabilities only), and for each `<figure>_ahead`, by how much
            the model is better, with `_low` and `_high`, its 95 % interval.
        reference: whom the segments are compared with; None if nobody.
        segments: by name: `reference_auroc`, and `reference_ahead` with `_low` and `_high`.
    """

    rivals: dict[str, dict[str, float]]
    reference: str | None
    segments: dict[str, dict[str, float]]


class Contest:
    """Rivals on some rows, each sorted once.

    Args:
        label: (n,) 0 or 1.
        rivals: (n,) scores; Brier scores are told of those within 0 and 1.
        segments: of the rows; told of the reference alone.
    """

    def __init__(self, label: NDArray[np.int64], rivals: Mapping[str, Floats], segments: Segments) -> None:
        self.reference = next((name for name in REFERENCES if name in rivals), None)
        self._names = segments.names
        self._orders = {
            name: Order(score, label, segments.places if name == self.reference else None)
            for name, score in rivals.items()
        }
        self._are_risks = {name: bool(((score >= 0) & (score <= 1)).all()) for name, score in rivals.items()}

    def measure(self, weights: Weights) -> dict[str, Floats]:
        """Return the figures of each rival, see `Order.measure`."""
        return {name: order.measure(weights) for name, order in self._orders.items()}

    def told(self, mine: Sequence[Floats], theirs: Sequence[Mapping[str, Floats]]) -> Compared:
        """Return who is ahead.

        Args:
            mine: figures of the model, of all rows first and then of each draw.
            theirs: `measure` of the same weights.
        """
        rivals = {
            name: _ahead(mine, [one[name] for one in theirs], is_risk=self._are_risks[name]) for name in self._orders
        }
        name = self.reference
        segments = {} if name is None else _by_segment(mine, [one[name] for one in theirs], self._names)
        return Compared(rivals, name, segments)


def _ahead(mine: Sequence[Floats], theirs: Sequence[Floats], *, is_risk: bool) -> dict[str, float]:
    told: dict[str, float] = {}
    for figure, sign in _HIGHER_IS_BETTER.items():
        if figure == "brier" and not is_risk:
            continue
        at = GROUP_FIGURES.index(figure)
        ahead = np.array([sign * (one[0, at] - other[0, at]) for one, other in zip(mine, theirs, strict=True)])
        name = f"{figure}_ahead"
        told |= {figure: float(theirs[0][0, at]), name: float(ahead[0])}
        told[f"{name}_low"], told[f"{name}_high"] = interval(ahead[1:])
    return told


def _by_segment(
    mine: Sequence[Floats], theirs: Sequence[Floats], names: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    at = GROUP_FIGURES.index("auroc")
    told = {}
    for place in range(1, len(mine[0])):
        ahead = np.array([one[place, at] - other[place, at] for one, other in zip(mine, theirs, strict=True)])
        low, high = interval(ahead[1:])
        told[names[place - 1]] = {
            "reference_auroc": float(theirs[0][place, at]),
            "reference_ahead": float(ahead[0]),
            "reference_ahead_low": low,
            "reference_ahead_high": high,
        }
    return told
