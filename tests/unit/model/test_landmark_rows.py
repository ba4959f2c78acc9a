"""The rows a model learns from are those of the domain's definitions, and hold no more than was known."""

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iit.domain import interruption
from iit.domain.interruption import GRACE_DAYS, NEVER, CycleStatus
from iit.domain.landmarks import LANDMARK_OFFSETS, landmark_days
from iit.domain.record import Event, day_number
from iit.domain.vocabulary import Kind
from iit.features.columns import columns_of
from iit.model import landmark_rows
from iit.model.cycles import cycles_of
from iit.model.dataset import Dataset, build_dataset, row_hash, thinned
from iit.testing import a_fact, a_record, pickup

DAY_0 = date(2023, 1, 1)
START = day_number(DAY_0)


def on(days: int) -> date:
    return DAY_0 + timedelta(days=days)


def facility(*, last_known: int, lag: int = 0) -> Any:
    """Return what `build_dataset` asks of contexts: how far one facility's reports reach, and how late they run."""
    return SimpleNamespace(
        last_known_day=np.array([START + last_known], np.int32), reporting_lag_days=np.array([lag], np.int32)
    )


def rows_of(*records: list[Event], as_of: int, last_known: int | None = None, lag: int = 0) -> Dataset:
    columns = columns_of([a_record(*events) for events in records])
    reach = facility(last_known=as_of if last_known is None else last_known, lag=lag)
    return build_dataset(columns, np.zeros(len(records), np.int32), reach, as_of=START + as_of)


def labels(dataset: Dataset) -> list[int]:
    return dataset.label[dataset.landmark == 0].tolist()


FACTS = st.one_of(
    st.tuples(st.just(Kind.PICKUP), st.sampled_from([30.0, 60.0, float("nan")])),
    st.tuples(st.just(Kind.VISIT), st.just(float("nan"))),
    st.tuples(st.just(Kind.DEATH), st.just(float("nan"))),
    st.tuples(st.just(Kind.TERMINATION), st.sampled_from([5240.0, 159492.0, 165889.0])),
)


@st.composite
def facts(draw: st.DrawFn) -> Event:
    kind, value = draw(st.one_of(st.just((Kind.PICKUP, 30.0)), FACTS))
    return a_fact(
        kind, on(draw(st.integers(0, 300))), value,
        known_after_days=draw(st.sampled_from([0, 0, 0, 3, 40, 90])), source_id=str(draw(st.uuids())),
    )  # fmt: skip


RECORDS = st.lists(facts(), min_size=1, max_size=12)
DAYS = st.integers(0, 400)


@given(RECORDS, DAYS, st.integers(0, 30))
def test_rows_are_the_landmarks_of_the_domain(events: list[Event], as_of: int, lag: int) -> None:
    found = rows_of(events, as_of=as_of, lag=lag)
    known_of: dict[int, int] = {}
    for event in events:
        day, known = day_number(event.occurred_at), day_number(event.known_at)
        if event.kind is Kind.PICKUP and known <= START + as_of:
            known_of[day] = min(known, known_of.get(day, NEVER))
    cycles = cycles_of(columns_of([a_record(*events)]), 0, START + as_of, START + as_of, lag)
    expected = []
    for cycle in cycles:
        following = min((known for day, known in known_of.items() if day > cycle.start), default=NEVER)
        for day in landmark_days(known_of[cycle.start], cycle.expected, following):
            if day <= START + as_of and day <= cycle.expected + GRACE_DAYS and day < cycle.exit_day:
                expected.append((day, cycle.start, cycle.expected, -1 if cycle.label is None else cycle.label))
    assert list(zip(found.as_of, found.index_day, found.expected, found.label, strict=True)) == expected


@given(RECORDS, DAYS)
def test_what_becomes_known_later_changes_no_row(events: list[Event], as_of: int) -> None:
    known = [event for event in events if day_number(event.known_at) <= START + as_of]
    later, without = (rows_of(some, as_of=as_of, last_known=as_of) for some in (events, known))
    for name in Dataset.__dataclass_fields__:
        assert np.array_equal(getattr(later, name), getattr(without, name)), name


@given(RECORDS, DAYS, st.integers(0, 30))
def test_compiled_and_uncompiled_rows_agree(events: list[Event], as_of: int, lag: int) -> None:
    columns = columns_of([a_record(*events)])
    reach = facility(last_known=as_of, lag=lag)
    told = []
    for kernel in (landmark_rows.collect, landmark_rows.collect.py_func):
        out = np.zeros((200, len(landmark_rows.COLUMNS)), np.int64)
        n = kernel(
            START + as_of, 0, columns.offsets, columns.day, columns.known, columns.kind, columns.value,
            np.zeros(1, np.int32), reach.last_known_day, reach.reporting_lag_days, out,
        )  # fmt: skip
        told.append((n, out.tolist()))
    assert told[0] == told[1]


def test_the_offsets_are_those_of_the_domain() -> None:
    assert landmark_rows.OFFSETS == LANDMARK_OFFSETS


@pytest.mark.parametrize(
    ("back", "label"),
    [
        pytest.param(30, 0, id="on the expected day"),
        pytest.param(58, 0, id="day 28 after it is in care"),
        pytest.param(59, 1, id="day 29 after it is interrupted"),
        pytest.param(None, 1, id="never"),
    ],
)
def test_the_label_of_a_cycle(back: int | None, label: int) -> None:
    events = [pickup(on(0), 30)] + ([] if back is None else [pickup(on(back), 30)])
    assert labels(rows_of(events, as_of=300))[0] == label


def test_rows_stop_when_the_return_is_known_not_when_it_happens() -> None:
    told = rows_of([pickup(on(0), 30), pickup(on(35), 30, known_after_days=10)], as_of=300)
    first = told.take(told.index_day == START)
    assert (first.as_of - START).tolist() == [0, 16, 23, 30, 37, 44]
    assert set(first.label.tolist()) == {0}
    assert set((first.resolved - START).tolist()) == {45}


def test_an_absence_is_believed_only_after_the_reporting_lag() -> None:
    events = [pickup(on(0), 30)]
    assert labels(rows_of(events, as_of=58 + 9, lag=10)) == [-1]
    assert labels(rows_of(events, as_of=58 + 10, lag=10)) == [1]


def test_the_lag_also_counts_before_the_last_report() -> None:
    """Judged on a past day, an absence is not believed earlier than it could have been on that day."""
    assert labels(rows_of([pickup(on(0), 30)], as_of=60, last_known=400, lag=10)) == [-1]


def test_a_facility_that_stops_reporting_is_censored_not_interrupted() -> None:
    told = rows_of([pickup(on(0), 30)], [pickup(on(40), 30)], as_of=400, last_known=60)
    assert labels(told) == [1, -1]
    assert told.trainable[told.landmark == 0].tolist() == [True, False]


@pytest.mark.parametrize(
    ("leaving", "status"),
    [
        pytest.param(a_fact(Kind.DEATH, on(50)), None, id="death first"),
        pytest.param(a_fact(Kind.TERMINATION, on(50), 159492.0), None, id="transfer first"),
        pytest.param(a_fact(Kind.TERMINATION, on(50), 5240.0), 1, id="lost to follow-up is the outcome itself"),
        pytest.param(a_fact(Kind.DEATH, on(70)), 1, id="death after the interruption"),
        pytest.param(a_fact(Kind.DEATH, on(0)), None, id="death on the day of the pick-up"),
        pytest.param(a_fact(Kind.DEATH, on(-5)), None, id="death before it"),
    ],
)
def test_leaving_competes(leaving: Event, status: int | None) -> None:
    events = [pickup(on(0), 30), leaving]
    (cycle,) = cycles_of(columns_of([a_record(*events)]), 0, START + 300, START + 300, 0)
    assert cycle.label == status
    assert set(rows_of(events, as_of=300).label.tolist()) <= {-1 if status is None else status}


def test_a_clinic_visit_counts_in_the_sensitivity_label_only() -> None:
    told = rows_of([pickup(on(0), 30), a_fact(Kind.VISIT, on(40))], as_of=300)
    assert set(told.label.tolist()) == {1}
    assert set(told.label_contact.tolist()) == {0}


def test_imputed_supply_is_not_trained() -> None:
    told = rows_of([pickup(on(0), float("nan"))], [pickup(on(0), 30)], as_of=300)
    assert told.trainable[told.patient == 0].sum() == 0
    assert told.trainable[told.patient == 1].all()


def test_an_open_window_is_not_trained_even_after_a_return() -> None:
    """Else the latest cycles would tell of returns alone."""
    told = rows_of([pickup(on(0), 30), pickup(on(25), 30)], as_of=57)
    assert told.label[told.index_day == START].tolist() == [0, 0, 0]
    assert not told.trainable.any()


def test_settled_does_not_depend_on_the_label() -> None:
    told = rows_of([pickup(on(0), 30)], [pickup(on(0), 30), pickup(on(20), 30)], as_of=300, lag=7)
    first = told.take(told.index_day == START)
    assert set((first.settled - START).tolist()) == {30 + 28 + 7}
    assert set((first.resolved[first.label == 0] - START).tolist()) == {20}


def test_every_status_has_its_place_in_the_labels() -> None:
    assert (CycleStatus.RETURNED, CycleStatus.INTERRUPTED) == (0, 1)
    assert interruption.GRACE_DAYS == 28


def test_thinning_does_not_depend_on_the_order_of_rows() -> None:
    told = rows_of(*[[pickup(on(30 * k), 30) for k in range(9)] for _ in range(40)], as_of=400)
    few = thinned(told, len(told) // 4)
    assert 0.15 * len(told) < len(few) < 0.35 * len(told)
    turned = thinned(told.take(np.arange(len(told))[::-1]), len(told) // 4)
    assert sorted(row_hash(few).tolist()) == sorted(row_hash(turned).tolist())
    assert len(np.unique(row_hash(told))) == len(told)


def test_nobody_has_no_rows() -> None:
    assert len(rows_of([a_fact(Kind.VISIT, on(1))], as_of=100)) == 0
