"""Family D: antiretroviral treatment (12 features)."""

from math import nan

from iit.features.answers import place_of
from iit.features.arrays import Floats, Ints, Tables
from iit.features.calendar import DAYS_PER_MONTH

FIRST = 50


def line_number(answer: float) -> float:
    """Return 1, 2 or 3 for a regimen line's concept, NaN for another."""
    if answer == 164506 or answer == 164507:
        return 1.0
    if answer == 164513 or answer == 164514:
        return 2.0
    if answer == 165702 or answer == 165703:
        return 3.0
    return nan


def is_dtg(answer: float, regimens: Ints) -> float:
    """Return whether a regimen's concept holds dolutegravir."""
    for i in range(len(regimens)):
        if regimens[i] == answer:
            return 1.0
    return 0.0


def earliest(v_kind: Ints, v_value: Floats, n: int, kind: int, limit: int) -> int:
    """Return the earliest day told by facts of a kind, not after a limit; -1 for none."""
    found = -1
    for i in range(n):
        if v_kind[i] == kind and v_value[i] > 0 and v_value[i] <= limit:
            told = int(v_value[i])
            if found < 0 or told < found:
                found = told
    return found


def regimen_changes(as_of: int, v_day: Ints, v_kind: Ints, v_value: Floats, n: int) -> float:
    """Return how often the regimen changed from one telling of it to the next in the last 365 days."""
    changes, before = 0, 0.0
    for i in range(n):
        if v_kind[i] == 3 and v_value[i] > 0:  # Kind.REGIMEN
            if before > 0 and v_value[i] != before and v_day[i] > as_of - 365:
                changes += 1
            before = v_value[i]
    return float(changes)


def treatment(
    as_of: int,
    v_day: Ints,
    v_kind: Ints,
    v_value: Floats,
    n: int,
    last: Ints,
    cycles: Ints,
    count: int,
    tables: Tables,
    dtg: Ints,
    out: Floats,
) -> int:
    """Fill features 50 to 61; return the day treatment began, -1 unknown."""
    for i in range(50, 62):
        out[i] = nan
    started = earliest(v_kind, v_value, n, 40, as_of)  # Kind.ART_START
    if started < 0 and count > 0:
        started = cycles[0, 0]
    enrolled = earliest(v_kind, v_value, n, 42, as_of)  # Kind.ENROLMENT
    if enrolled < 0 and count > 0:
        enrolled = cycles[0, 0]
    if started >= 0:
        out[50] = (as_of - started) / DAYS_PER_MONTH
        out[52] = 1.0 if as_of - started < 183 else 0.0
    if enrolled >= 0:
        out[51] = (as_of - enrolled) / DAYS_PER_MONTH
    out[53] = 1.0 if count == 1 else 0.0
    birth = last[60]  # Kind.BIRTH
    if started >= 0 and birth >= 0:
        out[54] = (started - v_day[birth]) / 365.25
    diagnosed = earliest(v_kind, v_value, n, 41, as_of)  # Kind.HIV_DIAGNOSIS
    if started >= 0 and diagnosed >= 0:
        out[55] = float(started - diagnosed)
    line = last[4]  # Kind.REGIMEN_LINE
    if line >= 0:
        out[56] = line_number(v_value[line])
    regimen = last[3]  # Kind.REGIMEN
    if regimen >= 0:
        out[57] = place_of(3, last, v_value, tables)
        out[58] = is_dtg(v_value[regimen], dtg)
    out[59] = regimen_changes(as_of, v_day, v_kind, v_value, n)
    out[60] = place_of(6, last, v_value, tables)  # Kind.PICKUP_REASON
    out[61] = 1.0 if last[45] >= 0 else 0.0  # Kind.TRANSFER_IN
    return started
