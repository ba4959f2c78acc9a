"""What was known of a patient on a day, as far as the peers' recipes ask for it and our own features do not tell it.

A fact counts once it has happened and is known. Days to look from (`as_of`) and days to look at (`until`) are apart, so
that a peer's habit of reading on past the prediction day can be shown; honest inputs have both the same.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain import interruption
from iit.domain.vocabulary import Kind
from iit.features.arrays import Floats, Ints
from iit.features.columns import Columns
from iit.features.compiled import compiled, inlined

N_LATE: Final = 10
KINDS: Final = (
    Kind.WEIGHT_KG, Kind.HEIGHT_CM, Kind.ADHERENCE, Kind.WHO_STAGE, Kind.FUNCTIONAL_STATUS, Kind.TB_STATUS,
    Kind.PREGNANCY, Kind.DSD_MODEL, Kind.VIRAL_LOAD, Kind.CD4, Kind.REGIMEN, Kind.CARE_ENTRY, Kind.MARITAL_STATUS,
    Kind.EDUCATION, Kind.OCCUPATION, Kind.STATE, Kind.CITY, Kind.PHONE, Kind.SEX, Kind.ART_START, Kind.ENROLMENT,
)  # fmt: skip
_SLOT: Final = np.full(max(Kind) + 1, -1, np.int64)
_SLOT[np.array(KINDS)] = np.arange(len(KINDS))


@dataclass(frozen=True, repr=False)
class Known:
    """What was known, r rows.

    Attributes:
        last: (r, kinds) latest value of each of `KINDS`, NaN for none.
        last_day: (r, kinds) day of that value, NaN for none.
        first: (r, kinds) first value.
        late: (r, 10) days late of the latest return, the one before, …; negative is early, NaN for none.
        start: (r,) day of the latest pick-up; -1 for none.
        supply: (r,) days supplied then.
        expected: (r,) day of expected contact.
        n_pickups: (r,) days with a pick-up so far.
    """

    last: NDArray[np.float32]
    last_day: NDArray[np.float32]
    first: NDArray[np.float32]
    late: NDArray[np.float32]
    start: NDArray[np.int64]
    supply: NDArray[np.int64]
    expected: NDArray[np.int64]
    n_pickups: NDArray[np.int64]

    def value(self, kind: Kind) -> NDArray[np.float32]:
        """Return (r,) the latest value of a kind."""
        return self.last[:, _SLOT[kind]]

    def day(self, kind: Kind) -> NDArray[np.float32]:
        """Return (r,) the day of the latest value of a kind."""
        return self.last_day[:, _SLOT[kind]]

    def baseline(self, kind: Kind) -> NDArray[np.float32]:
        """Return (r,) the first value of a kind."""
        return self.first[:, _SLOT[kind]]


def look(columns: Columns, patient: NDArray[np.int64], until: NDArray[np.int64]) -> Known:
    """Return what was known of patients at the end of days.

    Args:
        columns: records of m patients.
        patient: (r,) place of the patient of each row.
        until: (r,) last day whose facts count.
    """
    n = len(patient)
    last, last_day, first = (np.full((n, len(KINDS)), np.nan, np.float32) for _ in range(3))
    late = np.full((n, N_LATE), np.nan, np.float32)
    cycle = np.full((4, n), -1, np.int64)
    _look_at_all(
        columns.offsets, columns.day, columns.known, columns.kind, columns.value, patient, until, _SLOT,
        last, last_day, first, late, cycle,
    )  # fmt: skip
    return Known(last, last_day, first, late, *cycle)


def look_at_all(
    offsets: Ints,
    day: Ints,
    known: Ints,
    kind: Ints,
    value: Floats,
    patient: Ints,
    until: Ints,
    slot: Ints,
    last: Floats,
    last_day: Floats,
    first: Floats,
    late: Floats,
    cycle: Ints,
) -> None:
    """Fill the arrays of `Known`; `cycle` receives start, supply, expected day and number of pick-ups."""
    longest = 1
    for p in range(len(offsets) - 1):
        longest = max(longest, offsets[p + 1] - offsets[p])
    v_day, v_kind, v_value = np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty(longest, np.float64)
    cycles = np.empty((4, longest), np.int64)
    for r in range(len(patient)):
        n = 0
        for i in range(offsets[patient[r]], offsets[patient[r] + 1]):
            if day[i] > until[r] or known[i] > until[r]:
                continue
            v_day[n], v_kind[n], v_value[n] = day[i], kind[i], value[i]
            n += 1
            place = slot[kind[i]]
            if place >= 0 and not np.isnan(value[i]):
                last[r, place], last_day[r, place] = value[i], day[i]
                if np.isnan(first[r, place]):
                    first[r, place] = value[i]
        count = interruption.find_cycles(v_day, v_kind, v_value, n, 0, cycles[0], cycles[1], cycles[2], cycles[3])
        cycle[3, r] = count
        if count > 0:
            cycle[0, r], cycle[1, r], cycle[2, r] = cycles[0, count - 1], cycles[1, count - 1], cycles[3, count - 1]
        for back in range(min(late.shape[1], count - 1)):
            c = count - 1 - back
            late[r, back] = cycles[0, c] - cycles[3, c - 1]


for _function in (interruption.is_valid_supply, interruption.expected_contact, interruption.find_cycles):
    inlined(_function)

_look_at_all = compiled(look_at_all)
