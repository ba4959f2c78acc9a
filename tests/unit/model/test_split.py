"""What trains, calibrates and tests never overlaps in time, patient or facility."""

import numpy as np
import pytest
from model_cases import FACILITIES, a_dataset, a_split, patients

from iit.domain.errors import InvalidInput
from iit.domain.interruption import GRACE_DAYS
from iit.model.dataset import Dataset
from iit.model.split import held_out, split

DATASET, _ = a_dataset()
PARTS = a_split(DATASET)
TRAINED = PARTS.early | PARTS.late


def test_no_training_label_reaches_into_a_later_part() -> None:
    ends = DATASET.expected + GRACE_DAYS
    assert max(ends[TRAINED].max(), DATASET.resolved[TRAINED].max()) <= PARTS.train_until
    assert max(ends[PARTS.calibrate].max(), DATASET.resolved[PARTS.calibrate].max()) <= PARTS.calibrate_until
    assert PARTS.train_until < PARTS.calibrate_until < DATASET.index_day[PARTS.test].min()


def test_the_number_of_trees_is_set_by_later_rows_than_those_that_grow_them() -> None:
    assert DATASET.settled[PARTS.early].max() < DATASET.settled[PARTS.late].min()


def test_a_row_has_one_part_at_most() -> None:
    parts = np.stack([PARTS.early, PARTS.late, PARTS.calibrate, PARTS.test])
    assert parts.sum(axis=0).max() == 1


def test_a_cycle_is_never_divided() -> None:
    """Landmarks of one cycle share its label."""
    part = PARTS.early + 2 * PARTS.late + 3 * PARTS.calibrate + 4 * PARTS.test
    assert (part[0::2] == part[1::2]).all()


def test_held_out_patients_and_facilities_teach_nothing() -> None:
    taught = TRAINED | PARTS.calibrate
    for held, of in ((PARTS.unseen_patient, DATASET.patient), (PARTS.unseen_facility, DATASET.facility)):
        assert held[PARTS.test].any()
        assert not set(of[held]) & set(of[taught])


def test_the_split_does_not_look_at_labels() -> None:
    """A part chosen by the day its label became known would hold too few interruptions near its end."""
    turned = Dataset(**{name: getattr(DATASET, name) for name in Dataset.__dataclass_fields__} | {
        "label": 1 - DATASET.label,
        "resolved": np.where(DATASET.label == 1, DATASET.expected + 10, DATASET.settled),
    })  # fmt: skip
    other = a_split(turned)
    for name in ("early", "late", "calibrate", "test"):
        assert np.array_equal(getattr(PARTS, name), getattr(other, name))


def test_the_test_window_is_a_fifth_of_cycles() -> None:
    assert PARTS.test.sum() / len(DATASET) == pytest.approx(0.2, abs=0.02)


def test_who_is_held_out_does_not_depend_on_who_else_there_is() -> None:
    names = patients(2000)
    chosen = held_out(names, 0.2)
    assert chosen.mean() == pytest.approx(0.2, abs=0.03)
    assert np.array_equal(held_out(names[500:], 0.2), chosen[500:])


def test_one_of_ten_facilities_is_always_held_out() -> None:
    for first in range(50):
        assert held_out([f"SYN{first * 10 + place}" for place in range(10)], 0.1).any()


def test_few_facilities_are_all_trained() -> None:
    assert not split(DATASET.take(DATASET.facility < 9), patients(400), FACILITIES[:9]).unseen_facility.any()


def test_too_little_data_is_said_so() -> None:
    with pytest.raises(InvalidInput, match="at least 20 of either label"):
        a_split(DATASET.take(DATASET.patient < 8))


def test_no_labels_at_all_is_said_so() -> None:
    nobody = DATASET.take(np.zeros(len(DATASET), np.bool_))
    with pytest.raises(InvalidInput, match="no cycle has a known label"):
        a_split(nobody)
