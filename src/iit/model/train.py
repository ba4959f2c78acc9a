"""Training: the same seed and data give the same bits.

Trees are grown on early rows, their number is set by later ones, then as many are grown on both; rows later still
calibrate them.
All features go in as numbers, also coded answers: places in a table of answers, which trees cut as they need.
"""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version as library_version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from iit.features.registry import FEATURE_NAMES, FEATURE_SET_VERSION
from iit.model import calibrate, scorecard
from iit.model.bands import days_in_force, limits_of
from iit.model.booster import lightgbm
from iit.model.calibrate import Calibrator
from iit.model.dataset import Dataset
from iit.model.logistic import fit_logistic, sigmoid
from iit.model.metrics import auroc
from iit.model.scorecard import Scorecard
from iit.model.split import Split

Progress = Callable[[str, int, int], None]

ROUNDS: Final = 300
_PATIENCE: Final = 30  # trees without a gain on the late rows
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

_MOST_FOR_BASELINES: Final = 200_000  # rows: a scorecard of 70 numbers learns nothing from more


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
        threads: for LightGBM; the result does not depend on it (`deterministic`).
        progress: is told (stage, done, of).
    """
    booster = _grow(dataset, features, split, {**PARAMETERS, "seed": seed, "num_threads": threads}, progress)
    raw = np.asarray(booster.predict(features[split.calibrate], raw_score=True, num_threads=threads), np.float64)
    told = dataset.take(split.calibrate)
    calibrator = calibrate.fit(raw, told.label, told.as_of)
    few = _evenly(split.early | split.late, _MOST_FOR_BASELINES)
    card = _fit_scorecard(features[few], dataset.label[few])
    single, direction = _best_single(features[few], dataset.label[few])
    bands = limits_of(calibrator.apply(raw), days_in_force(told))
    return Trained(booster, calibrator, card, bands, single, direction)


def _grow(
    dataset: Dataset,
    features: NDArray[np.float32],
    split: Split,
    parameters: Mapping[str, Any],
    progress: Progress | None,
) -> lightgbm.Booster:
    """Return the booster of all training rows, with as many trees as serve the late ones best."""

    def rows(chosen: NDArray[np.bool_], reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
        return lightgbm.Dataset(
            features[chosen], dataset.label[chosen], reference=reference, feature_name=list(FEATURE_NAMES)
        )

    early = rows(split.early)
    tried = lightgbm.train(
        dict(parameters),
        early,
        num_boost_round=ROUNDS,
        valid_sets=[rows(split.late, early)],
        callbacks=[
            lightgbm.early_stopping(_PATIENCE, verbose=False),
            _telling(progress, "finding the number of trees", ROUNDS),
        ],
    )
    best = int(tried.best_iteration)
    return lightgbm.train(
        dict(parameters),
        rows(split.early | split.late),
        num_boost_round=best,
        callbacks=[_telling(progress, "growing trees", best)],
    )


def _telling(progress: Progress | None, stage: str, of: int) -> Callable[[Any], None]:
    def tell(environment: Any) -> None:
        if progress is not None:
            progress(stage, environment.iteration + 1, of)

    return tell


def _evenly(chosen: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """Return the places of chosen rows, at most `most` of them at even distances."""
    places = np.flatnonzero(chosen)
    return places[:: -(-len(places) // most)] if len(places) > most else places


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
    few = _evenly(np.ones(len(label), np.bool_), _MOST_FOR_BASELINES)
    features, label = features[few], label[few]
    middle = np.nan_to_num(np.nanmedian(np.where(np.isnan(features).all(0), 0, features), axis=0))
    spread = np.nanstd(np.where(np.isnan(features), middle, features), axis=0)
    spread[spread == 0] = 1

    def design(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        unknown = np.isnan(matrix)
        scaled = np.clip((np.where(unknown, middle, matrix) - middle) / spread, -5, 5)
        return np.hstack((scaled, unknown, np.ones((len(matrix), 1)))).astype(np.float64)

    weights = fit_logistic(design(features), label, ridge=10.0)
    return np.concatenate([sigmoid(design(part) @ weights) for part in np.array_split(test, 1 + len(test) // 100_000)])


def manifest_of(trained: Trained, *, version: str, features: NDArray[np.float32]) -> dict[str, Any]:
    """Return the numbers of a bundle that come from training itself.

    Args:
        trained: the model.
        version: its name.
        features: rows it was trained on, for the self-test.
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
        "self_test": {
            "features": [[None if np.isnan(value) else float(value) for value in row] for row in cases],
            "risks": trained.calibrator.apply(raw).tolist(),
        },
        "libraries": {
            "python": platform.python_version(),
            **{name: library_version(name) for name in ("lightgbm", "numpy", "numba")},
        },
    }
