"""Training: the same seed and data give the same bits.

Trees are grown on early rows, their number is set by later ones, then as many are grown on both; rows later still
calibrate them.
All features go in as numbers, also coded answers: places in a table of answers, which trees cut as they need.
"""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version as library_version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from iit.features.registry import FEATURE_NAMES, FEATURE_SET_VERSION
from iit.model import calibrate, scorecard
from iit.model.bands import days_in_force, limits_of
from iit.model.baselines import SingleFeature, single_feature
from iit.model.booster import lightgbm as load_lightgbm
from iit.model.calibrate import Calibrator
from iit.model.contributions import raw_scores
from iit.model.dataset import Dataset, evenly
from iit.model.logistic import fit_logistic
from iit.model.metrics import auroc
from iit.model.scorecard import Scorecard
from iit.model.split import Split
from iit.model.trees import Trees

if TYPE_CHECKING:
    import lightgbm

Progress = Callable[[str, int, int], None]

ROUNDS: Final = 600
_PATIENCE: Final = 30  # trees without a gain on the late rows
PARAMETERS: Final[Mapping[str, Any]] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "num_leaves": 15,
    "learning_rate": 0.03,
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

    booster: "lightgbm.Booster"
    calibrator: Calibrator
    scorecard: Scorecard
    bands: dict[str, float]
    single: SingleFeature

    def risk(self, features: NDArray[np.float32], *, threads: int) -> NDArray[np.float64]:
        """Return calibrated risks of (n, 98) features."""
        raw = np.asarray(self.booster.predict(features, raw_score=True, num_threads=threads), np.float64)
        return self.calibrator.apply(raw)


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
    return _completed(booster, dataset, features, split, threads)


def adopt(
    model_text: str, dataset: Dataset, features: NDArray[np.float32], split: Split, *, threads: int = 2
) -> Trained:
    """Give trees that were grown elsewhere all that a bundle needs beside them, from our rows.

    Args:
        model_text: LightGBM's, proven, of our features.
        dataset: r rows.
        features: (r, 98).
        split: which rows do what.
        threads: for scoring.
    """
    return _completed(load_lightgbm().Booster(model_str=model_text), dataset, features, split, threads)


def _completed(
    booster: "lightgbm.Booster", dataset: Dataset, features: NDArray[np.float32], split: Split, threads: int
) -> Trained:
    raw = np.asarray(booster.predict(features[split.calibrate], raw_score=True, num_threads=threads), np.float64)
    told = dataset.take(split.calibrate)
    calibrator = calibrate.fit(raw, told.label, told.as_of)
    few = _evenly(split.early | split.late, _MOST_FOR_BASELINES)
    card = fit_scorecard(features[few], dataset.label[few])
    single = _best_single(features[few], dataset.label[few])
    bands = limits_of(calibrator.apply(raw), days_in_force(told))
    return Trained(booster, calibrator, card, bands, single)


def _grow(
    dataset: Dataset,
    features: NDArray[np.float32],
    split: Split,
    parameters: Mapping[str, Any],
    progress: Progress | None,
) -> "lightgbm.Booster":
    """Return the booster of all training rows, with as many trees as serve the late ones best."""
    library = load_lightgbm()

    def rows(chosen: NDArray[np.bool_], reference: "lightgbm.Dataset | None" = None) -> "lightgbm.Dataset":
        return library.Dataset(
            features[chosen], dataset.label[chosen], reference=reference, feature_name=list(FEATURE_NAMES)
        )

    early = rows(split.early)
    tried = library.train(
        dict(parameters),
        early,
        num_boost_round=ROUNDS,
        valid_sets=[rows(split.late, early)],
        callbacks=[
            library.early_stopping(_PATIENCE, verbose=False),
            _telling(progress, "finding the number of trees", ROUNDS),
        ],
    )
    best = int(tried.best_iteration)
    return library.train(
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
    return places[evenly(len(places), most)]


def fit_scorecard(features: NDArray[np.float32], label: NDArray[np.int64]) -> Scorecard:
    """Return the table of points fitted to (n, 98) features and their labels."""
    edges = scorecard.bin_edges(features)
    bins = scorecard.indicators(features, edges).astype(np.float64)
    weights = fit_logistic(np.column_stack((bins, np.ones(len(bins)))), label, ridge=1.0)
    return scorecard.from_weights(edges, weights[:-1], float(weights[-1]))


def _best_single(features: NDArray[np.float32], label: NDArray[np.int64]) -> SingleFeature:
    """Return the feature that ranks best alone; unknown values rank in the middle."""
    scores = [auroc(single_feature(features, place, 1).score(features), label) for place in range(features.shape[1])]
    best = int(np.argmax([abs(score - 0.5) for score in scores]))
    return single_feature(features, best, 1 if scores[best] >= 0.5 else -1)


def manifest_of(trained: Trained, *, version: str, features: NDArray[np.float32]) -> dict[str, Any]:
    """Return the numbers of a bundle that come from training itself.

    Args:
        trained: the model.
        version: its name.
        features: rows it was trained on, for the self-test and the shares of unknown values.
    """
    cases = features[np.linspace(0, len(features) - 1, 8).astype(np.int64)]
    raw = raw_scores(Trees.from_model_text(trained.booster.model_to_string()), cases)
    return {
        "version": version,
        "feature_set_version": FEATURE_SET_VERSION,
        "features": list(FEATURE_NAMES),
        "calibrator": trained.calibrator.as_dict(),
        "scorecard": trained.scorecard.as_dict(),
        "bands": trained.bands,
        "single_feature": trained.single.as_dict(),
        "n_trees": trained.booster.num_trees(),
        "parameters": dict(PARAMETERS),
        "unknown": dict(zip(FEATURE_NAMES, np.isnan(features).mean(axis=0).tolist(), strict=True)),
        "self_test": {
            "features": [[None if np.isnan(value) else float(value) for value in row] for row in cases],
            "risks": trained.calibrator.apply(raw).tolist(),
        },
        "libraries": {
            "python": platform.python_version(),
            **{name: library_version(name) for name in ("lightgbm", "numpy", "numba")},
        },
    }
