"""From a record to its features: one path for one patient and for all."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain import interruption
from iit.features import (
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
from iit.features.answers import DTG_REGIMENS, tables
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
    v_day, v_kind, v_value, last, cycles, late = room
    n, count = prepare.prepare(a, b, as_of, policy, day, known, kind, value, v_day, v_kind, v_value, last, cycles, late)
    lateness.lateness(as_of, cycles, late, count, out)
    cascade.cascade(as_of, v_day, v_kind, v_value, n, last, cycles, late, count, tables, out)
    refill.refill(as_of, v_day, v_kind, v_value, n, last, cycles, count, eids, out)
    treatment.treatment(as_of, v_day, v_kind, v_value, n, last, cycles, count, tables, dtg, out)
    person.person(as_of, v_day, v_value, last, home_city, tables, out)
    on_art_days = out[50] * calendar.DAYS_PER_MONTH
    clinical.clinical(as_of, v_day, v_kind, v_value, n, last, on_art_days, tables, out)
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
    calendar.civil, calendar.month_index, calendar.easter, calendar.is_holiday_window, prepare.prepare,
    lateness.count_late, lateness.mean_late, lateness.covered_share, lateness.spread, lateness.longest_gap,
    lateness.lateness, cascade.place_of, cascade.cascade, refill.mmd_band, refill.refill,
    treatment.line_number, treatment.is_dtg, treatment.earliest, treatment.treatment,
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
        np.empty(n, np.float64),
        np.empty(prepare.N_KINDS, np.int64),
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
    """
    result = np.empty((len(row_patient), N_FEATURES), np.float32)
    longest = int(np.diff(columns.offsets).max(initial=0))
    kernel(
        policy, columns.offsets, columns.day, columns.known, columns.kind, columns.value,
        facility_of, row_patient, row_as_of, contexts.home_city, contexts.arrays, TABLES, DTG, EIDS,
        scratch(longest), result,
    )  # fmt: skip
    return result
