"""The world as it was when a model was made, taken as it will be seen in service: from lists of days.

Training rows lie on landmarks, a list holds everyone at risk on one day; their features differ without any change of
the world. So the lists of the last weeks before the training are made anew, as they would have been on each day.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from iit.features.columns import Columns
from iit.features.context import Contexts
from iit.features.registry import FEATURE_NAMES
from iit.features.vector import matrix
from iit.model.dataset import evenly
from iit.model.drift import distribution
from iit.model.estimate import expected_performance
from iit.model.lists import ListRows, lists_of
from iit.model.outcomes import judge
from iit.model.quality import LEAST_ROWS, bounds_of, quality_of

LIST_DAYS: Final = tuple(range(0, 85, 6))  # days before the training: 15 lists, every weekday twice
LABEL_DAYS: Final = tuple(range(30, 391, 30))  # older ones, since labels ripen: a year of seasons
DUE_PARTS: Final = (-28, -21, -14, -7, 0, 7, 14, 28, 56, 84, 112)  # lowest days to expected of parts after the first
_MOST_PATIENTS: Final = 20_000


@dataclass(frozen=True, repr=False)
class Surroundings:
    """All records with their facilities.

    Attributes:
        columns: of m patients.
        facility: (m,) int32 place of each patient's facility.
        contexts: of f facilities.
        names: f codes.
    """

    columns: Columns
    facility: NDArray[np.int32]
    contexts: Contexts
    names: Sequence[str]

    def features(self, rows: ListRows) -> NDArray[np.float32]:
        """Return the (r, 98) features of rows of lists."""
        return matrix(self.columns, self.facility, rows.patient, rows.on.astype(np.int32), self.contexts)


def reference_of(
    world: Surroundings,
    risk_of: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    *,
    as_of: int,
    high: float,
) -> dict[str, Any]:
    """Return what a bundle keeps for comparison: plain numbers, none of a patient.

    Args:
        world: the records the model was trained on.
        risk_of: calibrated risks of (r, 98) features.
        as_of: last day of the training's knowledge.
        high: lowest risk of the band `high`.
    """
    everybody = np.arange(world.columns.n_patients, dtype=np.int64)
    patients = everybody[evenly(len(everybody), _MOST_PATIENTS)]
    rows = lists_of(world.columns, patients, [as_of - back for back in LIST_DAYS])
    if not len(rows.patient):
        return {"as_of": as_of, "n_patients": 0}
    features = world.features(rows)
    risk = risk_of(features)
    bounds = bounds_of(features)
    return {
        "as_of": as_of,
        "n_patients": len(np.unique(rows.patient)),
        "n_facilities": len(np.unique(world.facility[rows.patient])),
        "features": {name: distribution(features[:, place]) for place, name in enumerate(FEATURE_NAMES)},
        "risk": distribution(risk),
        "expected": expected_performance(risk, high),
        "labels": _labels(world, patients, as_of),
        "bounds": bounds,
        "quality": _quality(world, rows, features, bounds, as_of),
    }


def parts_of(days_to_expected: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the part of `DUE_PARTS` of each row: how often a list's row ends in an interruption depends on it most."""
    return np.searchsorted(DUE_PARTS, days_to_expected, side="right")


def _labels(world: Surroundings, patients: NDArray[np.int64], as_of: int) -> dict[str, list[int]]:
    """Return how many rows of older lists there are in each part by days to the expected contact, and interrupted."""
    rows = lists_of(world.columns, patients, [as_of - back for back in LABEL_DAYS])
    place = world.facility
    found = judge(
        world.columns,
        world.contexts.last_known_day[place].astype(np.int64),
        world.contexts.reporting_lag_days[place].astype(np.int64),
        rows.patient,
        rows.on,
        as_of=as_of,
    )
    part = parts_of(rows.days_to_expected)[found.evaluable]
    size = len(DUE_PARTS) + 1
    return {
        "n": np.bincount(part, minlength=size).tolist(),
        "interrupted": np.bincount(part[found.label[found.evaluable] == 1], minlength=size).tolist(),
    }


def _quality(
    world: Surroundings, rows: ListRows, features: NDArray[np.float32], bounds: dict[str, Any], as_of: int
) -> dict[str, list[float]]:
    """Return (score, rows) of each facility with enough patients on the lists, as of the last day."""
    told = {}
    place = world.facility[rows.patient]
    for number, name in enumerate(world.names):
        own = place == number
        if own.sum() >= LEAST_ROWS:
            quality = quality_of(features[own], bounds, world.contexts.facility(number), as_of)
            told[name] = [quality.score, float(quality.n)]
    return told
