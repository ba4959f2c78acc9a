"""How a patient came, as the earlier service counts it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.features.arrays import Floats, Ints
from iit.features.columns import Columns
from iit.features.compiled import compiled

_N_CONTACT: Final = 12


def contacts(facts: Columns, patient: NDArray[np.int64], as_of: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return (r, 12) the pattern of pick-ups and other visits, of what was known on the day.

    Pick-up days in 90 and 180 days, mean supply and share of 56 days or more in 180, counselling sessions in 180; days
    with any contact in all, in 90, 180 and 365 days, days since the last, mean distance, regularity of distances.
    """
    out = np.zeros((len(patient), _N_CONTACT), np.float32)
    _contacts(facts.offsets, facts.day, facts.known, facts.kind, facts.value, patient, as_of, out)
    return out


def tests(
    facts: Columns, patient: NDArray[np.int64], as_of: NDArray[np.int64], until: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return (r,) viral loads from a year before the prediction day until a day."""
    out = np.zeros(len(patient), np.float32)
    _tests(facts.offsets, facts.day, facts.known, facts.kind, patient, as_of, until, out)
    return out


def contacts_of_all(
    offsets: Ints, day: Ints, known: Ints, kind: Ints, value: Floats, patient: Ints, as_of: Ints, out: Floats
) -> None:
    """Fill (r, 12), see `contacts`."""
    for r in range(len(patient)):
        on = as_of[r]
        last_pickup, last, n, n_pickups, supply, long, total, squares = -1, -1, 0, 0, 0.0, 0, 0.0, 0.0
        for i in range(offsets[patient[r]], offsets[patient[r] + 1]):
            if day[i] > on or known[i] > on:
                continue
            if kind[i] == 24 and day[i] >= on - 180:  # Kind.EAC_SESSION
                out[r, 4] += 1
            if kind[i] == 1 and day[i] != last_pickup:  # Kind.PICKUP
                last_pickup = day[i]
                out[r, 0] += day[i] >= on - 90
                if day[i] >= on - 180:
                    n_pickups += 1
                    amount = 30.0 if np.isnan(value[i]) else value[i]
                    supply += amount
                    long += amount >= 56
            if (kind[i] == 1 or kind[i] == 10) and day[i] != last:  # Kind.VISIT
                if n > 0:
                    total += day[i] - last
                    squares += (day[i] - last) ** 2
                n += 1
                last = day[i]
                out[r, 6] += day[i] >= on - 90
                out[r, 7] += day[i] >= on - 180
                out[r, 8] += day[i] >= on - 365
        out[r, 1] = n_pickups
        if n_pickups > 0:
            out[r, 2], out[r, 3] = supply / n_pickups, long / n_pickups
        out[r, 5] = n
        out[r, 9] = on - last if n > 0 else 365
        if n > 1:
            mean = total / (n - 1)
            out[r, 10] = mean
            out[r, 11] = 1 - np.sqrt(max(squares / (n - 1) - mean * mean, 0.0)) / mean


def tests_of_all(
    offsets: Ints, day: Ints, known: Ints, kind: Ints, patient: Ints, as_of: Ints, until: Ints, out: Floats
) -> None:
    """Fill (r,) viral loads from 365 days before `as_of` to `until`."""
    for r in range(len(patient)):
        for i in range(offsets[patient[r]], offsets[patient[r] + 1]):
            if kind[i] == 30 and day[i] >= as_of[r] - 365 and day[i] <= until[r] and known[i] <= until[r]:
                out[r] += 1


_contacts = compiled(contacts_of_all)
_tests = compiled(tests_of_all)
