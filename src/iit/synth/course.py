"""The course of treatment: pick-up after pick-up until the patient leaves or the time is over.

All patients go forward together, one refill cycle a turn, so that each turn is a few array operations.
"""

from dataclasses import dataclass, fields
from datetime import date
from typing import Final

import numpy as np

from iit.domain.interruption import GRACE_DAYS, NEVER
from iit.domain.record import day_number
from iit.synth import lateness, policy
from iit.synth import parameters as world
from iit.synth.covariates import Covariates, centre_of
from iit.synth.exits import draw_exits, draw_restarts
from iit.synth.facilities import Facility
from iit.synth.laboratory import ViralLoads
from iit.synth.people import NO_DAY, Bools, Floats, Ints, People

_MONTH: Final = 365.25 / 12
_SMOOTHING: Final = 0.4  # weight of the last lateness in its running mean


@dataclass(frozen=True, kw_only=True, repr=False)
class Cycles:
    """Refill cycles of n patients, by patient and then in time; every array is (c,) or (c, 7).

    Attributes:
        patient: row of the patient in `People`.
        number: 0 for a patient's first cycle.
        centre: of the lateness law, without the frailty.
        late: days from the expected contact to the return, had nothing else come first.
        back: day of the next pick-up, NEVER if none was to come.
        exit_day: day of death, transfer or stop before any return; NEVER if none.
        exit_reason: concept of the reason for termination, 0 if none.
        late_before: days late at this pick-up, 0 where early or first.
        is_restart: whether the previous cycle was interrupted.
        viral_load, reported: of the specimen taken at this pick-up (see `ViralLoads.take`).
        risk: true probability of an interruption, frailty known.
        reachable: (c, 7) see `lateness.reachable_risks`.
    """

    patient: Ints
    number: Ints
    pickup: Ints
    supply: Ints
    regimen: Ints
    line: Ints
    is_substitution: Bools
    pregnancy: Ints
    centre: Floats
    late: Ints
    back: Ints
    exit_day: Ints
    exit_reason: Ints
    late_before: Ints
    is_restart: Bools
    viral_load: Floats
    reported: Ints
    risk: Floats
    reachable: Floats

    def __len__(self) -> int:
        return len(self.patient)

    @property
    def expected(self) -> Ints:
        """Day of the expected contact."""
        return self.pickup + self.supply


def follow(
    people: People,
    facilities: tuple[Facility, ...],
    rng: np.random.Generator,
    *,
    shift: world.Shift | None = None,
) -> Cycles:
    """Return all refill cycles that begin by the day on which the patient's facility last reported."""
    walk = _Walk(people, facilities, rng, shift)
    turns = []
    while (index := np.flatnonzero(walk.next_pickup <= walk.last_day)).size:
        turns.append(walk.turn(index))
    return _joined(turns)


def _joined(turns: list[Cycles]) -> Cycles:
    columns = {f.name: np.concatenate([getattr(turn, f.name) for turn in turns]) for f in fields(Cycles)}
    order = np.argsort(columns["patient"], kind="stable")
    return Cycles(**{name: column[order] for name, column in columns.items()})


class _Walk:
    """What is carried from one cycle to the next, for all patients."""

    def __init__(
        self,
        people: People,
        facilities: tuple[Facility, ...],
        rng: np.random.Generator,
        shift: world.Shift | None,
    ) -> None:
        n = len(people)
        self.people = people
        self.rng = rng
        self.shift = shift
        self.shift_day = day_number(shift.on if shift else date.max)
        self.effect = np.array([f.effect for f in facilities])[people.facility]
        self.last_day = np.array([f.reports_until for f in facilities])[people.facility]
        self.next_pickup = people.enrolled.copy()
        self.number = np.zeros(n, np.int64)
        self.log_weights = lateness.prior(n)
        self.was_interrupted = np.zeros(n, np.bool_)
        self.is_restart = np.zeros(n, np.bool_)
        self.late_before = np.zeros(n, np.int64)
        self.mean_late = np.zeros(n)
        self.regimen = np.zeros(n, np.int64)
        self.viral_loads = ViralLoads(n)

    def turn(self, index: Ints) -> Cycles:
        """Return the next cycle of each patient in `index` and go on to its end."""
        day = self.next_pickup[index]
        self.viral_loads.learn(index, day)
        regimen, line = policy.regimens(self.people, index, day)
        supply = self._supplies(index, day)
        pregnancy = self.people.pregnancy(index, day)
        centre = self._centre(index, day, supply, pregnancy, np.isin(regimen, policy.DTG_REGIMENS))
        late = lateness.draw_late_days(centre + self.people.frailty[index], self.rng)
        viral_load, reported = self._recorded(day, *self._specimens(index, day, regimen))
        exit_day, reason, back = self._end(index, day, day + supply, late)
        cycles = Cycles(
            patient=index,
            number=self.number[index],
            pickup=day,
            supply=supply,
            regimen=regimen,
            line=line,
            is_substitution=(self.regimen[index] != regimen) & (self.number[index] > 0),
            pregnancy=pregnancy,
            centre=centre,
            late=late,
            back=back,
            exit_day=exit_day,
            exit_reason=reason,
            late_before=self.late_before[index],
            is_restart=self.is_restart[index],
            viral_load=viral_load,
            reported=reported,
            risk=lateness.survival(GRACE_DAYS, centre + self.people.frailty[index]),
            reachable=lateness.reachable_risks(self.log_weights[index], centre),
        )
        self._carry(index, cycles)
        return cycles

    def _months(self, index: Ints, day: Ints) -> Floats:
        months: Floats = (day - self.people.art_start[index]) / _MONTH
        return months

    def _supplies(self, index: Ints, day: Ints) -> Ints:
        days = policy.supplies(
            day,
            months=self._months(index, day),
            age=(day - self.people.birth[index]) / 365.25,
            is_start=(self.number[index] == 0) | self.is_restart[index],
            is_unsuppressed=self.viral_loads.is_unsuppressed(index),
            rng=self.rng,
        )
        return days if self.shift is None else policy.shifted(days, day >= self.shift_day, self.shift, self.rng)

    def _centre(self, index: Ints, day: Ints, supply: Ints, pregnancy: Ints, is_dtg: Bools) -> Floats:
        centre = centre_of(
            Covariates(
                people=self.people,
                index=index,
                day=day,
                supply=supply,
                pregnancy=pregnancy,
                is_dtg=is_dtg,
                is_unsuppressed=self.viral_loads.is_unsuppressed(index),
                is_unmeasured=self.viral_loads.is_unknown(index),
                was_interrupted=self.was_interrupted[index],
            )
        )
        centre += self.effect[index]
        if self.shift is not None:
            centre += np.where(day >= self.shift_day, self.shift.log_lateness, 0.0)
        return centre

    def _specimens(self, index: Ints, day: Ints, regimen: Ints) -> tuple[Floats, Ints]:
        is_young = day - self.people.birth[index] < 20 * 365.25
        log_odds = 2.9 - 0.07 * self.mean_late[index] - 0.9 * self.was_interrupted[index] - 0.7 * is_young
        log_odds += 0.5 * np.isin(regimen, policy.DTG_REGIMENS)
        return self.viral_loads.take(index, day, months=self._months(index, day), adherence=log_odds, rng=self.rng)

    def _recorded(self, day: Ints, copies: Floats, reported: Ints) -> tuple[Floats, Ints]:
        """Return the specimens that reach the record: a shift may lose them, though the clinic acts on them."""
        if self.shift is None or not self.shift.lost_viral_loads:
            return copies, reported
        is_lost = (day >= self.shift_day) & (self.rng.random(len(day)) < self.shift.lost_viral_loads)
        return np.where(is_lost, np.nan, copies), np.where(is_lost, NO_DAY, reported)

    def _end(self, index: Ints, day: Ints, expected: Ints, late: Ints) -> tuple[Ints, Ints, Ints]:
        """Return the day and reason of an exit before any return, and the day of the next pick-up."""
        n, rng = len(index), self.rng
        is_lost = (late > GRACE_DAYS) & (rng.random(n) < world.LOST_FOR_GOOD)
        back = np.where(is_lost, NEVER, expected + late)
        is_ill = (self.people.cd4[index] < 200) & (self._months(index, day) < 6)
        leaves, reason = draw_exits(day, is_ill=is_ill, rng=rng)
        has_left = leaves < back
        # Only where being lost has not yet played a part: what a restart tells of the frailty stays in closed form.
        restarts = has_left & (leaves <= expected + GRACE_DAYS) & draw_restarts(reason, rng)
        back = np.where(has_left, np.where(restarts, leaves + rng.integers(45, 400, n), NEVER), back)
        return np.where(has_left, leaves, NEVER), np.where(has_left, reason, 0), back

    def _carry(self, index: Ints, cycles: Cycles) -> None:
        has_returned = cycles.exit_day == NEVER
        seen = np.where(has_returned, cycles.late, cycles.exit_day - cycles.expected)
        self.log_weights[index] = lateness.updated(self.log_weights[index], cycles.centre, seen, is_known=has_returned)
        late = np.maximum(seen, 0)
        is_interrupted = np.minimum(cycles.back, cycles.exit_day) > cycles.expected + GRACE_DAYS
        self.late_before[index] = late
        self.mean_late[index] += _SMOOTHING * (np.minimum(late, 60) - self.mean_late[index])
        self.is_restart[index] = is_interrupted
        self.was_interrupted[index] |= is_interrupted
        self.regimen[index] = cycles.regimen
        self.number[index] += 1
        self.next_pickup[index] = cycles.back
