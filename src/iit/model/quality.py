"""How good the data of a facility are: complete, plausible, recorded rather than guessed, and told in time."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iit.domain.interruption import GRACE_DAYS, DaysSource
from iit.features.context import FacilityContext
from iit.features.registry import FEATURE_NAMES, INDEX

_LEAST_KNOWN: Final = 0.05  # features that hardly anybody had tell nothing of completeness
QUALITY_LOSS: Final = 0.15  # of the score of 0 to 1: one of the four parts more than half lost
LEAST_ROWS: Final = 20  # patients on a list, to speak of a facility


class Quality(NamedTuple):
    """Four shares from 0 to 1, NaN where nobody is on the facility's list, and how many are."""

    completeness: float
    plausibility: float
    recorded: float
    timeliness: float
    n: int

    @property
    def score(self) -> float:
        """The mean of the shares that are known, 0 to 1."""
        return float(np.nanmean(self[:4]))


def bounds_of(features: NDArray[np.float32]) -> dict[str, list[float] | None]:
    """Return for each feature the share known and the range beyond which a value is not plausible, None if unknown.

    The range is that seen, widened by its own width on either side: a world may move on, but not by so much.
    """
    told: dict[str, list[float] | None] = {}
    for place, name in enumerate(FEATURE_NAMES):
        values = features[:, place]
        known = values[~np.isnan(values)]
        if not len(known):
            told[name] = None
            continue
        low, high = float(known.min()), float(known.max())
        width = max(high - low, 1.0)
        told[name] = [len(known) / len(values), low - width, high + width]
    return told


def quality_of(
    features: NDArray[np.float32], bounds: Mapping[str, Any], context: FacilityContext, as_of: int
) -> Quality:
    """Return the quality of a facility's data.

    Args:
        features: (n, 98) of its patients on a day's list.
        bounds: from `bounds_of`, of all facilities at the time of reference.
        context: tells when it last told anything and how late it does.
        as_of: day of the list.
    """
    timeliness = 1 - min(_days_late(context, as_of), GRACE_DAYS) / GRACE_DAYS
    if not len(features):
        return Quality(float("nan"), float("nan"), float("nan"), timeliness, 0)
    used = [place for place, name in enumerate(FEATURE_NAMES) if (bounds[name] or [0.0])[0] >= _LEAST_KNOWN]
    share, low, high = np.array([bounds[FEATURE_NAMES[place]] for place in used], np.float64).T
    values = features[:, used]
    known = ~np.isnan(values)
    odd = known & ((values < low) | (values > high))
    source = features[:, INDEX["days_supply_source"]]
    return Quality(
        float(np.minimum(known.mean(axis=0) / share, 1).mean()),
        float(1 - odd.sum() / max(int(known.sum()), 1)),
        float((source < DaysSource.APPOINTMENT).mean()),
        timeliness,
        len(features),
    )


def _days_late(context: FacilityContext, as_of: int) -> int:
    """Return how late a facility tells: its usual lag, or the days since it told anything, if those are more."""
    told = int(np.searchsorted(context.known_days, as_of + 1))
    silent = as_of - int(context.known_days[told - 1]) if told else GRACE_DAYS
    return max(silent, context.reporting_lag_days)
