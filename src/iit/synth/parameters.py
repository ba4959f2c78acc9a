"""The figures of the synthetic world: what makes patients late, how long they are supplied, what else happens to them.

Chosen so that about 7 % of refill cycles end in an interruption, as in programmes of the region; none of them is an
estimate from people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

from iit.domain.errors import InvalidInput

VERSION: Final = "1"  # of the synthetic world: change it with anything that changes a cohort's bytes

EARLIEST_UNTIL: Final = date(2012, 1, 1)
LATEST_UNTIL: Final = date(2060, 1, 1)  # the holiday table ends in 2069
YEARS_OF_STARTS: Final = 8.5
SUPPLIES: Final = (30, 60, 90, 180)

BASE_CENTRE: Final = 2.18
FACILITY_SD: Final = 0.13
EFFECTS: Final[Mapping[str, float]] = MappingProxyType({
    "age_under_25": 0.13,
    "first_6_months": 0.15,
    "supply_30": 0.08,
    "supply_180": -0.10,
    "unsuppressed": 0.24,
    "no_viral_load": 0.04,
    "dtg": -0.08,
    "no_phone": 0.12,
    "outside_lga": 0.14,
    "male": 0.07,
    "pregnant": -0.12,
    "breastfeeding": 0.08,
    "holiday": 0.13,
    "interrupted_before": 0.20,
    "unmarried": 0.06,
})  # fmt: skip
"""What is added to the centre of the lateness law (log of days) where the named thing holds at the pick-up."""

LOST_FOR_GOOD: Final = 0.38  # share of the interrupted who never come back, whoever they are
RESTART_AFTER_STOP: Final = 0.25

DEATHS_A_YEAR: Final = 0.009
DEATH_FACTOR_LOW_CD4: Final = 4.0  # CD4 below 200 cells/uL at the start, in the first 6 months
TRANSFERS_A_YEAR: Final = 0.022
STOPS_A_YEAR: Final = 0.005


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A change of the world from a date on, for showing drift.

    Attributes:
        on: first pick-up date to which it applies.
        log_lateness: added to the centre of the lateness law; +0.3 makes the typical delay about a third longer.
        supply_30_share: share of later pick-ups, 0 to 1, that receive 30 days whatever the policy says.
        supply_180_share: likewise 180 days.
        silent_facilities: how many facilities, the largest first, enter nothing any more.
        lost_viral_loads: share of later viral loads, 0 to 1, that are taken but never reach the record.
    """

    on: date
    log_lateness: float = 0.0
    supply_30_share: float = 0.0
    supply_180_share: float = 0.0
    silent_facilities: int = 0
    lost_viral_loads: float = 0.0


SHIFTS: Final[Mapping[str, tuple[str, float]]] = MappingProxyType({
    "supply": ("supply_180_share", 0.5),
    "lateness": ("log_lateness", 0.5),
    "silence": ("silent_facilities", 1),
    "coding": ("lost_viral_loads", 1.0),
})  # fmt: skip
"""Shifts by name: the attribute of `Shift` that is their strength, and what it is unless told otherwise."""


def named_shift(text: str, on: date) -> Shift:
    """Return the shift written `KIND` or `KIND:STRENGTH`, for example `supply:0.8`.

    Raises:
        InvalidInput: there is no such kind, or the strength is no number.
    """
    kind, _, strength = text.partition(":")
    if kind not in SHIFTS:
        raise InvalidInput(f"must be one of {', '.join(SHIFTS)}", place="shift")
    name, usual = SHIFTS[kind]
    try:
        value = type(usual)(strength) if strength else usual
    except ValueError:
        raise InvalidInput("the strength must be a number", place=f"shift {kind}") from None
    return Shift(on=on, **{name: value})  # type: ignore[arg-type]
