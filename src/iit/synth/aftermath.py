"""What is written down after the visit: laboratory results, tracing of those who stay away, and the end of care."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from iit.domain.interruption import GRACE_DAYS, NEVER
from iit.domain.vocabulary import TERMINATION_DIED
from iit.synth import concepts
from iit.synth.people import NO_DAY, Ints
from iit.synth.scene import Scene, rows_of

_SHARE_CONTACTED: Final = 0.6
_SHARE_RETURN_NOTED: Final = 0.6
_SHARE_CLOSED: Final = 0.5
_REASONS: Final = (1737, 162192, 165896, 165031, 160586, 165898, 165897, 5622)
_REASON_SHARES: Final = (0.27, 0.20, 0.20, 0.10, 0.05, 0.08, 0.04, 0.06)


class Result(NamedTuple):
    """A viral load of a specimen taken at the visit; NaN where none was taken, days 0 where it is not yet known."""

    copies_ml: float
    reported: int
    created: int

    def __repr__(self) -> str:
        return "Result()"


class Tracing(NamedTuple):
    """An attempt to reach the patient and the closing of the file; days count from 1970-01-01, 0 where there is none.

    Attributes:
        returned: day of return, noted on the tracking form on that day.
        closed: day the file was ended as lost to follow-up.
    """

    attempted: int
    is_contacted: bool
    mode: int
    reason: int
    returned: int
    closed: int

    def __repr__(self) -> str:
        return "Tracing()"


class Departure(NamedTuple):
    """A death, transfer or stop: the day, the reason for termination, the day and the places it was written down."""

    day: int
    reason: int
    documented: int
    is_on_form: bool
    is_in_person_block: bool

    def __repr__(self) -> str:
        return "Departure()"


def results(scene: Scene, entered: Ints) -> Iterator[Result]:
    """Yield each visit's result, typed in after its report and not before the visit itself (`entered`)."""
    cycles = scene.cycles
    created = np.maximum(cycles.reported, entered) + scene.between(0, 3)
    is_known = (cycles.reported != NO_DAY) & (created <= scene.last_day)
    return rows_of(
        Result,
        copies_ml=cycles.viral_load,
        reported=np.where(is_known, cycles.reported, 0),
        created=np.where(is_known, created, 0),
    )


def tracings(scene: Scene) -> Iterator[Tracing]:
    """Yield each cycle's tracing, which happens only while the patient is still out."""
    cycles, end, last = scene.cycles, scene.end, scene.last_day
    attempt = cycles.expected + scene.of_facility("trace_after_days").astype(np.int64) + scene.between(0, 25)
    is_traced = scene.chance(scene.of_facility("traces")) & (attempt < end) & (attempt <= last)
    is_contacted = is_traced & scene.chance(_SHARE_CONTACTED)
    is_noted = is_contacted & (cycles.back == end) & (cycles.back <= last) & scene.chance(_SHARE_RETURN_NOTED)
    closing = cycles.expected + GRACE_DAYS + scene.between(60, 130)
    is_closed = (scene.of_facility("closes_files") > 0) & scene.chance(_SHARE_CLOSED)
    is_closed &= (closing < end) & (closing <= last)
    return rows_of(
        Tracing,
        attempted=np.where(is_traced, attempt, 0),
        is_contacted=is_contacted,
        mode=np.where(scene.chance(0.75), concepts.BY_PHONE, concepts.BY_HOME_VISIT),
        reason=np.array(_REASONS)[scene.rng.choice(len(_REASONS), size=len(cycles), p=_REASON_SHARES)],
        returned=np.where(is_noted, cycles.back, 0),
        closed=np.where(is_closed, closing, 0),
    )


def departures(scene: Scene) -> Iterator[Departure]:
    """Yield each cycle's end of care, written down within three weeks; a death often in the person's block."""
    cycles = scene.cycles
    documented = np.where(cycles.exit_day == NEVER, NEVER, cycles.exit_day + scene.between(0, 21))
    is_known = documented <= scene.last_day
    is_death = cycles.exit_reason == TERMINATION_DIED
    place = scene.rng.random(len(cycles))
    return rows_of(
        Departure,
        day=np.where(is_known, cycles.exit_day, 0),
        reason=np.where(is_known, cycles.exit_reason, 0),
        documented=np.where(is_known, documented, 0),
        is_on_form=is_known & (~is_death | (place < 0.6)),
        is_in_person_block=is_known & is_death & (place > 0.3),
    )
