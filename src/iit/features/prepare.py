"""What every family starts from: the facts known by a day, the cycles in them, and the last fact of each kind."""

import math
from math import nan

from iit.domain.interruption import find_cycles
from iit.features.answers import N_KINDS
from iit.features.arrays import Floats, Ints


def replaces(kind: int, value: float, known: int, before: int, v_known: Ints) -> bool:
    """Return whether a fact takes the place of the last of its kind before it (-1 for none).

    A fact without its value tells nothing, unless it tells by being there (a birth, a transfer in). Of two birthdates
    the one told later counts, not the younger one.
    """
    if kind == 60:  # Kind.BIRTH
        return before < 0 or known >= v_known[before]
    return kind == 45 or not math.isnan(value)  # Kind.TRANSFER_IN


def prepare(
    a: int,
    b: int,
    as_of: int,
    policy: int,
    day: Ints,
    known: Ints,
    kind: Ints,
    value: Floats,
    v_day: Ints,
    v_known: Ints,
    v_kind: Ints,
    v_value: Floats,
    last: Ints,
    cycles: Ints,
    late: Floats,
) -> tuple[int, int]:
    """Copy the visible facts and find their cycles; return (number of facts, number of cycles).

    Args:
        a: first fact of the patient.
        b: end of the patient's facts, excluded.
        as_of: prediction day; a fact counts if it happened and was known by its end.
        policy: an `ExpectedPolicy`.
        day: all facts' days; likewise known, kind and value.
        known: days on which facts became known.
        kind: kinds; a fact of a kind outside [0, 72) is passed over.
        value: values.
        v_day: receives visible days (int64); likewise v_known, v_kind (int64) and v_value (float64).
        v_known: receives the days they became known.
        v_kind: receives kinds.
        v_value: receives values.
        last: (72,) receives the place of the last visible fact of each kind that tells something, -1 for none.
        cycles: (4, room) int64, receives start, days supplied, source and expected day.
        late: (room,) float64, receives the lateness of each cycle's pick-up in days; [0] is NaN.
    """
    for k in range(N_KINDS):
        last[k] = -1
    n = 0
    for i in range(a, b):
        if day[i] <= as_of and known[i] <= as_of and kind[i] >= 0 and kind[i] < N_KINDS:
            v_day[n] = int(day[i])
            v_known[n] = int(known[i])
            v_kind[n] = int(kind[i])
            v_value[n] = float(value[i])
            if replaces(v_kind[n], v_value[n], v_known[n], last[v_kind[n]], v_known):
                last[v_kind[n]] = n
            n += 1
    count = find_cycles(v_day, v_kind, v_value, n, policy, cycles[0], cycles[1], cycles[2], cycles[3])
    late[0] = nan
    for i in range(1, count):
        late[i] = float(cycles[0, i] - cycles[3, i - 1])
    return n, count
