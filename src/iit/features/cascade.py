"""Family B: earlier interruptions and tracing (8 features)."""

from math import nan

from iit.domain.interruption import GRACE_DAYS
from iit.features.answers import place_of
from iit.features.arrays import Floats, Ints, Tables
from iit.features.calendar import DAYS_PER_MONTH

FIRST = 30


def cascade(
    as_of: int,
    v_day: Ints,
    v_kind: Ints,
    v_value: Floats,
    n: int,
    last: Ints,
    cycles: Ints,
    late: Floats,
    count: int,
    tables: Tables,
    out: Floats,
) -> None:
    """Fill features 30 to 37."""
    interruptions, within_12m, within_24m, days_out, restart, longest_out = 0, 0, 0, 0, -1, 0
    for i in range(1, count):
        if late[i] > GRACE_DAYS:
            interruptions += 1
            back = cycles[0, i]
            restart = back
            longest_out = max(longest_out, back - cycles[3, i - 1])
            # The interruption lasts from day 29 to the return; it counts while any of it lies in the window.
            if back > as_of - 365:
                within_12m = 1
            if back > as_of - 730:
                within_24m = 1
                days_out += back - max(cycles[3, i - 1] + GRACE_DAYS + 1, as_of - 730)
    if count > 0:
        begin = cycles[3, count - 1] + GRACE_DAYS + 1
        if as_of >= begin:
            days_out += as_of + 1 - max(begin, as_of - 730)
    out[30] = float(interruptions)
    out[31] = float(within_12m)
    out[32] = float(within_24m)
    out[33] = (as_of - restart) / DAYS_PER_MONTH if restart >= 0 else nan
    if interruptions == 0:
        out[34] = 0.0
    else:
        out[34] = 1.0 if longest_out <= 183 else 2.0
    out[35] = float(days_out)
    tracked = 0
    for i in range(n):
        if v_kind[i] == 50 and v_day[i] > as_of - 365:  # Kind.TRACKED
            tracked += 1
    out[36] = float(tracked)
    out[37] = place_of(51, last, v_value, tables)  # Kind.DEFAULT_REASON
