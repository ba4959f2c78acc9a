"""The learning curve: how good a model gets with how many patients, judged on the same test rows."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import InvalidInput
from iit.model.dataset import Dataset
from iit.model.evaluate import ROUNDS
from iit.model.ranking import GROUP_FIGURES, Order, draws, interval
from iit.model.split import Split
from iit.model.train import train

Floats = NDArray[np.float64]
Grow = Callable[[Split], Callable[[NDArray[np.float32]], Floats]]

SHARES: Final = (0.125, 0.25, 0.5)
_LEAST_POSITIVES: Final = 50
_FIGURES: Final = ("auroc", "auprc", "brier")


def training_of(dataset: Dataset, features: NDArray[np.float32], *, seed: int, threads: int) -> Grow:
    """Return how to train on parts of r rows: what `learning_curve` asks for.

    Args:
        dataset: r rows.
        features: (r, 98).
        seed: of everything drawn by chance.
        threads: for growing trees.
    """

    def grow(parts: Split) -> Callable[[NDArray[np.float32]], Floats]:
        trained = train(dataset, features, parts, seed=seed, threads=threads)
        return partial(trained.risk, threads=threads)

    return grow


def learning_curve(
    dataset: Dataset, features: NDArray[np.float32], parts: Split, *, grow: Grow, whole: Floats, seed: int
) -> list[dict[str, float]]:
    """Return a point for each share of the training patients, the whole last.

    Args:
        dataset: r rows.
        features: (r, 98).
        parts: what the rows do; of training and calibration, a share of the patients is taken. Each share holds the
            smaller ones.
        grow: trains on such parts and returns what gives risks of (n, 98) features.
        whole: risks of the test rows by the model of all patients.
        seed: of the order in which patients come.

    Raises:
        InvalidInput: even the largest share is too small to learn from.
    """
    rank = _shuffled(dataset, parts, seed)
    grown = parts.early | parts.late
    scores, points = [], []
    for share in SHARES:
        within = rank < share
        if int(dataset.label[parts.late & within].sum()) < _LEAST_POSITIVES:
            continue
        fewer = replace(parts, early=parts.early & within, late=parts.late & within, calibrate=parts.calibrate & within)
        scores.append(grow(fewer)(features[parts.test]))
        points.append(_size(dataset, grown & within, share))
    if not points:
        raise InvalidInput("too few records for a learning curve", place="training data")
    tested = dataset.take(parts.test)
    return _judged([*points, _size(dataset, grown, 1.0)], [*scores, whole], tested)


def _shuffled(dataset: Dataset, parts: Split, seed: int) -> Floats:
    """Return (r,) places of the rows' patients in an order by chance, from 0 to 1 over those that train."""
    patients = np.unique(dataset.patient[parts.early | parts.late | parts.calibrate])
    place = np.full(int(dataset.patient.max()) + 1, np.inf)
    place[patients] = np.random.default_rng(seed).permutation(len(patients)) / len(patients)
    rank: Floats = place[dataset.patient]
    return rank


def _size(dataset: Dataset, chosen: NDArray[np.bool_], share: float) -> dict[str, float]:
    return {
        "share": share,
        "n_patients": float(len(np.unique(dataset.patient[chosen]))),
        "n_landmarks": float(chosen.sum()),
    }


def _judged(points: list[dict[str, float]], scores: list[Floats], tested: Dataset) -> list[dict[str, float]]:
    orders = [Order(score, tested.label) for score in scores]
    weighings = [np.ones(len(tested), np.uint8), *draws(tested.patient, rounds=ROUNDS, seed=1)]
    measured = np.array([[order.measure(weights)[0] for order in orders] for weights in weighings])
    for place, point in enumerate(points):
        for figure in _FIGURES:
            values = measured[:, place, GROUP_FIGURES.index(figure)]
            low, high = interval(values[1:])
            point |= {figure: float(values[0]), f"{figure}_low": low, f"{figure}_high": high}
    return points
