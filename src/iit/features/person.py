"""Family E: the person (10 features). The source tells only today's state of these, dated by when the row was made."""

from math import nan

from iit.features.arrays import Floats, Ints, Tables
from iit.features.cascade import place_of

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
    place = 65
    for kind in (46, 47, 48):  # marital status, education, occupation
        fact = last[kind]
        if fact >= 0:
            out[place] = place_of(kind, int(v_value[fact]), tables[0], tables[1], tables[2])
        place += 1
    if last[62] >= 0:  # Kind.STATE
        out[68] = v_value[last[62]]
    city = last[63]  # Kind.CITY
    if city >= 0 and home_city >= 0:
        out[69] = 0.0 if int(v_value[city]) == home_city else 1.0
    if last[64] >= 0:  # Kind.PHONE
        out[70] = v_value[last[64]]
    entry = last[43]  # Kind.CARE_ENTRY
    if entry >= 0:
        out[71] = place_of(43, int(v_value[entry]), tables[0], tables[1], tables[2])
