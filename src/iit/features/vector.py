"""From a record to its features: one path for one patient and for all."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain import interruption
from iit.features import (
    answers,
    calendar,
    cascade,
    clinical,
    facility,
    lateness,
    person,
    pregnancy,
    prepare,
    refill,
    treatment,
)
from iit.features.answers import DTG_REGIMENS, N_KINDS, tables
from iit.features.arrays import Arrays, Floats, Ints, Room, Tables
from iit.features.columns import Columns
from iit.features.compiled import compiled, inlined
from iit.features.context import Contexts

N_FEATURES: Final = 98

TABLES: Final = tables()
DTG: Final = np.array(DTG_REGIMENS, np.int64)
EIDS: Final = calendar.EIDS


def fill(
    as_of: int,
    policy: int,
    a: int,
    b: int,
    day: Ints,
    known: Ints,
    kind: Ints,
    value: Floats,
    place: int,
    home_city: int,
    contexts: Arrays,
    tables: Tables,
    dtg: Ints,
    eids: Ints,
    room: Room,
    out: Floats,
) -> None:
    """Fill one vector. `room` holds scratch arrays at least as long as the longest record."""
    v_day, v_known, v_kind, v_value, last, cycles, late = room
    n, count = prepare.prepare(
        a, b, as_of, policy, day, known, kind, value, v_day, v_known, v_kind, v_value, last, cycles, late
    )
    lateness.lateness(as_of, cycles, late, count, out)
    cascade.cascade(as_of, v_day, v_kind, v_value, n, last, cycles, late, count, tables, out)
    refill.refill(as_of, v_day, v_kind, v_value, n, cycles, count, eids, out)
    art_start = treatment.treatment(as_of, v_day, v_kind, v_value, n, last, cycles, count, tables, dtg, out)
    person.person(as_of, v_day, v_value, last, home_city, tables, out)
    clinical.clinical(as_of, v_day, v_known, v_kind, v_value, n, last, art_start, tables, out)
    pregnancy.pregnancy(as_of, v_day, v_kind, v_value, n, last, tables, out)
    expected = cycles[3, count - 1] if count > 0 else -1
    facility.facility(as_of, place, expected, contexts, out)


def fill_all(
    policy: int,
    offsets: Ints,
    day: Ints,
    known: Ints,
    kind: Ints,
    value: Floats,
    of_facility: Ints,
    patients: Ints,
    days: Ints,
    home_city: Ints,
    contexts: Arrays,
    tables: Tables,
    dtg: Ints,
    eids: Ints,
    room: Room,
    result: Floats,
) -> None:
    """Fill a row of `result` for each (patient, day)."""
    out = np.empty(98, np.float64)
    for r in range(len(patients)):
        i = patients[r]
        place = of_facility[i]
        home = home_city[place] if place >= 0 else -1
        fill(
            int(days[r]), policy, int(offsets[i]), int(offsets[i + 1]), day, known, kind, value,
            place, home, contexts, tables, dtg, eids, room, out,
        )  # fmt: skip
        for j in range(98):
            result[r, j] = out[j]


for _function in (
    interruption.is_valid_supply, interruption.expected_contact, interruption.find_cycles,
    calendar.civil, calendar.month_index, calendar.easter, calendar.is_holiday_window,
    prepare.replaces, prepare.prepare,
    lateness.count_late, lateness.mean_late, lateness.covered_share, lateness.spread, lateness.longest_gap,
    lateness.lateness, answers.place_of, cascade.cascade, refill.mmd_band, refill.appointment_gap, refill.refill,
    treatment.line_number, treatment.is_dtg, treatment.earliest, treatment.regimen_changes,
    treatment.treatment,
    person.age_band, person.person, clinical.viral_load_category, clinical.viral_load, clinical.weight_change,
    clinical.clinical, pregnancy.pregnancy, facility.count_expected, facility.facility, fill,
):  # fmt: skip
    inlined(_function)

_fill_all = compiled(fill_all)


def scratch(longest: int) -> tuple[NDArray[np.int64], ...]:
    """Return room for records of up to `longest` facts."""
    n = max(longest, 1)
    return (
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.float64),
        np.empty(N_KINDS, np.int64),
        np.empty((4, n), np.int64),
        np.empty(n, np.float64),
    )


def matrix(
    columns: Columns,
    facility_of: NDArray[np.int32],
    row_patient: NDArray[np.int64],
    row_as_of: NDArray[np.int32],
    contexts: Contexts,
    policy: int = 0,
    *,
    kernel: Callable[..., None] = _fill_all,
) -> NDArray[np.float32]:
    """Return the features of patients on days.

    Releases the GIL: callers may share the rows out among threads. A patient without a pick-up known by the day has
    `n_pickups_all` 0 and is not on treatment; what can be told of them is.

    Args:
        columns: records of m patients.
        facility_of: (m,) int32, place of each patient's facility in `contexts`; -1 unknown.
        row_patient: (r,) int64, place of the patient in `columns`.
        row_as_of: (r,) int32, prediction day; facts count that happened and were known by its end.
        contexts: the facilities.
        policy: an `ExpectedPolicy`.
        kernel: the compiled loop, or its uncompiled original in tests.

    Returns:
        (r, 98) float32 in the order of `FEATURE_NAMES`; NaN is unknown.

    Raises:
        IndexError: a row's patient or a patient's facility does not exist. The kernel itself does not look.
    """
    if len(row_patient) and not 0 <= row_patient.min() <= row_patient.max() < columns.n_patients:
        raise IndexError("row_patient: a place without a patient")
    if len(facility_of) != columns.n_patients or facility_of.max(initial=-1) >= contexts.n_facilities:
        raise IndexError("facility_of: not a facility for each patient")
    result = np.empty((len(row_patient), N_FEATURES), np.float32)
    longest = int(np.diff(columns.offsets).max(initial=0))
    # One type for each argument: another would compile the kernel anew, in the middle of a request.
    kernel(
        int(policy), columns.offsets, columns.day, columns.known, columns.kind, columns.value,
        np.ascontiguousarray(facility_of, np.int32), np.ascontiguousarray(row_patient, np.int64),
        np.ascontiguousarray(row_as_of, np.int32), contexts.home_city, contexts.arrays, TABLES, DTG, EIDS,
        scratch(longest), result,
    )  # fmt: skip
    return result


def vector_of(
    columns: Columns, patient: int, as_of: int, contexts: Contexts, place: int = -1, policy: int = 0
) -> NDArray[np.float32]:
    """Return one patient's features on a day, by the same path as `matrix`.

    Args:
        columns: records.
        patient: place of the patient in them.
        as_of: prediction day.
        contexts: facilities.
        place: of the patient's facility in `contexts`; -1 unknown.
        policy: an `ExpectedPolicy`.

    Returns:
        (98,) float32; NaN is unknown.
    """
    facility_of = np.full(columns.n_patients, place, np.int32)
    rows: NDArray[np.float32] = matrix(
        columns, facility_of, np.array([patient], np.int64), np.array([as_of], np.int32), contexts, policy
    )[0]
    return rows
