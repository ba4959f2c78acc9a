"""Family G: pregnancy and differentiated service delivery (4 features)."""

from math import nan

from iit.features.answers import place_of
from iit.features.arrays import Floats, Ints, Tables
from iit.features.calendar import DAYS_PER_MONTH

FIRST = 88


def pregnancy(
    as_of: int, v_day: Ints, v_kind: Ints, v_value: Floats, n: int, last: Ints, tables: Tables, out: Floats
) -> None:
    """Fill features 88 to 91. A pregnancy or breastfeeding told more than 18 months ago no longer counts."""
    for i in range(88, 91):
        out[i] = nan
    told = last[22]  # Kind.PREGNANCY
    if told >= 0 and v_day[told] > as_of - 548:
        out[88] = place_of(22, last, v_value, tables)
    delivery = last[23]  # Kind.EXPECTED_DELIVERY
    if delivery >= 0 and abs(v_value[delivery] - as_of) <= 300:
        out[89] = (v_value[delivery] - as_of) / DAYS_PER_MONTH
    if last[8] >= 0:  # Kind.DSD_MODEL
        out[90] = v_value[last[8]] % 1000  # the concept's last digits: a label, compared for equality only
    sessions = 0
    for i in range(n):
        if v_kind[i] == 24 and v_day[i] > as_of - 365:  # Kind.EAC_SESSION
            sessions += 1
    out[91] = float(sessions)
