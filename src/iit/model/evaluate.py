"""Judging a model on rows after everything it has seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from iit.model.comparison import Contest
from iit.model.dataset import Dataset
from iit.model.metrics import all_metrics, auroc
from iit.model.ranking import (
    CURVE,
    GROUP_FIGURES,
    TOP_SHARES,
    Measured,
    Ranking,
    Weights,
    draws,
    interval,
    mirrored,
    precision_at_recall,
    top_names,
)
from iit.model.segments import Segments, segments_of

Floats = NDArray[np.float64]

ROUNDS: Final = 200
LEAST_ROWS: Final = 50  # of a segment or view that is told of
LEAST_EITHER: Final = 10  # of either label in it
LEAST_OF_LIST: Final = 10  # interrupted rows of a facility whose own recall is told of

_SEED: Final = 1
_SEGMENT_INTERVALS: Final = ("observed_expected", "auroc", "auprc", "ece", "recall_top_20", "selected_top_20")
_PERCENTILES: Final = {"p10": 10, "p25": 25, "median": 50, "p75": 75, "p90": 90}
_RECALLS: Final = tuple(place / 50 for place in range(1, 51))


@dataclass(frozen=True, repr=False)
class TestRows:
    """Rows a model is judged on.

    Attributes:
        dataset: r rows with known labels.
        features: (r, 98).
        unseen_patient: (r,) rows of patients held out of training.
        unseen_facility: (r,) rows of facilities held out of training.
        truth: (r, 2) true and reachable risk where the cohort is synthetic; NaN else.
    """

    __test__ = False

    dataset: Dataset
    features: NDArray[np.float32]
    unseen_patient: NDArray[np.bool_]
    unseen_facility: NDArray[np.bool_]
    truth: Floats | None = None


def evaluate(risk: Floats, rows: TestRows, rivals: Mapping[str, Floats], *, rounds: int = ROUNDS) -> dict[str, Any]:
    """Return all figures of a model's risks, ready for JSON.

    Args:
        risk: (r,) calibrated risks of the rows, in (0, 1).
        rows: what they are of.
        rivals: (r,) scores of others on the same rows. Segments are compared with `champion`, else `scorecard`.
        rounds: bootstrap rounds for the 95 % intervals; patients are drawn whole.

    The main figures are over all landmarks, as the model is used on every day of a cycle; `at_pickup` are those of the
    pick-up days alone (T1). Each rival tells by how much the model is ahead of it, with an interval from the same draws
    of patients for both. What cannot be told (too few rows, one label) is left out, never made up.
    """
    dataset = rows.dataset
    label = dataset.label
    at_pickup = dataset.landmark == 0
    segments = segments_of(dataset, rows.features)
    ranking = Ranking(risk, label, dataset.facility, segments.places)
    contest = Contest(label, rivals, segments)
    both = [(ranking.measure(one), contest.measure(one)) for one in _weighings(dataset, rounds)]
    (whole, *drawn), theirs = ([one for one, _ in both], [one for _, one in both])
    compared = contest.told([one.groups for one in (whole, *drawn)], theirs)
    told: dict[str, Any] = {
        "metrics": all_metrics(risk, label, dataset.facility),
        "intervals": _intervals(whole, drawn),
        "any_contact": _any_contact(risk, dataset),
        "facilities": _facilities(whole.lists, [one.lists for one in drawn]),
        "decision_curve": _decision_curve(whole, drawn),
        "reliability": _reliability(ranking, whole, drawn),
        "precision_recall": {"recall": list(_RECALLS), "precision": precision_at_recall(risk, label, _RECALLS)},
        **_views(risk, rows, at_pickup, rounds),
        **_segments(whole, drawn, segments, dataset),
        "rivals": compared.rivals,
        "reference": compared.reference,
        "limit": _limit(risk, rows, at_pickup),
        "window": {"n_patients": len(np.unique(dataset.patient)), "n_cycles": int(at_pickup.sum())},
    }
    for name, figures in compared.rivals.items():
        figures["auroc_at_pickup"] = auroc(rivals[name][at_pickup], label[at_pickup])
    for name, figures in told["segments"].items():
        figures |= compared.segments.get(name, {})
    return _without_nan(told)  # type: ignore[no-any-return]


def _weighings(dataset: Dataset, rounds: int) -> Iterator[Weights]:
    """Yield ones, then draws of whole patients that hold both labels."""
    yield np.ones(len(dataset), np.uint8)
    for weights in draws(dataset.patient, rounds=rounds, seed=_SEED):
        drawn = weights > 0
        if dataset.label[drawn].any() and not dataset.label[drawn].all():
            yield weights


def _intervals(whole: Measured, drawn: list[Measured]) -> dict[str, list[float]]:
    told = {name: list(interval([one.whole[name] for one in drawn])) for name in whole.whole}
    return told | {"ece": list(mirrored(whole.whole["ece"], [one.whole["ece"] for one in drawn]))}


def _is_told(label: NDArray[np.int64]) -> bool:
    positives = int(label.sum())
    return len(label) >= LEAST_ROWS and min(positives, len(label) - positives) >= LEAST_EITHER


def _views(risk: Floats, rows: TestRows, at_pickup: NDArray[np.bool_], rounds: int) -> dict[str, Any]:
    """Return figures and intervals of rows taken alone: pick-up days, patients and facilities never trained on."""
    told: dict[str, Any] = {}
    chosen_by_name = {
        "at_pickup": at_pickup, "unseen_patients": rows.unseen_patient, "unseen_facilities": rows.unseen_facility,
    }  # fmt: skip
    for name, chosen in chosen_by_name.items():
        dataset = rows.dataset.take(chosen)
        told[name], told[f"intervals_{name}"] = None, {}
        if _is_told(dataset.label):
            ranking = Ranking(risk[chosen], dataset.label, dataset.facility)
            told[name] = all_metrics(risk[chosen], dataset.label, dataset.facility)
            whole, *drawn = [ranking.measure(one) for one in _weighings(dataset, rounds)]
            told[f"intervals_{name}"] = _intervals(whole, drawn)
    return told


def _facilities(lists: Floats, drawn: list[Floats]) -> dict[str, Any]:
    """Return how recall and PPV of each facility's own list spread over facilities with enough interruptions."""
    chosen = lists[:, 1] >= LEAST_OF_LIST
    told: dict[str, Any] = {"n": int(chosen.sum()), "n_omitted": int((~chosen).sum())}
    if not chosen.any():
        return told
    for place, share in enumerate(TOP_SHARES):
        for name, below in zip(top_names(share), (1, 2 + 2 * place), strict=True):
            hits = 3 + 2 * place
            values = lists[chosen, hits] / lists[chosen, below]
            medians = [_median(one[chosen, hits], one[chosen, below]) for one in drawn]
            low, high = interval(medians)
            spread = {word: float(np.percentile(values, at)) for word, at in _PERCENTILES.items()}
            told[name] = {**spread, "median_low": low, "median_high": high}
    return told


def _median(part: Floats, whole: Floats) -> float:
    """Return the median share over facilities of which a draw holds anything; NaN if of none."""
    known = whole > 0
    return float(np.median(part[known] / whole[known])) if known.any() else float("nan")


def _decision_curve(whole: Measured, drawn: list[Measured]) -> dict[str, list[float]]:
    threshold, prevalence = np.array(CURVE), whole.whole["prevalence"]
    low, high = _bounds([one.curve for one in drawn])
    return {
        "threshold": list(CURVE),
        "model": whole.curve.tolist(),
        "low": low,
        "high": high,
        "all": (prevalence - (1 - prevalence) * threshold / (1 - threshold)).tolist(),
    }


def _reliability(ranking: Ranking, whole: Measured, drawn: list[Measured]) -> dict[str, list[float]]:
    low, high = _bounds([one.bins for one in drawn])
    return {"expected": ranking.expected_by_bin.tolist(), "observed": whole.bins.tolist(), "low": low, "high": high}


def _bounds(drawn: list[Floats]) -> tuple[list[float], list[float]]:
    pairs = [interval(values) for values in np.array(drawn).T]
    return [low for low, _ in pairs], [high for _, high in pairs]


def _segments(whole: Measured, drawn: list[Measured], segments: Segments, dataset: Dataset) -> dict[str, Any]:
    """Return the figures of each segment with enough rows, and the names of those with too few."""
    told: dict[str, dict[str, float]] = {}
    omitted = []
    for place, name in enumerate(segments.names):
        in_it = (segments.places == place).any(axis=1)
        if not in_it.any():
            continue
        if not _is_told(dataset.label[in_it]):
            omitted.append(name)
            continue
        one = dict(zip(GROUP_FIGURES, whole.groups[place + 1].tolist(), strict=True))
        one["n_patients"] = float(len(np.unique(dataset.patient[in_it])))
        for figure in _SEGMENT_INTERVALS:
            column = GROUP_FIGURES.index(figure)
            values = [m.groups[place + 1, column] for m in drawn]
            bounds = mirrored(one[figure], values) if figure == "ece" else interval(values)
            one[f"{figure}_low"], one[f"{figure}_high"] = bounds
        told[name] = one
    return {"segments": told, "segments_omitted": omitted}


def _any_contact(risk: Floats, dataset: Dataset) -> dict[str, float] | None:
    """Return figures with the label that takes any clinical contact as a return (PEPFAR MER), for sensitivity."""
    label = dataset.label_contact
    if not len(label) or label.min() < 0 or label.min() == label.max():
        return None
    return {"prevalence": float(label.mean()), "auroc": auroc(risk, label)}


def _limit(risk: Floats, rows: TestRows, at_pickup: NDArray[np.bool_]) -> dict[str, float] | None:
    """Return how far a model can get that cannot see the hidden frailty, and one that can; synthetic cohorts only."""
    if rows.truth is None:
        return None
    known = ~np.isnan(rows.truth).any(axis=1)
    if not known.any():
        return None
    label = rows.dataset.label
    told = {}
    for name, chosen in (("", known), ("_at_pickup", known & at_pickup)):
        told[f"auroc_model{name}"] = auroc(risk[chosen], label[chosen])
        told[f"auroc_reachable{name}"] = auroc(rows.truth[chosen, 1], label[chosen])
    chosen = known & at_pickup
    told["auroc_true_risk_at_pickup"] = auroc(rows.truth[chosen, 0], label[chosen])
    return told


def _without_nan(told: Any) -> Any:
    """Return the same without entries whose number is not known; in lists, whose places count, None stands for it."""
    if isinstance(told, dict):
        cleaned = {name: _without_nan(value) for name, value in told.items()}
        return {name: value for name, value in cleaned.items() if value is not None or told[name] is None}
    if isinstance(told, list):
        return [_without_nan(value) for value in told]
    return None if isinstance(told, float) and np.isnan(told) else told
