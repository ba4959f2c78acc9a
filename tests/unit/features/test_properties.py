"""What must hold of every feature, whatever the record."""

import math
from datetime import date, timedelta

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from iit.domain.record import Event, day_number
from iit.domain.vocabulary import CODED, Kind
from iit.features import vector
from iit.features.answers import TABLES
from iit.features.columns import columns_of
from iit.features.context import Contexts, FacilityContext, build_contexts
from iit.features.registry import FEATURE_NAMES
from iit.features.vector import matrix
from iit.testing import a_fact, a_record

DAY_0 = date(2022, 1, 1)
DATED = {Kind.APPOINTMENT, Kind.TPT_START, Kind.TPT_STOP, Kind.EXPECTED_DELIVERY, Kind.ART_START, Kind.HIV_DIAGNOSIS,
         Kind.ENROLMENT, Kind.TRANSFER_IN, Kind.RETURNED}  # fmt: skip


def values_of(kind: Kind) -> st.SearchStrategy[float]:
    """Return credible values of a kind, and none."""
    return st.one_of(credible(kind), credible(kind), credible(kind), st.just(float("nan")))


def credible(kind: Kind) -> st.SearchStrategy[float]:
    if kind in TABLES:
        return st.sampled_from([float(answer) for answer, _ in TABLES[kind]] + [7.0])
    if kind in CODED:
        return st.sampled_from([1204.0, 1205.0, 1206.0, 1207.0, 5240.0, 159492.0])
    if kind in DATED:
        return st.integers(-400, 400).map(lambda days: float(day_number(DAY_0) + days))
    if kind is Kind.PICKUP:
        return st.sampled_from([30.0, 60.0, 90.0, 180.0, 0.0, 400.0, float("nan")])
    if kind is Kind.BIRTH:
        return st.just(float("nan"))
    return st.sampled_from([0.0, 1.0, 2.0, 30.0, 60.0, 199.0, 250.0, 5000.0])


@st.composite
def facts(draw: st.DrawFn) -> Event:
    """Return any fact within two years, known up to two months later, or told ahead of its day."""
    kind = draw(st.one_of(st.just(Kind.PICKUP), st.sampled_from(list(Kind))))
    on = DAY_0 + timedelta(days=draw(st.integers(-365, 365)))
    return a_fact(
        kind, on, draw(values_of(kind)),
        known_after_days=draw(st.sampled_from([0, 0, 0, 1, 10, 60, -20])), source_id=str(draw(st.uuids())),
    )  # fmt: skip


RECORDS = st.lists(facts(), min_size=1, max_size=40)
DAYS = st.integers(-300, 400).map(lambda days: day_number(DAY_0) + days)


def vectors(records: list[list[Event]], on: int, contexts: Contexts | None = None, kernel=vector._fill_all):
    """Return the vectors of records on a day."""
    n = len(records)
    columns = columns_of([a_record(*events) for events in records])
    place = np.full(n, -1 if contexts is None else 0, np.int32)
    held = contexts or Contexts.of([])
    return matrix(columns, place, np.arange(n), np.full(n, on, np.int32), held, kernel=kernel)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.array_equal(a.view(np.int32), b.view(np.int32)))


@given(RECORDS, DAYS)
def test_what_becomes_known_later_changes_nothing(events: list[Event], on: int) -> None:
    known = [e for e in events if max(day_number(e.known_at), day_number(e.occurred_at)) <= on]
    assert same_bits(vectors([events], on), vectors([known], on))


@given(RECORDS, DAYS, st.randoms())
def test_the_order_of_rows_changes_nothing(events: list[Event], on: int, random) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    assert same_bits(vectors([events], on), vectors([shuffled], on))


@given(st.lists(RECORDS, min_size=2, max_size=5), DAYS)
def test_a_batch_says_the_same_as_each_alone(records: list[list[Event]], on: int) -> None:
    batch = vectors(records, on)
    assert all(same_bits(batch[i : i + 1], vectors([events], on)) for i, events in enumerate(records))


@settings(max_examples=50)
@given(RECORDS, DAYS)
def test_compiled_and_uncompiled_agree_to_the_bit(events: list[Event], on: int) -> None:
    columns = columns_of([a_record(*events)])
    contexts = build_contexts(columns, np.zeros(1, np.int32), 1)
    assert same_bits(vectors([events], on, contexts), vectors([events], on, contexts, vector._fill_all.py_func))


@given(RECORDS, DAYS)
def test_a_stored_context_says_the_same_as_the_one_in_memory(events: list[Event], on: int) -> None:
    contexts = build_contexts(columns_of([a_record(*events)]), np.zeros(1, np.int32), 1)
    stored = Contexts.of([FacilityContext.unpack(one.pack()) for one in contexts.facilities])
    assert same_bits(vectors([events], on, contexts), vectors([events], on, stored))


@given(RECORDS, DAYS)
def test_no_feature_is_infinite(events: list[Event], on: int) -> None:
    assert not np.isinf(vectors([events], on)).any()


@given(RECORDS, facts(), DAYS)
def test_a_fact_without_its_value_hides_no_earlier_one(events: list[Event], fact: Event, on: int) -> None:
    tells_by_being_there = {Kind.PICKUP, Kind.BIRTH, Kind.TRANSFER_IN, Kind.TRACKED, Kind.ARV_DRUG, Kind.EAC_SESSION,
                            Kind.VIRAL_LOAD, Kind.DEATH}  # fmt: skip
    assume(fact.kind not in tells_by_being_there)
    empty = fact._replace(value=float("nan"))
    assert same_bits(vectors([events], on), vectors([[*events, empty]], on))


@given(RECORDS, DAYS)
def test_shares_and_counts_keep_within_their_bounds(events: list[Event], on: int) -> None:
    told = dict(zip(FEATURE_NAMES, vectors([events], on)[0].tolist(), strict=True))
    for name in ("share_late7_all", "early_pickup_share_5", "pdc_180", "pdc_365"):
        assert math.isnan(told[name]) or 0 <= told[name] <= 1
    for window in (3, 5, 10):
        late = [told[f"n_late{least}_{window}"] for least in (1, 7, 14)]
        assert math.isnan(late[0]) or window >= late[0] >= late[1] >= late[2] >= 0
    assert told["n_pickups_6m"] <= told["n_pickups_12m"] <= told["n_pickups_all"]
    assert told["ever_iit_12m"] <= told["ever_iit_24m"] <= told["n_prev_iit"]
    assert 0 <= told["days_out_total_24m"] <= 730
    assert math.isnan(told["max_gap_days_365"]) or 0 <= told["max_gap_days_365"] <= 365
    assert told["n_high_vl_24m"] <= told["n_vl_24m"]
