"""What became of a prediction is told by the programme's definition, as known on a day."""

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iit.domain.interruption import GRACE_DAYS, CycleStatus
from iit.domain.record import Event, day_number
from iit.domain.vocabulary import Kind
from iit.features.columns import columns_of
from iit.model import outcomes
from iit.model.dataset import build_dataset
from iit.model.outcomes import NO_CYCLE, Judged, judge
from iit.testing import a_fact, a_record, pickup

DAY_0 = date(2023, 1, 1)
START = day_number(DAY_0)
END = 30 + GRACE_DAYS  # last day of the window of a supply of 30 days


def on(days: int) -> date:
    return DAY_0 + timedelta(days=days)


def judged(*events: Event, asked: int = 10, as_of: int = 200, last_known: int | None = None, lag: int = 0) -> Judged:
    reach = np.array([START + (as_of if last_known is None else last_known)])
    return judge(
        columns_of([a_record(*events)]), reach, np.array([lag]), np.array([0]), np.array([START + asked]),
        as_of=START + as_of,
    )  # fmt: skip


def stop(days: int, known_after_days: int = 0) -> Event:
    return a_fact(Kind.TERMINATION, on(days), 165889.0, known_after_days=known_after_days)


@pytest.mark.parametrize(
    ("events", "asked", "as_of", "status", "label", "evaluable", "resolved"),
    [
        ([pickup(on(0)), pickup(on(END))], 10, 200, CycleStatus.RETURNED, 0, True, END),
        ([pickup(on(0)), pickup(on(END + 1))], 10, 200, CycleStatus.INTERRUPTED, 1, True, END),
        ([pickup(on(0)), pickup(on(20), known_after_days=5)], 10, 200, CycleStatus.RETURNED, 0, True, 25),
        ([pickup(on(0)), pickup(on(20))], 10, END - 1, CycleStatus.RETURNED, 0, False, 20),  # window still open
        ([pickup(on(0)), pickup(on(20))], 10, END, CycleStatus.RETURNED, 0, True, 20),
        ([pickup(on(0), float("nan"))], 10, 200, CycleStatus.INTERRUPTED, 1, False, END),  # days supplied guessed
        ([pickup(on(0)), stop(40, 3)], 10, 200, CycleStatus.COMPETING, -1, False, 43),
        ([pickup(on(0)), stop(9, 30)], 10, 200, CycleStatus.NOT_AT_RISK, -1, False, 39),  # had left, nobody knew
        ([pickup(on(0))], END + 1, 200, CycleStatus.INTERRUPTED, 1, False, END),  # asked when it was over
    ],
)
def test_an_outcome_follows_the_definition(
    events: list[Event], asked: int, as_of: int, status: int, label: int, evaluable: bool, resolved: int
) -> None:
    found = judged(*events, asked=asked, as_of=as_of)
    assert found.status.tolist() == [status]
    assert found.label.tolist() == [label]
    assert found.evaluable.tolist() == [evaluable]
    assert found.resolved.tolist() == [START + resolved]


@pytest.mark.parametrize(
    ("as_of", "last_known", "lag", "status"),
    [
        (END - 1, None, 0, CycleStatus.CENSORED),
        (END, None, 0, CycleStatus.INTERRUPTED),
        (END + 4, None, 5, CycleStatus.CENSORED),
        (END + 5, None, 5, CycleStatus.INTERRUPTED),
        (300, END - 1, 0, CycleStatus.CENSORED),  # the facility fell silent
        (300, END, 0, CycleStatus.INTERRUPTED),
    ],
)
def test_an_absence_counts_only_where_reports_reach(as_of: int, last_known: int | None, lag: int, status: int) -> None:
    found = judged(pickup(on(0)), as_of=as_of, last_known=last_known, lag=lag)
    assert found.status.tolist() == [status]


def test_a_prediction_belongs_to_the_cycle_that_was_current_as_known_that_day() -> None:
    late_entry = pickup(on(25), known_after_days=20)
    before = judged(pickup(on(0)), late_entry, asked=44)
    after = judged(pickup(on(0)), late_entry, asked=45)
    assert (before.index_day[0], before.label[0]) == (START, 0)
    assert after.index_day[0] == START + 25


def test_without_a_pickup_there_is_nothing_to_judge() -> None:
    assert judged(pickup(on(20)), asked=10).status.tolist() == [NO_CYCLE]


FACTS = st.builds(
    lambda kind, day, late: a_fact(kind[0], on(day), kind[1], known_after_days=late, source_id=f"{kind}{day}{late}"),
    st.sampled_from(
        [(Kind.PICKUP, 30.0), (Kind.PICKUP, 60.0), (Kind.PICKUP, float("nan")), (Kind.TERMINATION, 159492.0),
         (Kind.DEATH, float("nan"))]
    ),
    st.integers(0, 300),
    st.integers(0, 40),
)  # fmt: skip


@given(st.lists(st.lists(FACTS, max_size=8), min_size=1, max_size=3), st.integers(0, 400), st.integers(0, 10))
def test_predictions_on_landmarks_are_judged_as_training_labels_them(
    records: list[list[Event]], as_of: int, lag: int
) -> None:
    columns = columns_of([a_record(*events) for events in records])
    n = len(records)
    reach: Any = SimpleNamespace(
        last_known_day=np.array([START + 300], np.int32), reporting_lag_days=np.array([lag], np.int32)
    )
    dataset = build_dataset(columns, np.zeros(n, np.int32), reach, as_of=START + as_of)
    found = judge(
        columns, np.full(n, START + 300), np.full(n, lag), dataset.patient, dataset.as_of, as_of=START + as_of
    )
    assert np.array_equal(found.index_day, dataset.index_day)
    assert np.array_equal(found.label, dataset.label)
    assert np.array_equal(found.evaluable, dataset.trainable)
    returned = found.label == 0
    assert np.array_equal(found.resolved[returned], dataset.resolved[returned])


def test_compiled_and_plain_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    events = pickup(on(0)), pickup(on(40)), stop(90, 3)
    compiled = judged(*events, asked=45)
    monkeypatch.setattr(outcomes, "judge_all", outcomes.judge_rows)
    assert judged(*events, asked=45).status.tolist() == compiled.status.tolist()
