"""Training: trees on early rows, stopped by later ones, calibrated on later still. Same seed and data, same bits."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as library_version
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

from iit.features.registry import FEATURE_NAMES, FEATURE_SET_VERSION
from iit.model import calibrate, scorecard
from iit.model.calibrate import Calibrator
from iit.model.dataset import Dataset
from iit.model.logistic import fit_logistic, sigmoid
from iit.model.metrics import auroc
from iit.model.scorecard import Scorecard
from iit.model.split import Split

Progress = Callable[[str, int, int], None]

ROUNDS: Final = 300
PARAMETERS: Final[Mapping[str, Any]] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "num_leaves": 31,
    "learning_rate": 0.05,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 255,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
"""No class weights: they would make every probability mean something else."""

HIGH_CAPACITY: Final = 0.10  # share of landmarks a programme can call: the band `high`
MEDIUM_CAPACITY: Final = 0.25  # and can remind: `medium` and `high` together


@dataclass(frozen=True, repr=False)
class Trained:
    """What training made."""

    booster: lightgbm.Booster
    calibrator: Calibrator
    scorecard: Scorecard
    bands: dict[str, float]
    single_feature: int
    single_direction: int


def train(
    dataset: Dataset,
    features: NDArray[np.float32],
    split: Split,
    *,
    seed: int = 1,
    threads: int = 2,
    progress: Progress | None = None,
) -> Trained:
    """Train a model.

    Args:
        dataset: r rows.
        features: (r, 98).
        split: which rows do what.
        seed: of everything drawn by chance.
        threads: for LightGBM; the result does not depend on it.
        progress: is told (stage, done, of).
    """
    booster = _grow(dataset, features, split, seed, threads, progress)
    raw = np.asarray(booster.predict(features[split.calibrate], raw_score=True, num_threads=threads), np.float64)
    calibrator = calibrate.fit(raw, dataset.label[split.calibrate], dataset.as_of[split.calibrate])
    train_rows = split.early | split.late
    card = _fit_scorecard(features[train_rows], dataset.label[train_rows])
    single, direction = _best_single(features[train_rows], dataset.label[train_rows])
    risks = calibrator.apply(raw)
    bands = {
        "medium": float(np.quantile(risks, 1 - MEDIUM_CAPACITY)),
        "high": float(np.quantile(risks, 1 - HIGH_CAPACITY)),
    }
    return Trained(booster, calibrator, card, bands, single, direction)


def _grow(
    dataset: Dataset,
    features: NDArray[np.float32],
    split: Split,
    seed: int,
    threads: int,
    progress: Progress | None,
) -> lightgbm.Booster:
    parameters = {**PARAMETERS, "seed": seed, "num_threads": threads}
    names = list(FEATURE_NAMES)
    early = lightgbm.Dataset(features[split.early], dataset.label[split.early], feature_name=names)
    late = lightgbm.Dataset(features[split.late], dataset.label[split.late], reference=early)

    def tell(environment: Any) -> None:
        if progress is not None:
            progress("growing trees", environment.iteration + 1, ROUNDS)

    return lightgbm.train(
        parameters,
        early,
        num_boost_round=ROUNDS,
        valid_sets=[late],
        callbacks=[lightgbm.early_stopping(30, verbose=False), tell],
    )


def _fit_scorecard(features: NDArray[np.float32], label: NDArray[np.int64]) -> Scorecard:
    edges = scorecard.bin_edges(features)
    bins = scorecard.indicators(features, edges).astype(np.float64)
    weights = fit_logistic(np.column_stack((bins, np.ones(len(bins)))), label, ridge=1.0)
    return scorecard.from_weights(edges, weights[:-1], float(weights[-1]))


def _best_single(features: NDArray[np.float32], label: NDArray[np.int64]) -> tuple[int, int]:
    """Return the feature that ranks best alone, and 1 or -1 for its direction; unknown values rank in the middle."""
    scores = [auroc(single_score(features, place, 1), label) for place in range(features.shape[1])]
    best = int(np.argmax([abs(score - 0.5) for score in scores]))
    return best, 1 if scores[best] >= 0.5 else -1


def single_score(features: NDArray[np.float32], place: int, direction: int) -> NDArray[np.float64]:
    """Return a score from one feature; an unknown value counts as the median."""
    values = features[:, place].astype(np.float64)
    known = values[~np.isnan(values)]
    filled = np.where(np.isnan(values), np.median(known) if len(known) else 0.0, values)
    return direction * filled


def logistic_baseline(
    features: NDArray[np.float32], label: NDArray[np.int64], test: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the risks of a logistic regression over all standardised features with flags for unknown values."""
    middle = np.nan_to_num(np.nanmedian(np.where(np.isnan(features).all(0), 0, features), axis=0))
    spread = np.nanstd(np.where(np.isnan(features), middle, features), axis=0)
    spread[spread == 0] = 1

    def design(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        unknown = np.isnan(matrix)
        scaled = np.clip((np.where(unknown, middle, matrix) - middle) / spread, -5, 5)
        return np.hstack((scaled, unknown, np.ones((len(matrix), 1)))).astype(np.float64)

    return sigmoid(design(test) @ fit_logistic(design(features), label, ridge=10.0))


def reference_distributions(features: NDArray[np.float32], names: Sequence[str]) -> dict[str, Any]:
    """Return for each feature the decile edges, the share of rows in each part, and the unknown share (for PSI)."""
    told = {}
    for place, name in enumerate(names):
        values = features[:, place]
        known = values[~np.isnan(values)].astype(np.float64)
        edges = np.unique(np.quantile(known, np.arange(1, 10) / 10)) if len(known) else np.empty(0)
        counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
        told[name] = {
            "edges": edges.tolist(),
            "shares": (counts / max(len(known), 1)).tolist(),
            "unknown": float(1 - len(known) / max(len(values), 1)),
        }
    return told


def manifest_of(trained: Trained, *, version: str, features: NDArray[np.float32]) -> dict[str, Any]:
    """Return the numbers of a bundle that come from training itself.

    Args:
        trained: the model.
        version: its name.
        features: rows it was trained on, for reference distributions and self-test.
    """
    cases = features[np.linspace(0, len(features) - 1, 8).astype(np.int64)]
    raw = np.asarray(trained.booster.predict(cases, raw_score=True, num_threads=1), np.float64)
    return {
        "version": version,
        "feature_set_version": FEATURE_SET_VERSION,
        "features": list(FEATURE_NAMES),
        "calibrator": trained.calibrator.as_dict(),
        "scorecard": trained.scorecard.as_dict(),
        "bands": trained.bands,
        "single_feature": FEATURE_NAMES[trained.single_feature],
        "n_trees": trained.booster.num_trees(),
        "parameters": dict(PARAMETERS),
        "reference": reference_distributions(features, FEATURE_NAMES),
        "self_test": {
            "features": [[None if np.isnan(value) else float(value) for value in row] for row in cases],
            "risks": trained.calibrator.apply(raw).tolist(),
        },
        "libraries": {
            "python": platform.python_version(),
            **{name: library_version(name) for name in ("lightgbm", "numpy", "numba")},
        },
    }
