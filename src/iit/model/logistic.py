"""Logistic regression by Newton's method, for calibration lines, the scorecard and the baseline."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS = 100
_LONGEST_STEP = 5.0


def fit_logistic(
    design: Floats, target: NDArray[np.int64] | Floats, *, offset: Floats | None = None, ridge: float = 1e-9
) -> Floats:
    """Return the weights that maximise the likelihood.

    Args:
        design: (n, k) columns; include one of ones for an intercept, which the ridge then also draws to 0.
        target: (n,) labels, or targets between 0 and 1.
        offset: (n,) log-odds added to every row's.
        ridge: weight of the squared weights; keeps separable data finite.

    Returns:
        (k,) weights.
    """
    level = np.zeros(len(design)) if offset is None else offset
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        risk = sigmoid(design @ weights + level)
        bend = (design * (risk * (1 - risk))[:, None]).T @ design + ridge * np.eye(design.shape[1])
        step = np.linalg.solve(bend, design.T @ (risk - target) + ridge * weights)
        weights = weights - np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max() < 1e-9:
            break
    return weights


def sigmoid(value: Floats) -> Floats:
    """Return 1 / (1 + exp(-value)) without overflow."""
    result: Floats = 1 / (1 + np.exp(-np.clip(value, -700, 700)))
    return result
