"""The rows a model learns from: for each cycle of each patient, the days on which it is asked."""

import numpy as np

from iit.domain import interruption
from iit.domain.interruption import GRACE_DAYS, NEVER
from iit.features.arrays import Floats, Ints
from iit.features.compiled import compiled, inlined

COLUMNS = (
    "patient", "as_of", "index_day", "expected", "landmark", "status", "label_contact", "source", "resolved", "settled",
)  # fmt: skip
OFFSETS = (-14, -7, 0, 7, 14, 21)  # iit.domain.landmarks.LANDMARK_OFFSETS; a test holds both together


def next_any_contact(day: Ints, kind: Ints, a: int, b: int, start: int, expected: int) -> bool:
    """Return whether any clinical contact (pick-up or visit) lies in (start, expected + 28]."""
    for i in range(a, b):
        if day[i] > start and day[i] <= expected + GRACE_DAYS and (kind[i] == 1 or kind[i] == 10):
            return True
    return False


def known_returns(first_known: Ints, starts: Ints, count: int, last: int, cycle: int) -> int:
    """Return the day on which any later pick-up, made by day `last`, became known; NEVER for none."""
    told = NEVER
    for later in range(cycle + 1, count):
        if starts[later] > last:
            break
        told = min(told, first_known[later])
    return told


def collect_rows(
    as_of: int,
    policy: int,
    offsets: Ints,
    day: Ints,
    known: Ints,
    kind: Ints,
    value: Floats,
    facility: Ints,
    last_known: Ints,
    lag: Ints,
    out: Ints,
) -> int:
    """Write a row (see COLUMNS) for every landmark of every cycle, judged with what was known by `as_of`.

    `resolved` is the day the label became known; `settled` the day from which either label would have been, so that
    rows chosen by it are chosen whatever the label is.

    Returns the number of rows; with no room in `out` (0 rows) it only counts them.
    """
    longest = 1
    for p in range(len(offsets) - 1):
        longest = max(longest, offsets[p + 1] - offsets[p])
    v_day, v_known, v_kind = np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty(longest, np.int64)
    v_value = np.empty(longest, np.float64)
    cycles = np.empty((4, longest), np.int64)
    first_known = np.empty(longest, np.int64)
    counting = len(out) == 0
    total = 0
    for p in range(len(offsets) - 1):
        n = 0
        for i in range(offsets[p], offsets[p + 1]):
            if day[i] <= as_of and known[i] <= as_of:
                v_day[n], v_known[n], v_kind[n], v_value[n] = day[i], known[i], kind[i], value[i]
                n += 1
        count = interruption.find_cycles(v_day, v_kind, v_value, n, policy, cycles[0], cycles[1], cycles[2], cycles[3])
        fact = 0
        for c in range(count):
            while not (v_day[fact] == cycles[0, c] and v_kind[fact] == 1):
                fact += 1
            first_known[c] = max(v_known[fact], v_day[fact])
        observed = min(as_of, last_known[facility[p]]) - lag[facility[p]]
        for c in range(count):
            start, expected = cycles[0, c], cycles[3, c]
            following = cycles[0, c + 1] if c + 1 < count else NEVER
            leaves = interruption.first_exit(v_day, v_kind, v_value, n, start)
            if interruption.died_before(v_day, v_kind, v_value, n, start):
                leaves = start
            status = interruption.cycle_status(start, expected, following, leaves, observed)
            label_contact = -1
            if status == 0 or status == 1:
                label_contact = 0 if next_any_contact(v_day, v_kind, 0, n, start, expected) else 1
            superseded = known_returns(first_known, cycles[0], count, NEVER, c)
            settled = expected + GRACE_DAYS + lag[facility[p]]
            resolved = settled
            if status == 0:
                resolved = known_returns(first_known, cycles[0], count, min(expected + GRACE_DAYS, leaves), c)
                settled = max(settled, resolved)
            for landmark in range(7):
                on = first_known[c] if landmark == 0 else expected + OFFSETS[landmark - 1]
                if landmark > 0 and on <= first_known[c]:
                    continue
                if on >= superseded or on > as_of or on > expected + GRACE_DAYS or on >= leaves:
                    continue
                if not counting:
                    out[total, 0], out[total, 1], out[total, 2], out[total, 3] = p, on, start, expected
                    out[total, 4], out[total, 5], out[total, 6] = landmark, status, label_contact
                    out[total, 7], out[total, 8], out[total, 9] = cycles[2, c], resolved, settled
                total += 1
    return total


for _function in (
    interruption.is_valid_supply,
    interruption.expected_contact,
    interruption.is_exit,
    interruption.find_cycles,
    interruption.first_exit,
    interruption.died_before,
    interruption.cycle_status,
    next_any_contact,
    known_returns,
):
    inlined(_function)

collect = compiled(collect_rows)


def current_cycle_of_each(
    offsets: Ints, day: Ints, known: Ints, kind: Ints, value: Floats, patients: Ints, on: Ints, out: Ints
) -> None:
    """Write (expected day, first exit or NEVER) of each patient's cycle on a day; (-1, NEVER) before the first."""
    for r in range(len(patients)):
        a, b = offsets[patients[r]], offsets[patients[r] + 1]
        room = max(b - a, 1)
        v_day, v_kind, v_value = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float64)
        cycles = np.empty((4, room), np.int64)
        n = 0
        for i in range(a, b):
            if day[i] <= on[r] and known[i] <= on[r]:
                v_day[n], v_kind[n], v_value[n] = day[i], kind[i], value[i]
                n += 1
        count = interruption.find_cycles(v_day, v_kind, v_value, n, 0, cycles[0], cycles[1], cycles[2], cycles[3])
        out[r, 0] = -1
        out[r, 1] = NEVER
        if count > 0:
            start = cycles[0, count - 1]
            out[r, 0] = cycles[3, count - 1]
            out[r, 1] = interruption.first_exit(v_day, v_kind, v_value, n, start)
            if interruption.died_before(v_day, v_kind, v_value, n, start):
                out[r, 1] = start


current_cycles = compiled(current_cycle_of_each)
