"""The refill cycles of one patient as known on a day, with what became of each."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iit.domain import interruption
from iit.domain.interruption import NEVER, CycleStatus
from iit.features.columns import Columns
from iit.features.compiled import compiled, inlined

for _function in (interruption.is_valid_supply, interruption.expected_contact, interruption.is_exit):
    inlined(_function)

_find_cycles = compiled(interruption.find_cycles)
_first_exit = compiled(interruption.first_exit)
_died_before = compiled(interruption.died_before)


class Cycle(NamedTuple):
    """A refill cycle; days count from 1970-01-01.

    `label` is 1 interrupted, 0 returned, None if it cannot or cannot yet be known (`status` tells which).
    `exit_day` is the first death, transfer out or stop on or after the pick-up, or NEVER.
    """

    start: int
    days_supplied: int
    source: int
    expected: int
    next_start: int | None
    exit_day: int
    status: CycleStatus
    label: int | None


class _Visible(NamedTuple):
    day: NDArray[np.int32]
    kind: NDArray[np.int16]
    value: NDArray[np.float32]


def _visible(columns: Columns, patient: int, on: int) -> _Visible:
    a, b = columns.offsets[patient], columns.offsets[patient + 1]
    seen = (columns.day[a:b] <= on) & (columns.known[a:b] <= on)
    return _Visible(columns.day[a:b][seen], columns.kind[a:b][seen], columns.value[a:b][seen])


def cycles_of(columns: Columns, patient: int, as_of: int, last_known: int, lag: int, policy: int = 0) -> list[Cycle]:
    """Return a patient's cycles, oldest first, judged with what was known at the end of a day.

    Args:
        columns: records.
        patient: place of the patient in them.
        as_of: day of judgement.
        last_known: last day the facility reported anything.
        lag: days the facility's reports run late; an absence is believed only that long after.
        policy: an `ExpectedPolicy`.
    """
    facts = _visible(columns, patient, as_of)
    n = len(facts.day)
    start, supply, source, expected = (np.zeros(n, np.int32) for _ in range(4))
    count = _find_cycles(facts.day, facts.kind, facts.value, n, policy, start, supply, source, expected)
    observed_until = min(as_of, last_known) - lag
    cycles = []
    for i in range(count):
        begin = int(start[i])
        following = int(start[i + 1]) if i + 1 < count else NEVER
        exit_day = int(_first_exit(facts.day, facts.kind, facts.value, n, begin))
        if _died_before(facts.day, facts.kind, facts.value, n, begin):
            exit_day = begin
        status = CycleStatus(interruption.cycle_status(begin, int(expected[i]), following, exit_day, observed_until))
        cycles.append(
            Cycle(
                start=begin,
                days_supplied=int(supply[i]),
                source=int(source[i]),
                expected=int(expected[i]),
                next_start=None if following == NEVER else following,
                exit_day=exit_day,
                status=status,
                label=int(status) if status in (CycleStatus.RETURNED, CycleStatus.INTERRUPTED) else None,
            )
        )
    return cycles


def current_cycle(columns: Columns, patient: int, on: int, policy: int = 0) -> Cycle | None:
    """Return the cycle a patient is in as known at the end of a day, or None before the first pick-up."""
    cycles = cycles_of(columns, patient, on, on, 0, policy)
    return cycles[-1] if cycles else None
