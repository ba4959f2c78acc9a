"""A cohort in blocks of 500 patients, so that memory stays flat and a smaller cohort begins a larger one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

import numpy as np

from iit.domain.errors import InvalidInput
from iit.synth.course import follow
from iit.synth.documents import document
from iit.synth.facilities import Facility, make_facilities, silenced
from iit.synth.parameters import EARLIEST_UNTIL, LATEST_UNTIL, Shift
from iit.synth.people import make_people
from iit.synth.persons import Person, persons
from iit.synth.scene import Scene
from iit.synth.sheets import Sheet, sheets

BLOCK: Final = 500


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What makes a cohort: the same plan gives the same bytes.

    Attributes:
        patients: how many, at least 1.
        seed: of all chance, at least 0.
        until: day of the export; nothing later is in it.
        shift: a change of the world from a date on, or None.

    Raises:
        InvalidInput: a figure is out of its range.
    """

    patients: int
    seed: int
    until: date
    shift: Shift | None = None

    def __post_init__(self) -> None:
        if self.patients < 1:
            raise InvalidInput("a cohort needs at least one patient", place="patients")
        if self.seed < 0:
            raise InvalidInput("a seed must not be negative", place="seed")
        if not EARLIEST_UNTIL <= self.until <= LATEST_UNTIL:
            raise InvalidInput(f"must lie from {EARLIEST_UNTIL} to {LATEST_UNTIL}", place="until")
        if self.shift is not None:
            _check(self.shift)


def _check(shift: Shift) -> None:
    for name in ("supply_30_share", "supply_180_share", "lost_viral_loads"):
        if not 0.0 <= getattr(shift, name) <= 1.0:
            raise InvalidInput("must lie from 0 to 1", place=f"shift.{name}")
    if shift.supply_30_share + shift.supply_180_share > 1:
        raise InvalidInput("the shares add up to more than 1", place="shift")
    if not -3.0 <= shift.log_lateness <= 3.0:
        raise InvalidInput("must lie from -3 to 3", place="shift.log_lateness")
    if shift.silent_facilities < 0:
        raise InvalidInput("must not be negative", place="shift.silent_facilities")


Writer = Callable[[Person, Sequence[Sheet], date], bytes]
"""What puts a person's exported cycles on paper, as of the day of the export."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Block:
    """Up to 500 patients of a cohort.

    Attributes:
        people: the persons to write, in their order.
        sheets: their exported cycles, by patient and then in time.
        scene: the whole block behind them.
    """

    people: Sequence[Person]
    sheets: Sequence[Sheet]
    scene: Scene
    until: date

    def documents(self, write: Writer = document) -> Iterator[tuple[Person, bytes]]:
        """Yield each person with the document."""
        for patient, own in groupby(self.sheets, key=lambda sheet: sheet.patient):
            yield self.people[patient], write(self.people[patient], list(own), self.until)


def blocks(plan: Plan) -> Iterator[Block]:
    """Yield the blocks of a cohort."""
    facilities = make_facilities(plan.seed, plan.until)
    return (make_block(plan, facilities, first) for first in range(0, plan.patients, BLOCK))


def make_block(plan: Plan, facilities: tuple[Facility, ...], first: int) -> Block:
    """Return the block that begins with a patient; it depends on the seed, its place, `until` and the shift only.

    Args:
        plan: of the cohort.
        facilities: `make_facilities` of the plan's seed and day of export.
        first: place of the block's first patient, a multiple of `BLOCK` below `plan.patients`.
    """
    rng = np.random.default_rng([plan.seed, first])
    everybody = make_people(BLOCK, facilities, plan.until, rng)
    as_shifted = silenced(facilities, plan.shift)
    cycles = follow(everybody, as_shifted, rng, shift=plan.shift)
    scene = Scene(cycles=cycles, people=everybody, facilities=as_shifted, rng=rng)
    own = list(persons(everybody, facilities, plan.seed, first, rng))
    wanted = min(BLOCK, plan.patients - first)
    written = [sheet for sheet in sheets(scene) if sheet.patient < wanted]
    return Block(people=own[:wanted], sheets=written, scene=scene, until=plan.until)
