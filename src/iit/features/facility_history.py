"""What the records of a facility's patients told of it, month after month: the kernels behind `iit.features.context`.

A month's figures come from the facts known before its first day and from no other: each patient's cycles are found
anew as they were known then, so neither a late entry nor a correction reaches back into an earlier month.
"""

import numpy as np

from iit.domain import interruption
from iit.domain.interruption import NEVER
from iit.features import calendar
from iit.features.arrays import Flags, Floats, Ints, Room
from iit.features.compiled import compiled, inlined

HALF_YEAR = 183
LONGEST_LAG = 366

# Columns of the sums of a month: resolved cycles and interruptions among them, returns and their days late (all of
# the half year before the month), patients on treatment.
RESOLVED, INTERRUPTED, RETURNS, DAYS_LATE, ON_TREATMENT = range(5)


def first_at_least(days: Ints, a: int, b: int, wanted: int) -> int:
    """Return the first of the sorted days [a, b) that is not before `wanted`, or NEVER."""
    place = a + np.searchsorted(days[a:b], wanted)
    return int(days[place]) if place < b else NEVER


def visible_cycles(a: int, b: int, until: int, policy: int, facts: Room, told: Ints, room: Room) -> tuple[int, int]:
    """Find a patient's cycles as known at the end of day `until`; return (number of facts, number of cycles).

    Args:
        a: first fact of the patient.
        b: end of the patient's facts, excluded.
        until: last day whose knowledge counts.
        policy: an `ExpectedPolicy`.
        facts: (day, kind, value) of all patients.
        told: (n,) day from which each fact could be used: known, and no longer ahead.
        room: receives visible (day, told, kind, value) and cycles (4, longest).
    """
    day, kind, value = facts
    v_day, v_told, v_kind, v_value, cycles = room
    n = 0
    for i in range(a, b):
        if told[i] <= until:
            v_day[n], v_told[n], v_kind[n], v_value[n] = day[i], told[i], kind[i], value[i]
            n += 1
    count = interruption.find_cycles(v_day, v_kind, v_value, n, policy, cycles[0], cycles[1], cycles[2], cycles[3])
    return n, count


def expected_pairs(
    a: int, b: int, policy: int, facts: Room, told: Ints, room: Room, place: int, total: int, pairs: Ints
) -> int:
    """Write (facility, expected day, day told) of each pick-up as it was first told; return the new total."""
    day, kind, _ = facts
    cycles = room[4]
    i = a
    while i < b:
        today, first = day[i], NEVER
        while i < b and day[i] == today:
            if kind[i] == 1:  # Kind.PICKUP
                first = min(first, told[i])
            i += 1
        if first == NEVER:
            continue
        _, count = visible_cycles(a, i, first, policy, facts, told, room)
        pairs[total, 0], pairs[total, 1], pairs[total, 2] = place, cycles[3, count - 1], first
        total += 1
    return total


def resolve(n: int, count: int, known_days: Ints, x: int, y: int, room: Room, ends: Ints) -> bool:
    """Write what became of each visible cycle; return whether the patient is at risk in the last of them.

    `ends` receives for each cycle: the day from which its status was known (NEVER if it is not), whether it was an
    interruption, the day its return was known (NEVER for none) and its days late.
    """
    v_day, v_told, v_kind, v_value, cycles = room
    has_exit, is_at_risk = False, False
    for i in range(n):
        if interruption.is_exit(v_kind[i], v_value[i]):
            has_exit = True
    fact = n - 1
    back, back_told = NEVER, NEVER
    for c in range(count - 1, -1, -1):
        start, expected = cycles[0, c], cycles[3, c]
        leaves = NEVER
        if has_exit:
            leaves = interruption.first_exit(v_day, v_kind, v_value, n, start)
            if interruption.died_before(v_day, v_kind, v_value, n, start):
                leaves = start
        status = interruption.cycle_status(start, expected, back, leaves, NEVER)
        ends[0, c], ends[1, c], ends[2, c], ends[3, c] = NEVER, 0, NEVER, 0
        if status < 2:
            ends[2, c], ends[3, c] = back_told, max(back - expected, 0)
            if status == 0:  # CycleStatus.RETURNED
                ends[0, c] = back_told
            else:
                ends[0, c] = first_at_least(known_days, x, y, interruption.interruption_day(expected))
                ends[1, c] = 1
        if c == count - 1:
            is_at_risk = leaves == NEVER
        back, back_told = start, NEVER
        while fact >= 0 and v_day[fact] >= start:
            if v_day[fact] == start and v_kind[fact] == 1:
                back_told = min(back_told, v_told[fact])
            fact -= 1
    return is_at_risk


def add_month(month: int, count: int, is_at_risk: bool, cycles: Ints, ends: Ints, sums: Floats) -> None:  # noqa: FBT001
    """Add a patient, as known before a month's first day, to the month's sums."""
    for c in range(count):
        if ends[0, c] < month and ends[0, c] >= month - HALF_YEAR:
            sums[0] += 1
            sums[1] += ends[1, c]
        if ends[2, c] < month and ends[2, c] >= month - HALF_YEAR:
            sums[2] += 1
            sums[3] += ends[3, c]
    if is_at_risk and month < interruption.interruption_day(cycles[3, count - 1]):
        sums[4] += 1


def follow(
    policy: int,
    offsets: Ints,
    facts: Room,
    told: Ints,
    facility: Ints,
    known_days: Ints,
    known_at: Ints,
    month_days: Ints,
    sums: Floats,
    pairs: Ints,
) -> int:
    """Add all patients to their facility's months and list its expected pick-ups; return the number of these.

    Args:
        policy: an `ExpectedPolicy`.
        offsets: (m + 1,) where each patient's facts begin.
        facts: (day, kind, value), each (n,).
        told: (n,) day from which each fact could be used.
        facility: (m,) place of each patient's facility; below 0 for none.
        known_days: days on which each facility told something, ascending, behind one another.
        known_at: (f + 1,) where each facility's begin.
        month_days: (k,) first days of months.
        sums: (f, k, 5) receives the sums.
        pairs: (n, 3) receives (facility, expected day, day told) of each pick-up.
    """
    longest = 1
    for p in range(len(offsets) - 1):
        longest = max(longest, offsets[p + 1] - offsets[p])
    cycles, ends = np.empty((4, longest), np.int64), np.empty((4, longest), np.int64)
    room = (
        np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty(longest, np.int64),
        np.empty(longest, np.float64), cycles,
    )  # fmt: skip
    has_news = np.empty(len(month_days) + 1, np.bool_)
    total = 0
    for p in range(len(offsets) - 1):
        place, a, b = facility[p], offsets[p], offsets[p + 1]
        if place < 0:
            continue
        total = expected_pairs(a, b, policy, facts, told, room, place, total, pairs)
        has_news[:] = False
        first = len(month_days)
        for i in range(a, b):
            month = np.searchsorted(month_days, told[i] + 1)
            has_news[month] = True
            first = min(first, month)
        count, is_at_risk = 0, False
        x, y = known_at[place], known_at[place + 1]
        for m in range(first, len(month_days)):
            if has_news[m]:
                n, count = visible_cycles(a, b, month_days[m] - 1, policy, facts, told, room)
                is_at_risk = resolve(n, count, known_days, x, y, room, ends)
            add_month(month_days[m], count, is_at_risk, cycles, ends, sums[place, m])
    return total


def survey(
    offsets: Ints, day: Ints, known: Ints, kind: Ints, facility: Ints, first: int, seen: Flags, latest: Ints
) -> None:
    """Mark each facility's days of news and find its latest pick-up.

    `seen` (f, days) counts days from `first`; `latest` (f,) receives the day of the latest pick-up that was told after
    it was made.
    """
    for p in range(len(offsets) - 1):
        place = facility[p]
        if place < 0:
            continue
        for i in range(offsets[p], offsets[p + 1]):
            seen[place, known[i] - first] = True
            if kind[i] == 1 and day[i] <= known[i]:  # Kind.PICKUP
                latest[place] = max(latest[place], day[i])


def count_lags(offsets: Ints, day: Ints, known: Ints, kind: Ints, facility: Ints, latest: Ints, lags: Ints) -> None:
    """Count, in (f, 367) `lags`, how many days late each facility told of the pick-ups of its last 365 days."""
    for p in range(len(offsets) - 1):
        place = facility[p]
        if place < 0:
            continue
        for i in range(offsets[p], offsets[p + 1]):
            if kind[i] == 1 and day[i] <= known[i] and day[i] > latest[place] - 365:
                lags[place, min(known[i] - day[i], LONGEST_LAG)] += 1


for _function in (
    interruption.is_valid_supply, interruption.interruption_day, interruption.expected_contact, interruption.is_exit,
    interruption.find_cycles, interruption.first_exit, interruption.died_before, interruption.cycle_status,
    calendar.civil, first_at_least, visible_cycles, expected_pairs, resolve, add_month,
):  # fmt: skip
    inlined(_function)

follow_all = compiled(follow)
survey_all = compiled(survey)
count_all_lags = compiled(count_lags)
