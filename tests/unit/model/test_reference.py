"""A reference is taken from lists of days, as service will see them."""

from datetime import date, timedelta

import numpy as np

from iit.domain.interruption import GRACE_DAYS
from iit.domain.record import Event, day_number
from iit.domain.vocabulary import Kind
from iit.features.columns import columns_of
from iit.features.context import build_contexts
from iit.features.registry import FEATURE_NAMES
from iit.model.lists import lists_of
from iit.model.reference import DUE_PARTS, LABEL_DAYS, LIST_DAYS, Surroundings, parts_of, reference_of
from iit.testing import a_fact, a_record, pickup, pickups_with_lateness

DAY_0 = date(2023, 1, 1)
START = day_number(DAY_0)


def on(days: int) -> date:
    return DAY_0 + timedelta(days=days)


def listed(*events: Event, days: list[int]) -> list[int]:
    rows = lists_of(columns_of([a_record(*events)]), np.array([0]), [START + day for day in days])
    return (rows.on - START).tolist()


def world(*records: list[Event]) -> Surroundings:
    columns = columns_of([a_record(*events) for events in records])
    facility = np.zeros(len(records), np.int32)
    return Surroundings(columns, facility, build_contexts(columns, facility, 1), ["SYN1"])


def test_a_list_holds_whoever_can_still_be_interrupted() -> None:
    last = 30 + GRACE_DAYS
    days = [-1, 0, 5, last, last + 1]
    assert listed(pickup(on(0)), days=days) == [0, 5, last]
    assert listed(pickup(on(0), known_after_days=3), days=days) == [5, last]
    assert listed(pickup(on(0)), a_fact(Kind.DEATH, on(4)), days=days) == [0]


def test_lists_of_the_reference_fall_on_every_weekday() -> None:
    assert {back % 7 for back in LIST_DAYS} == set(range(7))
    assert {back % 7 for back in LABEL_DAYS} == set(range(7))


def test_parts_by_days_to_expected_include_their_lowest_day() -> None:
    assert parts_of(np.array([-29, -28, -22, -21, 0, 112, 500])).tolist() == [0, 1, 1, 2, 5, 11, 11]
    assert max(DUE_PARTS) < 180


def test_a_reference_knows_nothing_later_than_its_day() -> None:
    early = [pickups_with_lateness(on(0), 30, [0, 3, 5, 2, 0, 1, 4, 3]) for _ in range(25)]
    late = [[*events, pickup(on(400), 90.0), a_fact(Kind.DEATH, on(410))] for events in early]
    risk = lambda features: np.full(len(features), 0.2)  # noqa: E731
    as_of = START + 280
    before, after = (reference_of(world(*records), risk, as_of=as_of, high=0.5) for records in (early, late))
    del before["quality"], after["quality"]  # the lag is today's, as everywhere
    assert before["features"] == after["features"]
    assert before["n_patients"] == 25
    assert set(before["features"]) == set(FEATURE_NAMES)


def test_labels_of_the_reference_are_counted_by_days_to_expected() -> None:
    stays = [pickups_with_lateness(on(0), 30, [0] * 16) for _ in range(30)]
    leaves = [pickups_with_lateness(on(0), 30, [0] * 5) for _ in range(10)]
    told = reference_of(
        world(*stays, *leaves), lambda features: np.full(len(features), 0.2), as_of=START + 500, high=0.5
    )
    labels = told["labels"]
    assert 0 < sum(labels["interrupted"]) < sum(labels["n"])
    assert labels["interrupted"][1:4] == labels["n"][1:4]  # whoever is overdue here never comes back


def test_nobody_on_any_list_is_a_reference_of_nobody() -> None:
    told = reference_of(world([pickup(on(0))]), lambda f: np.zeros(len(f)), as_of=START + 3000, high=0.5)
    assert told["n_patients"] == 0
