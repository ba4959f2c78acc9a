"""Family E: the person (10 features). The source tells only today's state of these, dated by when the row was made."""

from math import nan

from iit.features.answers import place_of
from iit.features.arrays import Floats, Ints, Tables

FIRST = 62


def age_band(age: float) -> float:
    """Return 0 under 15 years, 1 for 15 to 24, 2 for 25 to 49, 3 from 50."""
    if age < 15:
        return 0.0
    if age < 25:
        return 1.0
    return 2.0 if age < 50 else 3.0


def person(as_of: int, v_day: Ints, v_value: Floats, last: Ints, home_city: int, tables: Tables, out: Floats) -> None:
    """Fill features 62 to 71."""
    for i in range(62, 72):
        out[i] = nan
    birth = last[60]  # Kind.BIRTH
    if birth >= 0:
        age = (as_of - v_day[birth]) / 365.25
        out[62] = age
        out[63] = age_band(age)
    if last[61] >= 0:  # Kind.SEX
        out[64] = v_value[last[61]]
    out[65] = place_of(46, last, v_value, tables)  # Kind.MARITAL_STATUS
    out[66] = place_of(47, last, v_value, tables)  # Kind.EDUCATION
    out[67] = place_of(48, last, v_value, tables)  # Kind.OCCUPATION
    if last[62] >= 0:  # Kind.STATE
        out[68] = v_value[last[62]]
    city = last[63]  # Kind.CITY
    if city >= 0 and home_city >= 0:
        out[69] = 0.0 if v_value[city] == home_city else 1.0
    if last[64] >= 0:  # Kind.PHONE
        out[70] = v_value[last[64]]
    out[71] = place_of(43, last, v_value, tables)  # Kind.CARE_ENTRY
