"""Scoring and explaining with a bundle. Immutable, so that threads may share it."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import InvalidInput
from iit.domain.risk import Band
from iit.features.registry import FEATURE_NAMES
from iit.features.wording import reason_text
from iit.model.bundle import Bundle, Numbers
from iit.model.contributions import contributions, raw_scores
from iit.model.trees import Trees


class Reason(NamedTuple):
    """Why a score is what it is: a known feature, its value, what it adds in log-odds, and plain words."""

    feature: str
    value: float
    contribution: float
    text: str


class AnyScorer(ABC):
    """Turns features into risks, bands and reasons."""

    def __init__(self, numbers: Numbers) -> None:
        self.version = numbers.version
        self.bundle = numbers

    @abstractmethod
    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return risks in (0, 1) of (n, 98) features; NaN is unknown."""

    def self_test(self) -> None:
        """Score somebody of whom nothing is known.

        Raises:
            InvalidInput: what comes out is no risk.
        """
        (risk,) = self.score(np.full((1, len(FEATURE_NAMES)), np.nan, np.float32))
        if not 0 < risk < 1:
            raise InvalidInput(f"model {self.version}: the self-test gives no risk", place="model")

    @abstractmethod
    def contributions(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return exact contributions in log-odds, (n, 99): the last is the base value; a row sums to its raw score."""

    def band(self, risk: float) -> Band:
        """Return the band of a risk, by the bundle's limits (a limit belongs to the higher band)."""
        if risk >= self.bundle.bands["high"]:
            return Band.HIGH
        return Band.MEDIUM if risk >= self.bundle.bands["medium"] else Band.LOW

    def explain(self, features: NDArray[np.float32], most: int) -> list[list[Reason]]:
        """Return for each row up to `most` reasons, strongest first; an unknown value is never a reason."""
        return [
            reasons_of(row, values, most) for row, values in zip(self.contributions(features), features, strict=True)
        ]


class Scorer(AnyScorer):
    """Scores with the bundle's trees and calibrator.

    Raises:
        InvalidInput: the trees do not load, or do not give what the bundle says they gave at training.
    """

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        try:
            self._trees = Trees.from_model_text(bundle.model_text)
        except InvalidInput as cause:
            raise InvalidInput(f"model {bundle.version}: {cause.reason}", place=f"model.txt {cause.place}") from cause
        if self._trees.feature_names != FEATURE_NAMES:
            raise InvalidInput(f"model {bundle.version}: made for other features", place="model")
        self.self_test()

    def raw(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return raw scores in log-odds of (n, 98) features."""
        return raw_scores(self._trees, features)

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return calibrated risks in (0, 1) of (n, 98) features; NaN is unknown."""
        return self.bundle.calibrator.apply(self.raw(features))

    def contributions(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return Shapley values of the raw score (`iit.model.contributions`)."""
        return contributions(self._trees, features)

    def self_test(self) -> None:
        """Score the rows that the bundle keeps for this.

        Raises:
            InvalidInput: there are none, or the risks are not those of the training.
        """
        cases: Any = self.bundle.manifest.get("self_test")
        try:
            rows = [[np.nan if value is None else float(value) for value in row] for row in cases["features"]]
            features, risks = np.array(rows, np.float32), np.array(cases["risks"], np.float64)
            is_whole = features.shape == (len(risks), len(FEATURE_NAMES)) and len(risks) > 0
        except (TypeError, KeyError, ValueError):
            is_whole = False
        if not is_whole:
            raise InvalidInput(f"model {self.version}: the bundle holds no self-test", place="model")
        if not np.allclose(self.score(features), risks, rtol=0, atol=1e-9):
            raise InvalidInput(f"model {self.version}: the self-test gives other risks than at training", place="model")


class ScorecardScorer(AnyScorer):
    """Scores with the bundle's table of points: the last resort, when no bundle's trees load."""

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return risks in (0, 1) of (n, 98) features; NaN is unknown."""
        return self.bundle.scorecard.risk(features)

    def contributions(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the points of each feature in the table, and zero for the others."""
        return self.bundle.scorecard.contributions(features)


def reasons_of(contributions: NDArray[np.float64], values: NDArray[np.float32], most: int) -> list[Reason]:
    """Return the reasons with the largest contributions of either sign; ties go by the order of features."""
    order = np.argsort(-np.abs(contributions[:-1]), kind="stable")
    known = [int(place) for place in order if not np.isnan(values[place]) and contributions[place] != 0][:most]
    return [
        Reason(
            FEATURE_NAMES[place],
            float(values[place]),
            float(contributions[place]),
            reason_text(FEATURE_NAMES[place], float(values[place])),
        )
        for place in known
    ]
