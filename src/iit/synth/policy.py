"""What a facility hands out: regimen and days supplied, by the practice of the time."""

from datetime import date
from typing import Final

import numpy as np

from iit.domain.record import day_number
from iit.synth.parameters import SUPPLIES, Shift
from iit.synth.people import Bools, Floats, Ints, People

DTG_REGIMENS: Final = (165681, 165691)
_CHILD_UNTIL_YEARS: Final = 10.0

# Shares of 30, 60, 90 and 180 days, by era (before 2019, before April 2020, since) and by stage of treatment
# (first pick-up or restart, first 6 months, stable, last viral load not suppressed).
_SUPPLY_SHARES: Final = np.array([
    [[1.00, 0.00, 0.00, 0.00], [0.75, 0.22, 0.03, 0.00], [0.30, 0.45, 0.25, 0.00], [0.70, 0.25, 0.05, 0.00]],
    [[0.95, 0.00, 0.05, 0.00], [0.50, 0.25, 0.25, 0.00], [0.12, 0.18, 0.68, 0.02], [0.55, 0.25, 0.20, 0.00]],
    [[0.80, 0.00, 0.20, 0.00], [0.30, 0.12, 0.56, 0.02], [0.06, 0.07, 0.45, 0.42], [0.45, 0.10, 0.45, 0.00]],
])  # fmt: skip
_ERAS: Final = (day_number(date(2019, 1, 1)), day_number(date(2020, 4, 1)))


def regimens(people: People, index: Ints, day: Ints) -> tuple[Ints, Ints]:
    """Return the regimen and regimen-line concepts of the patients `index`, each on its day."""
    is_child = day - people.birth[index] < _CHILD_UNTIL_YEARS * 365.25
    is_second = people.is_second_line[index]
    has_dtg = day >= people.dtg_from[index]
    regimen = np.select(
        [is_second & is_child, is_second, is_child & has_dtg, is_child, has_dtg],
        [162561, 164512, 165691, 162561, 165681],
        164505,
    )
    line = np.select([is_second & is_child, is_second, is_child], [164514, 164513, 164507], 164506)
    return regimen.astype(np.int64), line.astype(np.int64)


def supplies(
    day: Ints, *, months: Floats, age: Floats, is_start: Bools, is_unsuppressed: Bools, rng: np.random.Generator
) -> Ints:
    """Return the days supplied at each pick-up: one of `SUPPLIES`, at most 90 for children under 10.

    Args:
        day: (n,) day of the pick-up.
        months: (n,) months since ART start.
        age: (n,) years.
        is_start: (n,) first pick-up at the facility, or the first after an interruption.
        is_unsuppressed: (n,) last known viral load 1000 copies/mL or more.
        rng: where chance comes from.
    """
    era = np.searchsorted(_ERAS, day, side="right")
    stage = np.select([is_start, is_unsuppressed, months < 6.0], [0, 3, 1], 2)
    limits = _SUPPLY_SHARES.cumsum(axis=2)[era, stage]
    place = (rng.random(len(day))[:, None] >= limits[:, :-1]).sum(axis=1)
    days = np.array(SUPPLIES, np.int64)[place]
    return np.where((age < _CHILD_UNTIL_YEARS) & (days > 90), 90, days)


def shifted(days: Ints, is_shifted: Bools, shift: Shift, rng: np.random.Generator) -> Ints:
    """Return the days supplied after a shift's shares of them became 30 or 180."""
    drawn = rng.random(len(days))
    is_cut = is_shifted & (drawn < shift.supply_30_share)
    is_raised = is_shifted & (drawn >= 1 - shift.supply_180_share)
    return np.select([is_cut, is_raised], [30, 180], days)
