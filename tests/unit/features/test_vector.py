"""One path for one patient and for all, and what it must never do."""

import numpy as np
import pytest

from iit.domain.vocabulary import Kind
from iit.features import vector
from iit.features.columns import Columns, columns_of
from iit.features.context import Contexts
from iit.features.registry import FEATURE_NAMES, FEATURES, INDEX, NEVER_MISSING, NO_PICKUP, NO_RETURN
from iit.features.vector import matrix, vector_of
from iit.testing import a_record


def bits(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(np.int32)


@pytest.fixture(scope="module")
def rows(cohort) -> np.ndarray:
    """The cohort's vectors, each patient on a day of their own."""
    everyone = np.arange(cohort.columns.n_patients)
    return matrix(cohort.columns, cohort.facility, everyone, cohort.days, cohort.contexts)


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_every_feature_reacts_to_something(rows: np.ndarray, name: str) -> None:
    known = rows[:, INDEX[name]]
    assert len(np.unique(known[~np.isnan(known)])) >= 2


@pytest.mark.parametrize("feature", [one for one in FEATURES if one.missing == NEVER_MISSING], ids=lambda one: one.name)
def test_what_is_never_unknown_never_is(rows: np.ndarray, feature) -> None:
    assert not np.isnan(rows[:, INDEX[feature.name]]).any()


@pytest.mark.parametrize("feature", [one for one in FEATURES if one.missing == NO_PICKUP], ids=lambda one: one.name)
def test_what_needs_a_pickup_is_known_from_the_first(rows: np.ndarray, feature) -> None:
    has_pickup = rows[:, INDEX["n_pickups_all"]] > 0
    assert (~has_pickup).any()
    assert not np.isnan(rows[has_pickup, INDEX[feature.name]]).any()


@pytest.mark.parametrize("feature", [one for one in FEATURES if one.missing == NO_RETURN], ids=lambda one: one.name)
def test_what_needs_a_return_is_known_from_the_first(rows: np.ndarray, feature) -> None:
    if feature.name in ("prev_late_days", "prev2_late_days"):
        returns = 2 if feature.name == "prev_late_days" else 3
    else:
        returns = 1
    is_known = ~np.isnan(rows[:, INDEX[feature.name]])
    assert np.array_equal(is_known, rows[:, INDEX["n_pickups_all"]] > returns)


def test_a_batch_in_any_order_says_what_each_patient_alone_does(cohort, rows: np.ndarray) -> None:
    random = np.random.default_rng(3)
    order = random.permutation(cohort.columns.n_patients)
    shuffled = matrix(cohort.columns, cohort.facility, order, cohort.days[order], cohort.contexts)
    assert np.array_equal(bits(shuffled), bits(rows[order]))
    for patient in order[:40]:
        alone = vector_of(cohort.columns, patient, cohort.days[patient], cohort.contexts, int(cohort.facility[patient]))
        assert np.array_equal(bits(alone), bits(rows[patient]))


def test_the_uncompiled_path_says_the_same_to_the_bit(cohort, rows: np.ndarray) -> None:
    everyone = np.arange(cohort.columns.n_patients)
    plain = matrix(
        cohort.columns, cohort.facility, everyone, cohort.days, cohort.contexts, kernel=vector._fill_all.py_func
    )
    assert np.array_equal(bits(plain), bits(rows))


def test_one_facility_alone_says_what_it_says_among_others(cohort, rows: np.ndarray) -> None:
    packed = [one.pack() for one in cohort.contexts.facilities]
    for patient in np.flatnonzero(cohort.facility >= 0)[:40]:
        own = cohort.contexts.facilities[cohort.facility[patient]]
        stored = Contexts.of([type(own).unpack(packed[cohort.facility[patient]])])
        alone = vector_of(cohort.columns, int(patient), int(cohort.days[patient]), stored, 0)
        assert np.array_equal(bits(alone), bits(rows[patient]))


def test_a_patient_without_a_pickup_is_told_as_far_as_possible() -> None:
    nobody = columns_of([a_record()])
    told = dict(zip(FEATURE_NAMES, vector_of(nobody, 0, 20000, Contexts.of([])), strict=True))
    assert told["n_pickups_all"] == 0
    assert np.isnan(told["days_to_ecd"])


@pytest.mark.parametrize(
    ("facility", "patient"),
    [
        pytest.param([-1], 1, id="a patient too many"),
        pytest.param([-1], -1, id="a patient before the first"),
        pytest.param([0], 0, id="a facility that is not held"),
        pytest.param([-1, -1], 0, id="facilities of more patients than there are"),
    ],
)
def test_places_that_do_not_exist_are_refused(facility: list[int], patient: int) -> None:
    with pytest.raises(IndexError):
        matrix(
            columns_of([a_record()]), np.array(facility, np.int32), np.array([patient]), np.array([20000], np.int32),
            Contexts.of([]),
        )  # fmt: skip


def test_kinds_of_a_later_version_are_passed_over() -> None:
    def columns(*kinds: int) -> Columns:
        n = len(kinds)
        days = np.full(n, 19000, np.int32)
        return Columns(np.array([0, n]), days, days, np.array(kinds, np.int16), np.full(n, 30, np.float32))

    known = vector_of(columns(Kind.PICKUP), 0, 19010, Contexts.of([]))
    assert np.array_equal(bits(vector_of(columns(-1, Kind.PICKUP, 72, 32000), 0, 19010, Contexts.of([]))), bits(known))


def test_other_number_types_do_not_compile_the_kernel_anew(cohort) -> None:
    before = len(vector._fill_all.signatures)
    matrix(
        cohort.columns, cohort.facility.astype(np.int64), np.array([0], np.int32), cohort.days[:1].astype(np.int64),
        cohort.contexts,
    )  # fmt: skip
    assert len(vector._fill_all.signatures) == max(before, 1)
