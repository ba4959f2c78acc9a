"""What a facility's patients do together, told strictly after the fact.

A month's figures are those known before its first day. A row of them serves every prediction day of that month, so a
vector never holds what happened at the facility in its own month. A facility's most common town and its level are
those of today: the sources date neither.
"""

import math
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.features import calendar, facility_history
from iit.features.columns import Columns
from iit.features.facility_context import Contexts, FacilityContext, joined, offsets_of

__all__ = ["Contexts", "FacilityContext", "build_contexts", "shrunk"]

_CITY: Final = 63  # Kind.CITY
_PRIOR_BOUNDS: Final = (20.0, 1000.0)  # cycles that the general rate weighs as many as, at least and at most
_DAY_BITS: Final = 21  # a pick-up's facility, expected day and known day sort as one number
_DAY_ZERO: Final = 1 << 20


def shrunk(interrupted: NDArray[np.float64], resolved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return facilities' interruption rates drawn toward the general rate (empirical Bayes, beta-binomial).

    The prior weighs as many cycles as the spread between facilities tells, by moments (the spread of binomial rates
    about their pooled mean, less what chance alone makes of it), bounded to 20 to 1000.

    Args:
        interrupted: (f,) interruptions of a month row.
        resolved: (f,) cycles they are of.

    Returns:
        (f,) rates; the general rate where a facility has no cycle, NaN where nobody has.
    """
    total = resolved.sum()
    if total == 0:
        return np.full(len(resolved), np.nan)
    rate = interrupted.sum() / total
    own = np.divide(interrupted, resolved, out=np.full(len(resolved), rate), where=resolved > 0)
    chance = rate * (1 - rate)
    others = np.count_nonzero(resolved) - 1
    room = total - (resolved**2).sum() / total - others
    between = ((resolved * (own - rate) ** 2).sum() - others * chance) / room if room > 0 else 0.0
    weight = chance / between - 1 if between > 0 else _PRIOR_BOUNDS[1]
    weight = float(np.clip(weight, *_PRIOR_BOUNDS))
    rates: NDArray[np.float64] = (interrupted + weight * rate) / (resolved + weight)
    return rates


def build_contexts(
    columns: Columns,
    facility: NDArray[np.int32],
    n_facilities: int,
    *,
    policy: int = 0,
    levels: NDArray[np.float32] | None = None,
) -> Contexts:
    """Return the contexts of all facilities from their patients' records.

    Args:
        columns: records of m patients.
        facility: (m,) int32, place of each patient's facility, -1 for none.
        n_facilities: how many facilities there are.
        policy: an `ExpectedPolicy`.
        levels: (f,) level of each, NaN unknown.
    """
    facility = np.ascontiguousarray(facility, np.int32)
    known_days, lags = _survey(columns, facility, n_facilities)
    told = np.maximum(columns.day, columns.known)
    month_days, first_month = _months(columns, told)
    sums = np.zeros((n_facilities, len(month_days), 5))
    pairs = np.empty((np.count_nonzero(columns.kind == 1), 3), np.int64)
    count = facility_history.follow_all(
        int(policy), columns.offsets, (columns.day, columns.kind, columns.value), told, facility,
        joined(known_days), offsets_of([len(days) for days in known_days]), month_days, sums, pairs,
    )  # fmt: skip
    months = _figures(sums)
    expected = _sorted_pairs(pairs[:count], n_facilities)
    homes = _home_cities(columns, facility, n_facilities)
    return Contexts.of(
        [
            FacilityContext(
                first_month,
                months[place],
                known_days[place],
                *expected[place],
                int(homes[place]),
                float("nan") if levels is None else float(levels[place]),
                lags[place],
            )
            for place in range(n_facilities)
        ]
    )


def _survey(
    columns: Columns, facility: NDArray[np.int32], n_facilities: int
) -> tuple[list[NDArray[np.int32]], list[int]]:
    """Return each facility's days of news, ascending, and how many days late its pick-ups are told."""
    first, last = (int(columns.known.min()), int(columns.known.max())) if len(columns.known) else (0, 0)
    seen = np.zeros((n_facilities, last - first + 1), np.bool_)
    latest = np.full(n_facilities, -(2**31), np.int64)
    facts = columns.offsets, columns.day, columns.known, columns.kind, facility
    facility_history.survey_all(*facts, first, seen, latest)
    lags = np.zeros((n_facilities, facility_history.LONGEST_LAG + 1), np.int64)
    facility_history.count_all_lags(*facts, latest, lags)
    known_days = [(np.flatnonzero(row) + first).astype(np.int32) for row in seen]
    return known_days, [_percentile_95(row) for row in lags]


def _percentile_95(counts: NDArray[np.int64]) -> int:
    """Return the 95th percentile, rounded up to a value that occurs, of values counted by size; 0 of none."""
    total = int(counts.sum())
    if total == 0:
        return 0
    return int(np.searchsorted(np.cumsum(counts), math.ceil(0.95 * (total - 1)) + 1))


def _months(columns: Columns, told: NDArray[np.int32]) -> tuple[NDArray[np.int64], int]:
    """Return the first days of months, from the first with a known pick-up to the one after the last news; the first.

    A fact that lies ahead makes no month before its time has come.
    """
    pickups = told[(columns.kind == 1) & (columns.day <= columns.known)]
    if not len(pickups):
        return np.empty(0, np.int64), 0
    first = calendar.month_index(int(pickups.min()))
    last = calendar.month_index(int(columns.known.max())) + 1
    start = np.datetime64("1970-01", "M") + (first - 1970 * 12)
    days = (start + np.arange(last - first + 1)).astype("datetime64[D]").astype(np.int64)
    return days, first


def _figures(sums: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (f, months, 3): shrunk interruption rate, mean days late, patients on treatment."""
    months = np.full((*sums.shape[:2], 3), np.nan, np.float32)
    for m in range(sums.shape[1]):
        months[:, m, 0] = shrunk(sums[:, m, facility_history.INTERRUPTED], sums[:, m, facility_history.RESOLVED])
    returns, days_late = sums[..., facility_history.RETURNS], sums[..., facility_history.DAYS_LATE]
    np.divide(days_late, returns, out=months[..., 1], where=returns > 0, casting="same_kind")
    months[..., 2] = sums[..., facility_history.ON_TREATMENT]
    return months


def _sorted_pairs(pairs: NDArray[np.int64], n_facilities: int) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Return each facility's (expected days, known days), ascending by the first, then the second."""
    place, expected, known = pairs.T
    keys = np.sort(((place << _DAY_BITS | (expected + _DAY_ZERO)) << _DAY_BITS) | (known + _DAY_ZERO))
    low = (1 << _DAY_BITS) - 1
    days = ((keys >> _DAY_BITS) & low).astype(np.int32) - _DAY_ZERO, (keys & low).astype(np.int32) - _DAY_ZERO
    ends = np.searchsorted(keys >> (2 * _DAY_BITS), np.arange(n_facilities + 1))
    return [(days[0][a:b], days[1][a:b]) for a, b in pairwise(ends)]


def _home_cities(columns: Columns, facility: NDArray[np.int32], n_facilities: int) -> NDArray[np.int64]:
    """Return the town of most patients of each facility, the smallest hash of several; -1 for none."""
    told = np.flatnonzero((columns.kind == _CITY) & ~np.isnan(columns.value))
    patient = np.searchsorted(columns.offsets, told, side="right") - 1
    last = np.append(patient[1:] != patient[:-1], True)[: len(told)] & (facility[patient] >= 0)
    place, city = facility[patient[last]].astype(np.int64), columns.value[told[last]].astype(np.int64)
    keys, counts = np.unique(place << 32 | city, return_counts=True)
    homes = np.full(n_facilities, -1, np.int64)
    order = np.lexsort((-keys, counts))  # the last write wins: the most frequent, then the smallest
    homes[keys[order] >> 32] = keys[order] & 0xFFFFFFFF
    return homes
