"""Bands of risk, set by how many patients a programme can follow up on a day."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain.interruption import GRACE_DAYS
from iit.domain.landmarks import LANDMARK_OFFSETS
from iit.model.dataset import Dataset

HIGH_SHARE: Final = 0.10  # of the patients of a day: those a programme can call
MEDIUM_SHARE: Final = 0.15  # the next ones: those it can remind


def days_in_force(dataset: Dataset) -> NDArray[np.int64]:
    """Return for how many days each row's score stands, at least 1: until the next landmark, the return or the end.

    Landmarks crowd around the expected day, but a list holds the patients of one day, most of them far from it. Weighed
    by these days, landmarks stand for the days of service.
    """
    last = dataset.expected + GRACE_DAYS + 1
    until = np.where(dataset.label == 0, np.minimum(dataset.resolved, last), last)
    for offset in LANDMARK_OFFSETS[::-1]:
        following = dataset.expected + offset
        until = np.where(following > dataset.as_of, np.minimum(until, following), until)
    days: NDArray[np.int64] = np.maximum(until - dataset.as_of, 1)
    return days


def limits_of(
    risk: NDArray[np.float64],
    days: NDArray[np.int64],
    *,
    high: float = HIGH_SHARE,
    medium: float = MEDIUM_SHARE,
) -> dict[str, float]:
    """Return the lowest risk of the bands `high` and `medium`.

    Args:
        risk: (n,) calibrated risks of rows that trained nothing.
        days: (n,) what each row weighs, see `days_in_force`.
        high: share of patients that are to be in the band `high`, 0 to 1.
        medium: share that are to be in the band `medium`.
    """
    order = np.argsort(-risk, kind="stable")
    share = np.cumsum(days[order]) / days.sum()
    at_high, at_medium = (
        float(risk[order[min(int(np.searchsorted(share, part)), len(order) - 1)]]) for part in (high, high + medium)
    )
    return {"medium": at_medium, "high": at_high}
