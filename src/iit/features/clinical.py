"""Family F: laboratory and clinic (16 features).

Viral load limits: suppressed under 50 copies/mL, unsuppressed from 1000 (WHO 2021 consolidated guidelines). Advanced
HIV disease: CD4 under 200 cells/uL or WHO stage 3 or 4 (WHO 2017).
"""

import math
from math import nan

from iit.features.answers import place_of
from iit.features.arrays import Floats, Ints, Tables

FIRST = 72
YEAR = 365


def viral_load_category(copies: float) -> float:
    """Return 1 under 50 copies/mL, 2 for 50 to 999, 3 from 1000."""
    if copies < 50:
        return 1.0
    return 2.0 if copies < 1000 else 3.0


def viral_load(
    as_of: int,
    v_day: Ints,
    v_known: Ints,
    v_kind: Ints,
    v_value: Floats,
    n: int,
    last: Ints,
    art_start: int,
    out: Floats,
) -> None:
    """Fill features 72 to 77: the latest known viral load by specimen day and how often it was taken."""
    latest = last[30]  # Kind.VIRAL_LOAD
    taken, high = 0, 0
    for i in range(n):
        if v_kind[i] == 30 and v_day[i] > as_of - 730:
            taken += 1
            if v_value[i] >= 1000:
                high += 1
    is_due = art_start >= 0 and as_of - art_start >= 180 and (latest < 0 or as_of - v_day[latest] > YEAR)
    out[72] = nan
    out[73] = 4.0 if is_due else 0.0
    out[74] = nan
    if latest >= 0:
        copies = v_value[latest]
        out[72] = math.log10(max(copies, 1.0))
        if not is_due:
            out[73] = viral_load_category(copies)
        out[74] = float(as_of - max(v_day[latest], v_known[latest]))
    out[75] = float(taken)
    out[76] = float(high)
    out[77] = 1.0 if is_due else 0.0


def weight_change(as_of: int, v_day: Ints, v_kind: Ints, v_value: Floats, n: int) -> float:
    """Return the change in percent of the latest weight against the oldest of the 183 days before it.

    NaN with fewer than two weights, or if the latest is over a year old.
    """
    newest, oldest = -1, -1
    for i in range(n - 1, -1, -1):
        if v_kind[i] == 13 and v_value[i] > 0:  # Kind.WEIGHT_KG
            if newest < 0:
                newest = i
            elif v_day[i] >= v_day[newest] - 183 and v_day[i] < v_day[newest]:
                oldest = i
    if newest < 0 or oldest < 0 or v_day[newest] <= as_of - YEAR:
        return nan
    return float(100.0 * (v_value[newest] - v_value[oldest]) / v_value[oldest])


def clinical(
    as_of: int,
    v_day: Ints,
    v_known: Ints,
    v_kind: Ints,
    v_value: Floats,
    n: int,
    last: Ints,
    art_start: int,
    tables: Tables,
    out: Floats,
) -> None:
    """Fill features 72 to 87. `art_start` is the day treatment began, -1 unknown."""
    viral_load(as_of, v_day, v_known, v_kind, v_value, n, last, art_start, out)
    for i in range(78, 88):
        out[i] = nan
    cd4 = last[31]  # Kind.CD4
    if cd4 >= 0:
        out[78] = v_value[cd4]
        out[79] = float(as_of - v_day[cd4])
    stage = last[17]  # Kind.WHO_STAGE
    if stage >= 0 and v_value[stage] >= 1204 and v_value[stage] <= 1207:
        out[80] = v_value[stage] - 1203
    low_cd4 = cd4 >= 0 and v_day[cd4] > as_of - YEAR and v_value[cd4] < 200
    if low_cd4 or out[80] >= 3:
        out[81] = 1.0
    elif cd4 >= 0 or stage >= 0:
        out[81] = 0.0
    out[82] = place_of(19, last, v_value, tables)  # Kind.TB_STATUS
    begun, ended = last[20], last[21]  # Kind.TPT_START, Kind.TPT_STOP
    out[83] = 0.0
    if begun >= 0 and v_value[begun] > as_of - 270 and v_value[begun] <= as_of:
        is_over = ended >= 0 and v_value[ended] >= v_value[begun] and v_value[ended] <= as_of
        out[83] = 0.0 if is_over else 1.0
    out[84] = place_of(18, last, v_value, tables)  # Kind.FUNCTIONAL_STATUS
    out[85] = place_of(12, last, v_value, tables)  # Kind.ADHERENCE
    out[86] = place_of(7, last, v_value, tables)  # Kind.MISSED_DOSES
    out[87] = weight_change(as_of, v_day, v_kind, v_value, n)
