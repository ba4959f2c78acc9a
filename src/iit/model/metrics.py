"""Figures of discrimination, calibration and use, each with what it needs and nothing else."""

import numpy as np
from numpy.typing import NDArray

from iit.model.ranking import BINS, THRESHOLDS, TOP_SHARES, Ranking, calibration_line_of, draws, interval, top_names

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def auroc(risk: Floats, label: Labels) -> float:
    """Return the chance that a positive row ranks above a negative one, ties counting half; NaN without both."""
    positives = int(label.sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(risk, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # mean rank of each distinct value
    return float((ranks[inverse][label == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auprc(risk: Floats, label: Labels) -> float:
    """Return average precision: the mean precision at each positive row, ties taken together; NaN without positives."""
    positives = int(label.sum())
    if not positives:
        return float("nan")
    order = np.argsort(-risk, kind="stable")
    ranked, sorted_label = risk[order], label[order]
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    hits = np.cumsum(sorted_label)[ends]
    precision = hits / (ends + 1)
    return float((precision * np.diff(np.append(0, hits))).sum() / positives)


def brier(risk: Floats, label: Labels) -> float:
    """Return the mean squared error of the risk."""
    return float(np.mean((risk - label) ** 2))


def ece(risk: Floats, label: Labels, bins: int = BINS) -> float:
    """Return the mean gap between risk and observed share over bins of equal numbers of rows."""
    order = np.argsort(risk, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(len(part) * abs(risk[part].mean() - label[part].mean()) for part in parts) / len(risk))


def calibration_line(risk: Floats, label: Labels) -> tuple[float, float]:
    """Return (intercept, slope) of a logistic regression of the label on the log-odds of the risk; ideal is (0, 1).

    The intercept is with the slope fixed at 1 (calibration in the large).
    """
    intercept, slope, _ = calibration_line_of(np.log(risk / (1 - risk)), label)
    return intercept, slope


def net_benefit(risk: Floats, label: Labels, threshold: float) -> float:
    """Return true positives less false positives weighed by the odds of the threshold, a row (Vickers 2006)."""
    flagged = risk >= threshold
    right = float((flagged & (label == 1)).sum())
    wrong = float((flagged & (label == 0)).sum())
    return (right - wrong * threshold / (1 - threshold)) / len(label)


def top_of_facilities(risk: Floats, label: Labels, facility: NDArray[np.int64], share: float) -> tuple[float, float]:
    """Return (recall, PPV) when each facility follows up the given share of its list, rounded up, highest risk first.

    Pooled over facilities: the share of all positives that are reached, and of those reached that are positive.
    """
    order = np.lexsort((np.arange(len(risk)), -risk, facility))
    _, starts, counts = np.unique(facility[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(starts, counts)
    chosen = place < np.repeat(np.ceil(share * counts), counts)
    hits = int(label[order][chosen].sum())
    return (hits / int(label.sum()) if label.sum() else float("nan")), hits / int(chosen.sum())


def all_metrics(risk: Floats, label: Labels, facility: NDArray[np.int64]) -> dict[str, float]:
    """Return every figure of a model on some rows."""
    prevalence = float(label.mean())
    precision = auprc(risk, label)
    intercept, slope = calibration_line(risk, label)
    figures = {
        "n": float(len(label)),
        "prevalence": prevalence,
        "mean_risk": float(risk.mean()),
        "observed_expected": float(label.sum() / risk.sum()),
        "auroc": auroc(risk, label),
        "auprc": precision,
        "lift": precision / prevalence if prevalence else float("nan"),
        "brier": brier(risk, label),
        "ece": ece(risk, label),
        "calibration_intercept": intercept,
        "calibration_slope": slope,
    }
    for share in TOP_SHARES:
        recall, ppv = top_of_facilities(risk, label, facility, share)
        figures |= dict(zip(top_names(share), (recall, ppv), strict=True))
    for threshold in THRESHOLDS:
        figures[f"net_benefit_{threshold}"] = net_benefit(risk, label, threshold)
    return figures


def bootstrap(
    risk: Floats, label: Labels, facility: NDArray[np.int64], patient: NDArray[np.int64], *, rounds: int, seed: int = 1
) -> dict[str, tuple[float, float]]:
    """Return 95 % intervals of all figures, drawing whole patients with replacement. Deterministic for a seed."""
    ranking = Ranking(risk, label, facility)
    drawn = [
        ranking.measure(weights).whole
        for weights in draws(patient, rounds=rounds, seed=seed)
        if len(np.unique(label[weights > 0])) == 2
    ]
    return {name: interval([one[name] for one in drawn]) for name in (drawn[0] if drawn else {})}
