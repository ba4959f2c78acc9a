"""The list of a day: every patient whose refill cycle can still be interrupted, as known at the end of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iit.domain.interruption import GRACE_DAYS, NEVER
from iit.features.columns import Columns
from iit.model.landmark_rows import current_cycles


class ListRows(NamedTuple):
    """Rows of one or more lists: (r,) place of the patient, day of the list, expected day of the current cycle."""

    patient: NDArray[np.int64]
    on: NDArray[np.int64]
    expected: NDArray[np.int64]

    @property
    def days_to_expected(self) -> NDArray[np.int64]:
        """(r,) days from the list to the expected contact; negative is overdue."""
        return self.expected - self.on


def at_risk(columns: Columns, patients: NDArray[np.int64], on: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the expected day of each patient's cycle, or -1 for those not at risk that day."""
    found = np.empty((len(patients), 2), np.int64)
    current_cycles(columns.offsets, columns.day, columns.known, columns.kind, columns.value, patients, on, found)
    expected, leaves = found.T
    told: NDArray[np.int64] = np.where((leaves == NEVER) & (on <= expected + GRACE_DAYS), expected, -1)
    return told


def lists_of(columns: Columns, patients: NDArray[np.int64], days: Sequence[int]) -> ListRows:
    """Return the rows of the lists of some days, of the given patients; a patient's rows follow each other."""
    who = np.repeat(patients, len(days))
    on = np.tile(np.array(days, np.int32), len(patients))
    expected = at_risk(columns, who, on)
    listed = expected >= 0
    return ListRows(who[listed], on[listed].astype(np.int64), expected[listed])
