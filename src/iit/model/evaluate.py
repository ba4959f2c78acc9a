"""Judging a model on rows after everything it has seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from iit.features.registry import INDEX
from iit.model.dataset import Dataset
from iit.model.metrics import all_metrics, auroc, bootstrap
from iit.model.ranking import auroc_draws, interval

ROUNDS: Final = 200
_LEAST_SEGMENT: Final = 50

_BANDS: Final[dict[str, dict[int, str]]] = {
    "sex": {1: "male", 2: "female"},
    "age_band": {0: "under 15", 1: "15 to 24", 2: "25 to 49", 3: "50 and over"},
    "mmd_band": {0: "under 3 months", 1: "3 to 5 months", 2: "6 months or more"},
    "first_6m_flag": {0: "no", 1: "yes"},
    "state_code": {},
}
LANDMARKS: Final = (
    "pick-up",
    "14 days before",
    "7 days before",
    "expected day",
    "7 days after",
    "14 days after",
    "21 days after",
)


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
    truth: NDArray[np.float64] | None = None


def evaluate(
    risk: NDArray[np.float64], rows: TestRows, rivals: Mapping[str, NDArray[np.float64]], *, rounds: int = ROUNDS
) -> dict[str, Any]:
    """Return all figures of a model's risks, ready for JSON.

    Args:
        risk: (r,) calibrated risks of the rows.
        rows: what they are of.
        rivals: (r,) scores of others on the same rows; `champion` is also compared by segment.
        rounds: bootstrap rounds for the 95 % intervals; patients are drawn whole.

    The main figures are over all landmarks, as the model is used on every day of a cycle; `at_pickup` are those of the
    pick-up days alone (T1). Each rival tells by how much the model is ahead of it, with an interval from the same draws
    of patients for both.
    """
    dataset = rows.dataset
    label, facility = dataset.label, dataset.facility
    at_pickup = dataset.landmark == 0
    told: dict[str, Any] = {
        "metrics": all_metrics(risk, label, facility),
        "intervals": bootstrap(risk, label, facility, dataset.patient, rounds=rounds),
        "at_pickup": _figures(risk, dataset, at_pickup),
        "intervals_at_pickup": _intervals(risk, dataset, at_pickup, rounds),
        "unseen_patients": _figures(risk, dataset, rows.unseen_patient),
        "unseen_facilities": _figures(risk, dataset, rows.unseen_facility),
        "any_contact": _any_contact(risk, dataset),
        "rivals": _rivals(risk, dataset, at_pickup, rivals, rounds),
        "segments": _segments(risk, rows, rivals.get("champion"), rounds),
        "limit": _limit(risk, rows, at_pickup),
        "window": {"n_patients": len(np.unique(dataset.patient)), "n_cycles": int(at_pickup.sum())},
    }
    return told


def _figures(risk: NDArray[np.float64], dataset: Dataset, chosen: NDArray[np.bool_]) -> dict[str, float] | None:
    label = dataset.label[chosen]
    if len(label) < _LEAST_SEGMENT or label.min() == label.max():
        return None
    return all_metrics(risk[chosen], label, dataset.facility[chosen])


def _intervals(
    risk: NDArray[np.float64], dataset: Dataset, chosen: NDArray[np.bool_], rounds: int
) -> dict[str, tuple[float, float]]:
    label = dataset.label[chosen]
    if not len(label) or label.min() == label.max():
        return {}
    return bootstrap(risk[chosen], label, dataset.facility[chosen], dataset.patient[chosen], rounds=rounds)


def _any_contact(risk: NDArray[np.float64], dataset: Dataset) -> dict[str, float] | None:
    """Return figures with the label that takes any clinical contact as a return (PEPFAR MER), for sensitivity."""
    label = dataset.label_contact
    if not len(label) or label.min() < 0 or label.min() == label.max():
        return None
    return {"prevalence": float(label.mean()), "auroc": auroc(risk, label)}


def _rivals(
    risk: NDArray[np.float64],
    dataset: Dataset,
    at_pickup: NDArray[np.bool_],
    rivals: Mapping[str, NDArray[np.float64]],
    rounds: int,
) -> dict[str, dict[str, float]]:
    label = dataset.label
    drawn = auroc_draws([risk, *rivals.values()], label, dataset.patient, rounds=rounds)
    told = {}
    for place, (name, score) in enumerate(rivals.items(), start=1):
        theirs = auroc(score, label)
        low, high = interval(drawn[:, 0] - drawn[:, place])
        told[name] = {
            "auroc": theirs,
            "auroc_at_pickup": auroc(score[at_pickup], label[at_pickup]),
            "ahead": auroc(risk, label) - theirs,
            "ahead_low": low,
            "ahead_high": high,
        }
    return told


def _limit(risk: NDArray[np.float64], rows: TestRows, at_pickup: NDArray[np.bool_]) -> dict[str, float] | None:
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


def _segments(
    risk: NDArray[np.float64], rows: TestRows, champion: NDArray[np.float64] | None, rounds: int
) -> dict[str, dict[str, float]]:
    told = {}
    for name, chosen in _segment_rows(rows):
        label = rows.dataset.label[chosen]
        if len(label) < _LEAST_SEGMENT or label.min() == label.max():
            continue
        drawn = auroc_draws([risk[chosen]], label, rows.dataset.patient[chosen], rounds=rounds)
        low, high = interval(drawn[:, 0])
        figures = {
            "n": float(len(label)),
            "prevalence": float(label.mean()),
            "mean_risk": float(risk[chosen].mean()),
            "auroc": auroc(risk[chosen], label),
            "auroc_low": low,
            "auroc_high": high,
        }
        if champion is not None:
            figures["champion_auroc"] = auroc(champion[chosen], label)
        told[name] = figures
    return told


def _segment_rows(rows: TestRows) -> list[tuple[str, NDArray[np.bool_]]]:
    found = []
    for feature, words in _BANDS.items():
        values = rows.features[:, INDEX[feature]]
        for value in np.unique(values[~np.isnan(values)]):
            word = words.get(int(value), str(int(value)))
            found.append((f"{feature}: {word}", values == value))
    for place, word in enumerate(LANDMARKS):
        found.append((f"landmark: {word}", rows.dataset.landmark == place))
    size = rows.features[:, INDEX["fac_tx_curr"]]
    for word, chosen in (
        ("under 500", size < 500),
        ("500 to 1999", (size >= 500) & (size < 2000)),
        ("2000 or more", size >= 2000),
    ):
        found.append((f"facility size: {word}", chosen))
    return found
