"""What can be seen at a pick-up and moves the lateness that follows: the effects of `parameters.EFFECTS`."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from iit.domain.record import EPOCH_ORDINAL
from iit.synth import concepts
from iit.synth.parameters import BASE_CENTRE, EFFECTS
from iit.synth.people import Bools, Floats, Ints, People

_MARRIED: Final = 5555
_FIRST_TABULATED: Final = date(1990, 1, 1).toordinal() - EPOCH_ORDINAL
_LAST_TABULATED: Final = date(2070, 1, 1).toordinal() - EPOCH_ORDINAL


def _holiday_table() -> Bools:
    dates = [date.fromordinal(day + EPOCH_ORDINAL) for day in range(_FIRST_TABULATED, _LAST_TABULATED)]
    return np.array([(d.month, d.day) >= (12, 15) or (d.month, d.day) <= (1, 10) for d in dates])


_IS_HOLIDAY: Final = _holiday_table()


def is_holiday(day: Ints) -> Bools:
    """Return whether a day lies from 15 December to 10 January, both included."""
    return _IS_HOLIDAY[day - _FIRST_TABULATED]


@dataclass(frozen=True, kw_only=True, repr=False)
class Covariates:
    """What is known at k pick-ups; arrays are (k,), `index` are the patients' rows in `people`."""

    people: People
    index: Ints
    day: Ints
    supply: Ints
    pregnancy: Ints
    is_dtg: Bools
    is_unsuppressed: Bools
    is_unmeasured: Bools
    was_interrupted: Bools


def centre_of(seen: Covariates) -> Floats:
    """Return the centre of the lateness law, without facility and frailty: (k,) log of days after -8."""
    people, index = seen.people, seen.index
    on_art = seen.day - people.art_start[index]
    holds: dict[str, Bools] = {
        "age_under_25": seen.day - people.birth[index] < 25 * 365.25,
        "first_6_months": on_art < 183,
        "supply_30": seen.supply == 30,
        "supply_180": seen.supply == 180,
        "unsuppressed": seen.is_unsuppressed,
        "no_viral_load": seen.is_unmeasured & (on_art > 365),
        "dtg": seen.is_dtg,
        "no_phone": ~people.has_phone[index],
        "outside_lga": people.lives_outside[index],
        "male": people.is_male[index],
        "pregnant": seen.pregnancy == concepts.PREGNANT,
        "breastfeeding": seen.pregnancy == concepts.BREASTFEEDING,
        "holiday": is_holiday(seen.day + seen.supply),
        "interrupted_before": seen.was_interrupted,
        "unmarried": people.marital[index] != _MARRIED,
    }
    centre = np.full(len(index), BASE_CENTRE)
    for name, effect in EFFECTS.items():
        centre += effect * holds[name]
    return centre
