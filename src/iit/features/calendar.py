"""Days, months and feasts as plain arithmetic that compiles."""

from typing import Final

import numpy as np

DAYS_PER_MONTH: Final = 30.4375


def civil(day: int) -> tuple[int, int, int]:
    """Return (year, month, day of month) of a day since 1970-01-01, proleptic Gregorian.

    Counts years from March, so that the leap day is the last of a year (Hinnant, days to civil).
    """
    z = day + 719468
    era = z // 146097
    of_era = z - era * 146097
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400
    if month <= 2:
        year += 1
    return year, month, day_of_year - (153 * shifted + 2) // 5 + 1


def month_index(day: int) -> int:
    """Return months since year 0."""
    year, month, _ = civil(day)
    return year * 12 + month - 1


def easter(year: int) -> tuple[int, int]:
    """Return (month, day) of Easter Sunday in the Gregorian calendar (Meeus, Jones, Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = b // 4, b % 4
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = c // 4, c % 4
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    both = h + m - 7 * n + 114
    return both // 31, both % 31 + 1


def islamic_day(year: int, month: int, day: int) -> int:
    """Return the day since 1970-01-01 of a date in the tabular Islamic calendar (civil epoch, 30-year cycle).

    The tabular calendar may differ from a sighting of the moon by a day or two.
    """
    return day + (59 * (month - 1) + 1) // 2 + (year - 1) * 354 + (3 + 11 * year) // 30 + 1948439 - 2440588


def _eids() -> list[int]:
    return sorted(islamic_day(year, month, day) for year in range(1420, 1470) for month, day in ((10, 1), (12, 10)))


EIDS = np.array(_eids(), np.int64)
"""Days of Eid al-Fitr and Eid al-Adha from 1999 to 2048."""


def is_holiday_window(day: int, eids: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> bool:
    """Return whether a day lies in 15 December to 10 January, or within 3 days of Easter Sunday or an Eid."""
    year, month, date = civil(day)
    if (month == 12 and date >= 15) or (month == 1 and date <= 10):
        return True
    easter_month, easter_date = easter(year)
    # Easter lies in March or April: counting from 1 March avoids a table of month lengths.
    if (month == 3 or month == 4) and abs((month - easter_month) * 31 + date - easter_date) <= 3:
        return True
    place = np.searchsorted(eids, day - 3)
    return bool(place < len(eids) and eids[place] <= day + 3)
