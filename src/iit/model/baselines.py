"""The simple models that a booster has to beat, kept as numbers so that they can be asked about other rows later."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from iit.features.registry import FEATURE_NAMES, INDEX
from iit.model.dataset import evenly
from iit.model.logistic import fit_logistic, sigmoid

Floats = NDArray[np.float64]
Features = NDArray[np.float32]

_MOST_ROWS = 200_000  # two hundred weights learn nothing from more
_ROWS_AT_ONCE = 100_000
_RIDGE = 10.0
_FURTHEST = 5  # spreads from the middle


@dataclass(frozen=True)
class SingleFeature:
    """The feature that ranks best alone.

    Attributes:
        name: of it.
        direction: 1 if a higher value means a higher risk, -1 if a lower one does.
        middle: what an unknown value counts as, the median at training.
    """

    name: str
    direction: int
    middle: float

    def score(self, features: Features) -> Floats:
        """Return (n,) scores, rising with the risk, of (n, 98) features."""
        values = features[:, INDEX[self.name]].astype(np.float64)
        return self.direction * np.where(np.isnan(values), self.middle, values)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers."""
        return {"name": self.name, "direction": self.direction, "middle": self.middle}

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> Self:
        """Return it from its numbers."""
        return cls(str(numbers["name"]), int(numbers["direction"]), float(numbers["middle"]))


@dataclass(frozen=True, repr=False)
class LogisticBaseline:
    """A logistic regression over all features, standardised and cut at 5 spreads, with flags for unknown values.

    Attributes:
        middle: (98,) medians, which also stand for unknown values.
        spread: (98,) standard deviations.
        weights: (197,) of values, of flags, and the intercept.
    """

    middle: Floats
    spread: Floats
    weights: Floats

    def risk(self, features: Features) -> Floats:
        """Return risks of (n, 98) features."""
        parts = np.array_split(features, 1 + len(features) // _ROWS_AT_ONCE)
        return np.concatenate([sigmoid(_design(part, self.middle, self.spread) @ self.weights) for part in parts])

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers."""
        return {name: getattr(self, name).tolist() for name in ("middle", "spread", "weights")}

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> Self:
        """Return it from its numbers.

        Raises:
            ValueError: they are not of this feature set.
        """
        found = cls(*(np.array(numbers[name], np.float64) for name in ("middle", "spread", "weights")))
        n = len(FEATURE_NAMES)
        if not (found.middle.shape == found.spread.shape == (n,) and found.weights.shape == (2 * n + 1,)):
            raise ValueError("the logistic regression is not whole")
        return found


def fit_baseline(features: Features, label: NDArray[np.int64]) -> LogisticBaseline:
    """Return the logistic regression of (n, 98) features; of many rows, those at even distances."""
    few = evenly(len(label), _MOST_ROWS)
    features, label = features[few], label[few]
    known = np.where(np.isnan(features).all(0), 0, features)
    middle = np.nan_to_num(np.nanmedian(known, axis=0)).astype(np.float64)
    spread = np.nanstd(np.where(np.isnan(features), middle, features), axis=0).astype(np.float64)
    spread[spread == 0] = 1
    return LogisticBaseline(middle, spread, fit_logistic(_design(features, middle, spread), label, ridge=_RIDGE))


def single_feature(features: Features, place: int, direction: int) -> SingleFeature:
    """Return a feature as a model of its own, with its median over (n, 98) training rows."""
    values = features[:, place]
    known = values[~np.isnan(values)]
    return SingleFeature(FEATURE_NAMES[place], direction, float(np.median(known)) if len(known) else 0.0)


def _design(features: Features, middle: Floats, spread: Floats) -> Floats:
    unknown = np.isnan(features)
    scaled = np.clip((np.where(unknown, middle, features) - middle) / spread, -_FURTHEST, _FURTHEST)
    return np.hstack((scaled, unknown, np.ones((len(features), 1)))).astype(np.float64)
