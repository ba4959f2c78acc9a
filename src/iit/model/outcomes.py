"""What became of past predictions, by the programme's definition, as known on a day: one kernel for all of them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain import interruption
from iit.domain.interruption import GRACE_DAYS, NEVER, CycleStatus, DaysSource
from iit.features.arrays import Floats, Ints
from iit.features.columns import Columns
from iit.features.compiled import compiled, inlined
from iit.model.landmark_rows import known_returns

NO_CYCLE: Final = -1  # in place of a `CycleStatus`: the records tell of no pick-up known by the prediction day
_COLUMNS: Final = 7


def exit_known(v_day: Ints, v_known: Ints, v_kind: Ints, v_value: Floats, n: int, leaves: int) -> int:
    """Return the day on which an exit of the day `leaves` became known, or NEVER."""
    told = NEVER
    for i in range(n):
        if v_day[i] == leaves and interruption.is_exit(v_kind[i], v_value[i]):
            told = min(told, max(v_known[i], v_day[i]))
    return told


def judge_rows(
    as_of: int,
    offsets: Ints,
    day: Ints,
    known: Ints,
    kind: Ints,
    value: Floats,
    last_known: Ints,
    lag: Ints,
    patients: Ints,
    on: Ints,
    out: Ints,
) -> None:
    """Write (status, evaluable, final, resolved day, pick-up day, expected day, days source) of each prediction.

    Rows of one patient that follow each other share the finding of cycles.
    """
    longest = 1
    for p in range(len(offsets) - 1):
        longest = max(longest, offsets[p + 1] - offsets[p])
    v_day, v_known, v_kind = np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty(longest, np.int64)
    v_value = np.empty(longest, np.float64)
    cycles = np.empty((4, longest), np.int64)
    first_known = np.empty(longest, np.int64)
    before, n, count, observed, late = -1, 0, 0, 0, 0
    for r in range(len(patients)):
        p = patients[r]
        if p != before:
            before, n = p, 0
            for i in range(offsets[p], offsets[p + 1]):
                if day[i] <= as_of and known[i] <= as_of:
                    v_day[n], v_known[n], v_kind[n], v_value[n] = day[i], known[i], kind[i], value[i]
                    n += 1
            count = interruption.find_cycles(v_day, v_kind, v_value, n, 0, cycles[0], cycles[1], cycles[2], cycles[3])
            fact = 0
            for c in range(count):
                first_known[c] = NEVER
                while fact < n and v_day[fact] <= cycles[0, c]:
                    if v_day[fact] == cycles[0, c] and v_kind[fact] == 1:  # Kind.PICKUP
                        first_known[c] = min(first_known[c], max(v_known[fact], v_day[fact]))
                    fact += 1
            observed, late = min(as_of, last_known[p]) - lag[p], lag[p]
        current = -1
        for c in range(count):
            if first_known[c] <= on[r]:
                current = c
        for j in range(7):
            out[r, j] = -1
        if current < 0:
            continue
        start, expected, source = cycles[0, current], cycles[3, current], cycles[2, current]
        last = expected + GRACE_DAYS
        following = cycles[0, current + 1] if current + 1 < count else NEVER
        leaves = interruption.first_exit(v_day, v_kind, v_value, n, start)
        if interruption.died_before(v_day, v_kind, v_value, n, start):
            leaves = start
        status = interruption.cycle_status(start, expected, following, leaves, observed)
        resolved = last + late
        if leaves <= on[r]:
            status = 4  # CycleStatus.NOT_AT_RISK: left before the prediction was made, though it was not known then
            told = exit_known(v_day, v_known, v_kind, v_value, n, leaves)
            resolved = on[r] if told == NEVER else max(on[r], told)
        elif status == 0:
            resolved = known_returns(first_known, cycles[0], count, min(last, leaves), current)
        elif status == 2:
            resolved = exit_known(v_day, v_known, v_kind, v_value, n, leaves)
        is_closed = last <= observed
        out[r, 0] = status
        out[r, 1] = int(status < 2 and is_closed and source < 2 and on[r] <= last)
        out[r, 2] = int(is_closed or status == 2 or status == 4)
        out[r, 3] = min(resolved, as_of)
        out[r, 4], out[r, 5], out[r, 6] = start, expected, source


for _function in (known_returns, exit_known):
    inlined(_function)

judge_all = compiled(judge_rows)


@dataclass(frozen=True, repr=False)
class Judged:
    """What became of r predictions.

    Attributes:
        status: (r,) `CycleStatus` of the cycle the prediction was about, or `NO_CYCLE`. NOT_AT_RISK also where the
            patient had left by the prediction day.
        evaluable: (r,) bool: the label is known, days supplied were not imputed, the window had not ended on the
            prediction day and has ended since while observed (see `Dataset.trainable`).
        final: (r,) bool: only a change of the record itself can change the outcome.
        resolved: (r,) day on which what is told became known; without meaning while censored.
        index_day: (r,) day of the pick-up that began the cycle.
        expected: (r,) expected day of that cycle as now known.
        imputed: (r,) bool: days supplied are guessed from the appointment, the cycle before, or nothing.
    """

    status: NDArray[np.int64]
    evaluable: NDArray[np.bool_]
    final: NDArray[np.bool_]
    resolved: NDArray[np.int64]
    index_day: NDArray[np.int64]
    expected: NDArray[np.int64]
    imputed: NDArray[np.bool_]

    @property
    def label(self) -> NDArray[np.int64]:
        """(r,) 1 interrupted, 0 returned, -1 neither."""
        known = (self.status == CycleStatus.RETURNED) | (self.status == CycleStatus.INTERRUPTED)
        return np.where(known, self.status, -1)


def judge(
    columns: Columns,
    last_known: NDArray[np.int64],
    lag: NDArray[np.int64],
    patients: NDArray[np.int64],
    on: NDArray[np.int64],
    *,
    as_of: int,
) -> Judged:
    """Return what became of predictions with what was known at the end of a day.

    The cycle of a prediction is the one that was current on the prediction day as the records now tell it.

    Args:
        columns: records of m patients.
        last_known: (m,) last day on which the patient's facility reported anything.
        lag: (m,) days its reports run late; an absence is believed only that long after.
        patients: (r,) place of the patient; rows of one patient together are cheapest.
        on: (r,) prediction days.
        as_of: day of judgement, since 1970-01-01.
    """
    out = np.empty((len(patients), _COLUMNS), np.int64)
    judge_all(
        int(as_of), columns.offsets, columns.day, columns.known, columns.kind, columns.value,
        np.ascontiguousarray(last_known, np.int64), np.ascontiguousarray(lag, np.int64),
        np.ascontiguousarray(patients, np.int64), np.ascontiguousarray(on, np.int64), out,
    )  # fmt: skip
    status, evaluable, final, resolved, index_day, expected, source = out.T
    return Judged(status, evaluable == 1, final == 1, resolved, index_day, expected, source >= DaysSource.APPOINTMENT)
