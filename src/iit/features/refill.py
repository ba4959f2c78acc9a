"""Family C: the current refill and its appointment (12 features)."""

from math import nan

from iit.domain.interruption import is_valid_supply
from iit.features.arrays import Floats, Ints
from iit.features.calendar import civil, is_holiday_window

FIRST = 38


def mmd_band(days: int) -> float:
    """Return 0 for under 3 months of supply, 1 for 3 to 5, 2 for 6 or more (84 and 168 days: 12 and 24 weeks)."""
    if days >= 168:
        return 2.0
    return 1.0 if days >= 84 else 0.0


def appointment_gap(v_day: Ints, v_kind: Ints, v_value: Floats, n: int, start: int, expected: int) -> float:
    """Return the latest appointment given on or after the pick-up less the expected day; NaN for none.

    An appointment counts if it lies 1 to 365 days after the day it was given, as for the expected contact.
    """
    for i in range(n - 1, -1, -1):
        if v_day[i] < start:
            return nan
        if v_kind[i] == 11 and is_valid_supply(v_value[i] - v_day[i]):  # Kind.APPOINTMENT
            return float(v_value[i] - expected)
    return nan


def refill(
    as_of: int,
    v_day: Ints,
    v_kind: Ints,
    v_value: Floats,
    n: int,
    cycles: Ints,
    count: int,
    eids: Ints,
    out: Floats,
) -> None:
    """Fill features 38 to 49."""
    if count == 0:
        for i in range(38, 50):
            out[i] = nan
        return
    current = count - 1
    start, days, expected = cycles[0, current], cycles[1, current], cycles[3, current]
    total = 0.0
    begin = max(0, count - 3)
    for i in range(begin, count):
        total += cycles[1, i]
    out[38] = float(days)
    out[39] = total / (count - begin)
    out[40] = mmd_band(days)
    out[41] = nan
    if count > 1:
        out[41] = 1.0 if mmd_band(days) != mmd_band(cycles[1, current - 1]) else 0.0
    out[42] = float(expected - as_of)
    out[43] = float(as_of - start)
    out[44] = float(cycles[2, current])
    out[45] = appointment_gap(v_day, v_kind, v_value, n, start, expected)
    out[46] = float((expected + 3) % 7)  # 0 Monday: 1970-01-01 was a Thursday
    out[47] = float(civil(expected)[1])
    out[48] = 1.0 if is_holiday_window(expected, eids) else 0.0
    drugs = 0
    for i in range(n):
        if v_kind[i] == 5 and v_day[i] == start:  # Kind.ARV_DRUG
            drugs += 1
    out[49] = float(drugs) if drugs > 0 else nan
