"""Family H: the facility, strictly lagged (6 features). What the context holds is told in `iit.features.context`."""

from math import nan

import numpy as np

from iit.features.arrays import Arrays, Floats, Ints
from iit.features.calendar import month_index

FIRST = 92


def count_expected(expected: Ints, known: Ints, a: int, b: int, day: int, as_of: int) -> int:
    """Return how many of the sorted pairs [a, b) have this expected day and were known by `as_of`."""
    left = a + np.searchsorted(expected[a:b], day)
    right = a + np.searchsorted(expected[a:b], day + 1)
    return int(np.searchsorted(known[left:right], as_of + 1))


def facility(as_of: int, place: int, current_expected: int, contexts: Arrays, out: Floats) -> None:
    """Fill features 92 to 97 from the context of the facility at `place`; NaN for an unknown facility (-1)."""
    for i in range(92, 98):
        out[i] = nan
    if place < 0:
        return
    first_month, months, known, known_at, expected, expected_known, expected_at, level = contexts
    row = month_index(as_of) - first_month[place]
    height = months.shape[1]
    if row >= 0 and height > 0:
        row = min(row, height - 1)
        out[92] = months[place, row, 0]
        out[93] = months[place, row, 1]
        out[94] = months[place, row, 2]
    out[95] = level[place]
    a, b = known_at[place], known_at[place + 1]
    seen = np.searchsorted(known[a:b], as_of + 1)
    if seen > 0:
        out[96] = float(as_of - known[a + seen - 1])
    if current_expected >= 0:
        a, b = expected_at[place], expected_at[place + 1]
        out[97] = float(count_expected(expected, expected_known, a, b, current_expected, as_of))
