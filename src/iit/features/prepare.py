"""What every family starts from: the facts known by a day, the cycles in them, and the last fact of each kind."""

from math import nan

from iit.domain.interruption import find_cycles
from iit.features.arrays import Floats, Ints

N_KINDS = 72


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
        kind: kinds.
        value: values.
        v_day: receives visible days (int64); likewise v_kind (int64) and v_value (float64).
        v_kind: receives kinds.
        v_value: receives values.
        last: (72,) receives the place of the last visible fact of each kind, -1 for none.
        cycles: (4, room) int64, receives start, days supplied, source and expected day.
        late: (room,) float64, receives the lateness of each cycle's pick-up in days; [0] is NaN.
    """
    for k in range(N_KINDS):
        last[k] = -1
    n = 0
    for i in range(a, b):
        if day[i] <= as_of and known[i] <= as_of:
            v_day[n] = int(day[i])
            v_kind[n] = int(kind[i])
            v_value[n] = float(value[i])
            last[v_kind[n]] = n
            n += 1
    count = find_cycles(v_day, v_kind, v_value, n, policy, cycles[0], cycles[1], cycles[2], cycles[3])
    late[0] = nan
    for i in range(1, count):
        late[i] = float(cycles[0, i] - cycles[3, i - 1])
    return n, count
