"""Family A: how the patient has come for medicine so far (30 features).

Lateness of a return is its day less the day it was expected: positive is late. Means, maxima and counts take an early
return as 0 days late; the trend takes it as it is.
"""

import math
from math import nan

from iit.domain.interruption import GRACE_DAYS
from iit.features.arrays import Floats, Ints

FIRST = 0


def count_late(late: Floats, count: int, window: int, least: int) -> float:
    """Return how many of the last `window` returns were at least `least` days late; NaN without a return."""
    if count < 2:
        return nan
    total = 0
    for i in range(max(1, count - window), count):
        if late[i] >= least:
            total += 1
    return float(total)


def mean_late(late: Floats, count: int, window: int) -> float:
    """Return the mean days late of the last `window` returns; NaN without a return."""
    if count < 2:
        return nan
    begin = max(1, count - window)
    total = 0.0
    for i in range(begin, count):
        total += max(late[i], 0.0)
    return total / (count - begin)


def covered_share(cycles: Ints, count: int, as_of: int, window: int) -> float:
    """Return the share of days with medicine in the `window` days to `as_of`, or since the first pick-up if later."""
    if count < 1:
        return nan
    begin = max(as_of - window + 1, cycles[0, 0])
    covered = 0
    reach = begin
    for i in range(count):
        start = max(cycles[0, i], reach)
        end = min(cycles[0, i] + cycles[1, i], as_of + 1)
        if end > start:
            covered += end - start
            reach = end
    return covered / float(as_of + 1 - begin)


def spread(late: Floats, count: int, window: int) -> tuple[float, float]:
    """Return (standard deviation of days late, slope of lateness a return) of the last `window` returns.

    NaN with fewer than two returns. The deviation divides by the number of returns.
    """
    begin = max(1, count - window)
    n = count - begin
    if count < 3:
        return nan, nan
    mean, mean_signed = 0.0, 0.0
    for i in range(begin, count):
        mean += max(late[i], 0.0)
        mean_signed += late[i]
    mean /= n
    mean_signed /= n
    squares, cross, run = 0.0, 0.0, 0.0
    middle = (n - 1) / 2.0
    for i in range(begin, count):
        off = max(late[i], 0.0) - mean
        squares += off * off
        step = (i - begin) - middle
        cross += step * (late[i] - mean_signed)
        run += step * step
    return math.sqrt(squares / n), cross / run


def longest_gap(cycles: Ints, count: int, as_of: int, window: int) -> float:
    """Return the longest run of days without medicine in the last `window` days; NaN before the first pick-up."""
    if count < 1:
        return nan
    begin = max(as_of - window + 1, cycles[0, 0])
    reach = begin
    longest = 0
    for i in range(count):
        start, end = cycles[0, i], cycles[0, i] + cycles[1, i]
        if start > reach:
            longest = max(longest, start - reach)
        reach = max(reach, end)
    return float(max(longest, as_of + 1 - reach, 0))


def lateness(as_of: int, cycles: Ints, late: Floats, count: int, out: Floats) -> None:
    """Fill features 0 to 29."""
    out[0] = late[count - 1] if count >= 2 else nan
    out[1] = late[count - 2] if count >= 3 else nan
    out[2] = late[count - 3] if count >= 4 else nan
    out[3] = mean_late(late, count, 3)
    out[4] = mean_late(late, count, 5)
    out[5] = mean_late(late, count, 10)
    worst, weighted, weights, early, late7, late28, late28_recent, streak = 0.0, 0.0, 0.0, 0, 0, 0, 0, 0
    unbroken = True
    weight = 1.0
    for i in range(count - 1, 0, -1):
        days = max(late[i], 0.0)
        back = count - 1 - i
        if back < 5:
            worst = max(worst, days)
            if late[i] < 0:
                early += 1
        weighted += weight * days
        weights += weight
        weight *= 0.7937005259840998  # half-life of 3 returns
        if late[i] >= 7:
            late7 += 1
        if late[i] > GRACE_DAYS:
            late28 += 1
            if cycles[0, i] > as_of - 365:
                late28_recent += 1
        if late[i] >= 1:
            unbroken = False
        if unbroken:
            streak += 1
    returns = count - 1
    out[6] = worst if returns > 0 else nan
    deviation, slope = spread(late, count, 5)
    out[7] = deviation
    out[8] = weighted / weights if returns > 0 else nan
    place = 9
    for least in (1, 7, 14):
        for window in (3, 5, 10):
            out[place] = count_late(late, count, window, least)
            place += 1
    out[18] = float(late28) if returns > 0 else nan
    out[19] = float(late28_recent) if returns > 0 else nan
    out[20] = late7 / float(returns) if returns > 0 else nan
    out[21] = early / float(min(returns, 5)) if returns > 0 else nan
    out[22] = float(streak) if returns > 0 else nan
    out[23] = slope
    half, year = 0, 0
    for i in range(count):
        if cycles[0, i] > as_of - 183:
            half += 1
        if cycles[0, i] > as_of - 365:
            year += 1
    out[24] = float(count)
    out[25] = float(half)
    out[26] = float(year)
    out[27] = covered_share(cycles, count, as_of, 180)
    out[28] = covered_share(cycles, count, as_of, 365)
    out[29] = longest_gap(cycles, count, as_of, 365)
