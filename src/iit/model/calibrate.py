"""From a raw score (log-odds) to a probability that means what it says; kept as numbers, applied with NumPy alone."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from iit.model.logistic import fit_logistic, sigmoid

Floats = NDArray[np.float64]

_EDGE = 1e-4  # no risk is told as certain


@dataclass(frozen=True)
class Calibrator:
    """A rising function of the raw score.

    Attributes:
        method: `platt` (x = slope and intercept) or `isotonic` (x, y = points joined by straight lines).
        x: see method.
        y: see method.
    """

    method: str
    x: tuple[float, ...]
    y: tuple[float, ...] = ()

    def apply(self, raw: Floats) -> Floats:
        """Return risks in [0.0001, 0.9999] for raw scores, (n,)."""
        risk = sigmoid(self.x[0] * raw + self.x[1]) if self.method == "platt" else np.interp(raw, self.x, self.y)
        clipped: Floats = np.clip(risk, _EDGE, 1 - _EDGE)
        return clipped

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers."""
        return {"method": self.method, "x": list(self.x), "y": list(self.y)}

    @classmethod
    def of(cls, numbers: dict[str, Any]) -> Self:
        """Return the calibrator of its numbers.

        Raises:
            ValueError: the numbers make no rising function.
        """
        found = cls(str(numbers["method"]), tuple(map(float, numbers["x"])), tuple(map(float, numbers["y"])))
        all_numbers = np.array([*found.x, *found.y])
        if not np.isfinite(all_numbers).all():
            raise ValueError("calibration holds a number that is not finite")
        if found.method == "platt":
            if len(found.x) != 2 or found.x[0] <= 0:
                raise ValueError("calibration is not rising")
        elif found.method != "isotonic" or len(found.x) != len(found.y) or len(found.x) < 2:
            raise ValueError("calibration is of no known form")
        elif (np.diff(found.x) <= 0).any() or (np.diff(found.y) < 0).any():
            raise ValueError("calibration is not rising")
        return found


def fit(raw: Floats, label: NDArray[np.int64], order: NDArray[np.int64]) -> Calibrator:
    """Return the better of Platt and isotonic calibration.

    Each is fitted on the earlier half of the rows and judged by log-loss on the later half; the winner is fitted
    on all.

    Args:
        raw: (n,) scores of rows that trained nothing.
        label: (n,) 0 or 1.
        order: (n,) what to sort by in time.
    """
    by_time = np.argsort(order, kind="stable")
    half = len(by_time) // 2
    first, second = by_time[:half], by_time[half:]
    if len(np.unique(label[first])) < 2 or len(np.unique(label[second])) < 2:
        return fit_platt(raw, label)
    losses = [
        (log_loss(fitting(raw[first], label[first]).apply(raw[second]), label[second]), fitting)
        for fitting in (fit_platt, fit_isotonic)
    ]
    return min(losses, key=lambda one: one[0])[1](raw, label)


def fit_platt(raw: Floats, label: NDArray[np.int64]) -> Calibrator:
    """Return a logistic curve through the labels (Platt 1999, with his smoothed targets), by Newton's method."""
    positives = int(label.sum())
    target = np.where(label == 1, (positives + 1) / (positives + 2), 1 / (len(label) - positives + 2))
    slope, intercept = fit_logistic(np.column_stack((raw, np.ones_like(raw))), target)
    return Calibrator("platt", (max(float(slope), 1e-6), float(intercept)))


def fit_isotonic(raw: Floats, label: NDArray[np.int64], least: int = 50) -> Calibrator:
    """Return the rising steps nearest to the labels (pool adjacent violators), joined by lines between their middles.

    Steps hold at least `least` rows, so that none rests on a handful of patients.
    """
    order = np.argsort(raw, kind="stable")
    groups = max(2, min(200, len(raw) // least))
    parts = np.array_split(order, groups)
    level = [float(label[part].mean()) for part in parts]
    middle = [float(raw[part].mean()) for part in parts]
    weight = [len(part) for part in parts]
    pooled: list[tuple[float, float, int]] = []
    for x, y, n in zip(middle, level, weight, strict=True):
        pooled.append((x, y, n))
        while len(pooled) > 1 and pooled[-2][1] >= pooled[-1][1]:
            (x2, y2, n2), (x1, y1, n1) = pooled.pop(), pooled.pop()
            n12 = n1 + n2
            pooled.append(((x1 * n1 + x2 * n2) / n12, (y1 * n1 + y2 * n2) / n12, n12))
    if len(pooled) < 2:
        return fit_platt(raw, label)
    xs, ys, _ = zip(*pooled, strict=True)
    if (np.diff(xs) <= 0).any():
        return fit_platt(raw, label)
    return _with_tails(xs, ys, raw, fit_platt(raw, label))


def _with_tails(xs: tuple[float, ...], ys: tuple[float, ...], raw: Floats, curve: Calibrator) -> Calibrator:
    """Return the steps with their ends drawn on to the lowest and highest score, as far as the logistic curve goes.

    Level ends would tie the scores beyond the outermost steps: just those whose order decides who is called first.
    """
    first, last = float(raw.min()), float(raw.max())
    low, high = curve.apply(np.array([first, last]))
    if first < xs[0]:
        xs, ys = (first, *xs), (min(float(low), ys[0]), *ys)
    if last > xs[-1]:
        xs, ys = (*xs, last), (*ys, max(float(high), ys[-1]))
    return Calibrator("isotonic", xs, ys)


def log_loss(risk: Floats, label: NDArray[np.int64]) -> float:
    """Return the mean negative log-likelihood of labels under risks in (0, 1)."""
    return float(-np.mean(np.where(label == 1, np.log(risk), np.log1p(-risk))))
