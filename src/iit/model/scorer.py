"""Scoring and explaining with a bundle. Immutable, so that threads may share it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import InvalidInput, Unavailable
from iit.domain.risk import Band
from iit.features.registry import FEATURE_NAMES
from iit.features.wording import reason_text
from iit.model.booster import LightGBMError, lightgbm
from iit.model.bundle import Bundle


class Reason(NamedTuple):
    """Why a score is what it is: a known feature, its value, what it adds in log-odds, and plain words."""

    feature: str
    value: float
    contribution: float
    text: str


class Scorer:
    """Turns features into risks, bands and reasons.

    Raises:
        InvalidInput: the booster does not load, or does not give what the bundle says it gave at training.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.version = bundle.version
        self.bundle = bundle
        try:
            self._booster = lightgbm.Booster(model_str=bundle.model_text)
        except LightGBMError as cause:
            raise InvalidInput(f"model {bundle.version}: the booster does not load", place="model") from cause
        if self._booster.num_feature() != len(FEATURE_NAMES):
            raise InvalidInput(f"model {bundle.version}: made for another number of features", place="model")
        self._self_test(bundle.manifest.get("self_test"))

    def raw(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return raw scores in log-odds of (n, 98) features."""
        try:
            raw: NDArray[np.float64] = self._booster.predict(features, raw_score=True, num_threads=1)
        except LightGBMError as cause:
            raise Unavailable("the model could not score", place="model") from cause
        return raw

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return calibrated risks in (0, 1) of (n, 98) features; NaN is unknown."""
        return self.bundle.calibrator.apply(self.raw(features))

    def band(self, risk: float) -> Band:
        """Return the band of a risk, by the bundle's limits (a limit belongs to the higher band)."""
        if risk >= self.bundle.bands["high"]:
            return Band.HIGH
        return Band.MEDIUM if risk >= self.bundle.bands["medium"] else Band.LOW

    def contributions(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return exact contributions in log-odds, (n, 99): the last is the base value; a row sums to its raw score."""
        told: NDArray[np.float64] = self._booster.predict(features, pred_contrib=True, num_threads=1)
        return told

    def explain(self, features: NDArray[np.float32], most: int) -> list[list[Reason]]:
        """Return for each row up to `most` reasons, strongest first; an unknown value is never a reason."""
        return [
            reasons_of(row, values, most) for row, values in zip(self.contributions(features), features, strict=True)
        ]

    def _self_test(self, cases: Any) -> None:
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
