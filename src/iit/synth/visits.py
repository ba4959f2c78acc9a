"""The visit of a pick-up: what is written on the care card and the pharmacy form, and what goes wrong with it."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from iit.synth import concepts
from iit.synth.people import Ints
from iit.synth.scene import Scene, rows_of

_SHARE_DURATION_NULL: Final = 0.018
_SHARE_SUPPLY_MISSING: Final = 0.006
_SHARE_DUPLICATE: Final = 0.02
_SHARE_VOIDED_COPY: Final = 0.018
_SHARE_VOIDED_ANSWER: Final = 0.015
_SHARE_BACKLOG: Final = 0.01
_SHARE_SICK_VISIT: Final = 0.04
_SHARE_EXTRA_CARD: Final = 0.12
_CARD_EVERY_DAYS: Final = 183
_SLOW_DAYS: Final = 7.0  # a facility whose typical lag is longer never types anything in within ten days
_SUNDAY: Final = 3  # 1970-01-01 was a Thursday


class SupplyFault(IntEnum):
    """What is wrong with the days supplied on a pharmacy form."""

    NONE = 0
    DURATION_NULL = 1  # exported as 0, the quantity is there
    MISSING = 2  # neither duration nor quantity


class Visit(NamedTuple):
    """A pick-up as it is written down. Days count from 1970-01-01; 0 where something did not happen.

    Attributes:
        created: day the visit was typed in.
        appointment: next appointment as given on the care card.
        voided_copy: day of a second, voided pharmacy form.
        sick_visit: day of a clinic visit between this pick-up and the next.
    """

    pickup: int
    supply: int
    regimen: int
    line: int
    is_substitution: bool
    is_new: bool
    pregnancy: int
    created: int
    has_card: bool
    appointment: int
    missed_doses: int
    adherence: int
    has_oi_drugs: bool
    supply_fault: int
    has_duplicate: bool
    voided_copy: int
    has_voided_answer: bool
    sick_visit: int

    def __repr__(self) -> str:
        return "Visit()"


def visits(scene: Scene) -> Iterator[Visit]:
    """Yield the visit of each cycle."""
    cycles = scene.cycles
    created = entry_days(scene)
    missed = _missed_doses(scene)
    return rows_of(
        Visit,
        pickup=cycles.pickup,
        supply=cycles.supply,
        regimen=cycles.regimen,
        line=cycles.line,
        is_substitution=cycles.is_substitution,
        is_new=cycles.number == 0,
        pregnancy=cycles.pregnancy,
        created=created,
        has_card=_has_card(scene),
        appointment=_appointments(scene),
        missed_doses=missed,
        adherence=missed - concepts.FEW_MISSED + concepts.GOOD_ADHERENCE,
        has_oi_drugs=scene.chance(np.where(scene.people.cd4[cycles.patient] < 350, 0.25, 0.05)),
        supply_fault=_supply_faults(scene),
        has_duplicate=scene.chance(_SHARE_DUPLICATE),
        voided_copy=_if_by(scene, scene.chance(_SHARE_VOIDED_COPY), cycles.pickup + scene.between(1, 4)),
        has_voided_answer=scene.chance(_SHARE_VOIDED_ANSWER),
        sick_visit=_sick_visits(scene),
    )


def entry_days(scene: Scene) -> Ints:
    """Return the day each pick-up is typed in; a patient's first while the facility still reports."""
    cycles, typical = scene.cycles, scene.of_facility("entry_lag_days")
    lag = np.floor(scene.rng.exponential(typical)).astype(np.int64) + np.where(typical > _SLOW_DAYS, 10, 0)
    lag += np.where(scene.chance(_SHARE_BACKLOG), scene.between(25, 90), 0)
    created = cycles.pickup + lag
    return np.where(cycles.number == 0, np.minimum(created, scene.last_day), created)


def _if_by(scene: Scene, happens: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], day: Ints) -> Ints:
    return np.where(happens & (day <= scene.last_day), day, 0)


def _missed_doses(scene: Scene) -> Ints:
    """Return the answer on missed doses: it follows how late the patient comes today, with mistakes."""
    told = scene.cycles.late_before * scene.rng.uniform(0.3, 1.3, len(scene.cycles)) + scene.rng.exponential(
        1.5, len(scene.cycles)
    )
    few = concepts.FEW_MISSED
    return np.select([told < 4, told < 12], [few, few + 1], few + 2).astype(np.int64)


def _has_card(scene: Scene) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return where the patient also sees a clinician: the first two times, then twice a year and now and then."""
    cycles = scene.cycles
    period = (cycles.pickup - scene.people.enrolled[cycles.patient]) // _CARD_EVERY_DAYS
    is_due = np.ones(len(cycles), np.bool_)
    is_due[1:] = period[1:] != period[:-1]
    return (cycles.number < 2) | is_due | scene.chance(_SHARE_EXTRA_CARD)


def _appointments(scene: Scene) -> Ints:
    """Return the next appointment: the end of the supply, seldom on a Sunday, now and then a week off."""
    day = scene.cycles.expected + np.where(scene.chance(0.03), 7, 0) - np.where(scene.chance(0.03), 7, 0)
    return day + np.where((day % 7 == _SUNDAY) & scene.chance(0.8), 1, 0)


def _supply_faults(scene: Scene) -> Ints:
    drawn = scene.rng.random(len(scene.cycles))
    missing, null = _SHARE_SUPPLY_MISSING, _SHARE_SUPPLY_MISSING + _SHARE_DURATION_NULL
    return np.select(
        [drawn < missing, drawn < null], [int(SupplyFault.MISSING), int(SupplyFault.DURATION_NULL)], 0
    ).astype(np.int64)


def _sick_visits(scene: Scene) -> Ints:
    day = scene.cycles.pickup + scene.between(5, 20)
    return _if_by(scene, scene.chance(_SHARE_SICK_VISIT) & (day < scene.end), day)
