"""Facilities: what their figures are, and that no later knowledge reaches back into them."""

import math
from datetime import date, timedelta

import numpy as np
import pytest

from iit.domain.errors import InvalidInput
from iit.domain.interruption import GRACE_DAYS
from iit.domain.record import Event, day_number
from iit.domain.vocabulary import Kind
from iit.features import facility_history
from iit.features.calendar import month_index
from iit.features.columns import Columns, columns_of, unpack
from iit.features.context import Contexts, FacilityContext, build_contexts, shrunk
from iit.features.facility_history import HALF_YEAR
from iit.features.registry import INDEX
from iit.features.vector import vector_of
from iit.model.cycles import cycles_of
from iit.testing import a_fact, a_record, pickup

JAN_1 = date(2023, 1, 1)


def contexts_of(*patients: list[Event], n_facilities: int = 1, facility: list[int] | None = None) -> Contexts:
    columns = columns_of([a_record(*events) for events in patients])
    return build_contexts(columns, np.array(facility or [0] * len(patients), np.int32), n_facilities)


def row(contexts: Contexts, on: date, place: int = 0) -> list[float]:
    """Return (interruption rate, mean days late, patients on treatment) of the month of a day."""
    one = contexts.facility(place)
    return one.months[month_index(day_number(on)) - one.first_month].tolist()


def first_of(month: int) -> date:
    return date(2023, month, 1)


def news(on: date) -> Event:
    """Return a fact that only shows that the facility told something."""
    return a_fact(Kind.VISIT, on)


def test_a_return_counts_from_the_month_after_it_was_told() -> None:
    back = JAN_1 + timedelta(days=40)  # 10 days late, on 10 February, told on 2 March
    contexts = contexts_of([pickup(JAN_1, 30), pickup(back, 30, known_after_days=20), news(first_of(6))])
    assert math.isnan(row(contexts, first_of(3))[1])
    assert row(contexts, first_of(4))[:2] == [0, 10]


def test_an_interruption_counts_once_day_28_has_passed_and_the_facility_was_heard_since() -> None:
    patient = [pickup(JAN_1, 30)]  # expected 31 January, interrupted from 1 March
    silent = contexts_of([*patient, news(date(2023, 2, 28))])
    assert math.isnan(row(silent, first_of(3))[0])
    heard = contexts_of([*patient, news(date(2023, 3, 1))])
    assert math.isnan(row(heard, first_of(3))[0])
    assert row(heard, first_of(4))[0] == 1


def test_a_late_return_is_an_interruption_and_its_days_count() -> None:
    back = JAN_1 + timedelta(days=30 + 29)
    contexts = contexts_of([pickup(JAN_1, 30), pickup(back, 30)])
    assert row(contexts, first_of(4))[:2] == [1, 29]


def test_what_was_decided_more_than_183_days_ago_no_longer_counts() -> None:
    back = date(2023, 2, 1)
    contexts = contexts_of([pickup(JAN_1, 30), pickup(back, 300), news(first_of(12))])
    assert row(contexts, first_of(8))[1] == 1  # 181 days
    assert math.isnan(row(contexts, first_of(9))[1])  # 212 days


def test_patients_on_treatment_are_those_not_yet_interrupted() -> None:
    ends = pickup(JAN_1, 31)  # expected 1 February, still in care on 1 March, the 28th day after
    contexts = contexts_of([ends, news(first_of(6))], [pickup(JAN_1, 32)], [pickup(JAN_1, 30)])
    assert row(contexts, first_of(2))[2] == 3
    assert row(contexts, first_of(3))[2] == 2
    assert row(contexts, first_of(4))[2] == 0


@pytest.mark.parametrize(
    "leaving",
    [
        pytest.param(a_fact(Kind.DEATH, date(2023, 1, 20)), id="death"),
        pytest.param(a_fact(Kind.TERMINATION, date(2023, 1, 20), 159492), id="transfer out"),
        pytest.param(a_fact(Kind.TERMINATION, date(2023, 1, 20), 165916), id="stop"),
    ],
)
def test_who_left_is_neither_on_treatment_nor_interrupted(leaving: Event) -> None:
    contexts = contexts_of([pickup(JAN_1, 30), leaving, news(first_of(3))])
    assert row(contexts, first_of(2))[2] == 0
    assert math.isnan(row(contexts, first_of(4))[0])


def test_a_termination_as_lost_is_the_outcome_itself() -> None:
    lost = a_fact(Kind.TERMINATION, date(2023, 1, 20), 5240)
    contexts = contexts_of([pickup(JAN_1, 30), lost, news(first_of(3))])
    assert row(contexts, first_of(2))[2] == 1
    assert row(contexts, first_of(4))[0] == 1


def test_a_late_entry_changes_only_the_months_after_it() -> None:
    patient = [pickup(JAN_1, 30), pickup(date(2023, 5, 1), 30), news(first_of(9))]
    forgotten = pickup(date(2023, 1, 31), 30, known_after_days=140)  # told on 20 June
    before, after = contexts_of(patient), contexts_of([*patient, forgotten])
    for month in range(2, 7):
        assert np.array_equal(row(before, first_of(month)), row(after, first_of(month)), equal_nan=True)
    assert row(before, first_of(7)) != row(after, first_of(7))


def known_before(columns: Columns, day: int) -> Columns:
    """Return the facts known before a day."""
    keep = columns.known < day
    counts = [int(keep[a:b].sum()) for a, b in zip(columns.offsets[:-1], columns.offsets[1:], strict=True)]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Columns(offsets, columns.day[keep], columns.known[keep], columns.kind[keep], columns.value[keep])


@pytest.mark.parametrize("months_back", [1, 5, 12, 20])
def test_no_later_knowledge_reaches_back(cohort, months_back: int) -> None:
    whole = cohort.contexts
    day = first_of(12).replace(year=2023 - months_back // 12, month=12 - months_back % 12)
    then = build_contexts(known_before(cohort.columns, day_number(day)), cohort.facility, whole.n_facilities)
    for now, was in zip(whole.facilities, then.facilities, strict=True):
        at = month_index(day_number(day))
        assert np.array_equal(now.months[at - now.first_month], was.months[at - was.first_month], equal_nan=True)
        assert np.array_equal(now.known_days[now.known_days < day_number(day)], was.known_days)
        told = now.expected_known < day_number(day)
        assert np.array_equal(now.expected[told], was.expected)
        assert np.array_equal(now.expected_known[told], was.expected_known)


def told_back(cohort, patient: int, start: int) -> int:
    """Return the day from which a pick-up was known."""
    columns = cohort.columns
    own = slice(columns.offsets[patient], columns.offsets[patient + 1])
    is_it = (columns.day[own] == start) & (columns.kind[own] == Kind.PICKUP)
    return int(np.maximum(columns.day[own], columns.known[own])[is_it].min())


def by_hand(cohort, place: int, month: int) -> tuple[int, int, list[int], int]:
    """Return (resolved, interrupted, days late, on treatment) of a month from each patient's cycles as known before."""
    known_days = cohort.contexts.facility(place).known_days
    resolved, interrupted, late, on_treatment = 0, 0, [], 0
    for patient in np.flatnonzero(cohort.facility == place).tolist():
        cycles = cycles_of(cohort.columns, patient, month - 1, month - 1, 0)
        on_treatment += bool(cycles) and cycles[-1].exit_day > month and month <= cycles[-1].expected + GRACE_DAYS
        for cycle in (one for one in cycles if one.label is not None):
            has_return = cycle.next_start is not None
            is_recent = has_return and told_back(cohort, patient, cycle.next_start) >= month - HALF_YEAR
            if is_recent:
                late.append(max(cycle.next_start - cycle.expected, 0))
            heard = known_days[known_days > cycle.expected + GRACE_DAYS]
            is_missed = cycle.label == 1 and len(heard) > 0 and month - HALF_YEAR <= heard[0] < month
            resolved += is_missed or (cycle.label == 0 and is_recent)
            interrupted += is_missed
    return resolved, interrupted, late, on_treatment


@pytest.mark.parametrize("months_back", [0, 9, 18])
def test_the_figures_are_those_of_the_cycles_as_known_then(cohort, months_back: int) -> None:
    day = date(2023 - months_back // 12, 12 - months_back % 12, 1)
    told = [by_hand(cohort, place, day_number(day)) for place in range(cohort.contexts.n_facilities)]
    rates = shrunk(*(np.array([one[i] for one in told], float) for i in (1, 0)))
    for place, (resolved, interrupted, late, on_treatment) in enumerate(told):
        assert resolved > 10
        assert interrupted > 0
        expected = [rates[place], np.mean(late), on_treatment]
        assert row(cohort.contexts, day, place) == pytest.approx(expected, rel=1e-6)


def test_rates_are_drawn_toward_the_general_one_the_more_the_smaller_the_facility() -> None:
    rates = shrunk(np.array([0.0, 300.0, 10.0, 0.0]), np.array([10.0, 1000.0, 100.0, 0.0]))
    general = 310 / 1110
    assert 0 < rates[0] < general
    assert abs(rates[1] - 0.3) < abs(general - 0.3)
    assert 0.1 < rates[2] < general
    assert rates[3] == pytest.approx(general)


def test_the_prior_finds_the_spread_that_made_the_rates() -> None:
    random = np.random.default_rng(4)
    resolved = random.integers(50, 400, 3000).astype(float)
    interrupted = random.binomial(resolved.astype(int), random.beta(10, 90, 3000)).astype(float)
    weight = resolved * (interrupted / resolved - (told := shrunk(interrupted, resolved))) / (told - 0.1)
    usable = np.abs(told - 0.1) > 0.02
    assert np.median(weight[usable]) == pytest.approx(100, rel=0.15)


def test_without_any_resolved_cycle_no_rate_is_told() -> None:
    assert np.isnan(shrunk(np.zeros(2), np.zeros(2))).all()


def test_facilities_that_differ_by_chance_only_share_one_rate() -> None:
    rates = shrunk(np.array([10.0, 10.0]), np.array([100.0, 100.0]))
    assert rates == pytest.approx([0.1, 0.1])


def figure(contexts: Contexts, name: str, on: date, *events: Event) -> float:
    return float(vector_of(columns_of([a_record(*events)]), 0, day_number(on), contexts, 0)[INDEX[name]])


def test_the_last_news_of_the_day_itself_counts() -> None:
    contexts = contexts_of([pickup(JAN_1, 30), news(date(2023, 1, 10))])
    assert figure(contexts, "fac_sync_lag_days", date(2023, 1, 9)) == 8
    assert figure(contexts, "fac_sync_lag_days", date(2023, 1, 10)) == 0
    assert math.isnan(figure(contexts, "fac_sync_lag_days", date(2022, 12, 31)))


def test_pickups_expected_on_the_same_day_count_once_they_are_known() -> None:
    late = pickup(JAN_1, 30, known_after_days=5)
    contexts = contexts_of([pickup(JAN_1, 30)], [late], [pickup(JAN_1 + timedelta(days=1), 29)], [pickup(JAN_1, 31)])
    name = "fac_patients_per_day_on_ecd"
    assert figure(contexts, name, JAN_1, pickup(JAN_1, 30)) == 1
    assert figure(contexts, name, JAN_1 + timedelta(days=4), pickup(JAN_1, 30)) == 2
    assert figure(contexts, name, JAN_1 + timedelta(days=5), pickup(JAN_1, 30)) == 3


def test_a_corrected_pickup_stays_expected_as_first_told() -> None:
    corrected = a_fact(Kind.PICKUP, JAN_1, 60, known_after_days=10, source_id="correction")
    one = contexts_of([pickup(JAN_1, 30), corrected]).facility(0)
    assert one.expected.tolist() == [day_number(JAN_1) + 30]
    assert one.expected_known.tolist() == [day_number(JAN_1)]


def test_pickups_after_a_recorded_death_count_for_nothing() -> None:
    contexts = contexts_of([a_fact(Kind.DEATH, JAN_1), pickup(JAN_1 + timedelta(days=5), 30), news(date(2023, 3, 10))])
    assert row(contexts, first_of(2))[2] == 0
    assert math.isnan(row(contexts, first_of(4))[0])


def test_a_month_after_the_last_repeats_it_and_one_before_the_first_is_unknown() -> None:
    contexts = contexts_of([pickup(JAN_1, 180)])
    assert figure(contexts, "fac_tx_curr", date(2023, 2, 15)) == 1
    assert figure(contexts, "fac_tx_curr", date(2023, 12, 15)) == 1
    assert math.isnan(figure(contexts, "fac_tx_curr", date(2022, 12, 31)))


def test_home_is_the_town_of_most_patients() -> None:
    def of(*cities: float) -> list[Event]:
        return [a_fact(Kind.CITY, JAN_1 + timedelta(days=day), city) for day, city in enumerate(cities)]

    contexts = contexts_of(of(7), of(7), of(3, 3, 3, 9), of(9, 9, 7), facility=[0, 0, 0, 0])
    assert contexts.facility(0).home_city == 7
    assert contexts_of(of(5), of(4)).facility(0).home_city == 4
    apart = contexts_of(of(5), of(2**24 - 1), of(2), facility=[0, 2, -1], n_facilities=3)
    assert apart.home_city.tolist() == [5, -1, 2**24 - 1]
    assert contexts_of([pickup(JAN_1)]).facility(0).home_city == -1


@pytest.mark.parametrize(
    ("lags", "told"),
    [
        pytest.param([0] * 20, 0, id="all at once"),
        pytest.param([0] * 19 + [9], 9, id="one of twenty: the value above the 95th of a hundred"),
        pytest.param([0] * 39 + [9], 0, id="one of forty"),
        pytest.param([3], 3, id="only one"),
        pytest.param([500], 366, id="at most a year and a day"),
    ],
)
def test_reports_run_late_by_their_95th_percentile(lags: list[int], told: int) -> None:
    events = [pickup(JAN_1 + timedelta(days=day), 30, known_after_days=lag) for day, lag in enumerate(lags)]
    assert contexts_of(events).facility(0).reporting_lag_days == told
    if told < 366:
        assert told == int(np.percentile(lags, 95, method="higher"))


def test_reports_of_over_a_year_ago_no_longer_tell_the_lag() -> None:
    old = [pickup(JAN_1 - timedelta(days=400 + day), 30, known_after_days=50) for day in range(20)]
    assert contexts_of([*old, pickup(JAN_1, 30)]).facility(0).reporting_lag_days == 0


def test_a_pickup_dated_ahead_of_its_telling_moves_nothing() -> None:
    typo = a_fact(Kind.PICKUP, date(2123, 1, 1), 30, known_after_days=-36525)
    assert typo.known_at.date() < JAN_1
    plain, mistyped = contexts_of([pickup(JAN_1, 30)]), contexts_of([pickup(JAN_1, 30), typo])
    assert mistyped.facility(0).last_known_day == plain.facility(0).last_known_day
    assert mistyped.facility(0).reporting_lag_days == 0
    assert mistyped.facility(0).months.tobytes() == plain.facility(0).months.tobytes()


def test_facilities_without_patients_have_empty_contexts() -> None:
    contexts = build_contexts(unpack([]), np.empty(0, np.int32), 2)
    assert contexts.last_known_day.tolist() == [-1, -1]
    assert contexts.reporting_lag_days.tolist() == [0, 0]
    assert math.isnan(figure(contexts, "fac_tx_curr", JAN_1))


def test_patients_of_no_facility_take_part_in_none() -> None:
    contexts = contexts_of([pickup(JAN_1, 30)], [pickup(JAN_1, 30)], facility=[0, -1])
    assert row(contexts, first_of(2))[2] == 1
    assert len(contexts.facility(0).expected) == 1


def test_a_context_with_months_stands_beside_one_without() -> None:
    empty = build_contexts(unpack([]), np.empty(0, np.int32), 1).facility(0)
    full = contexts_of([pickup(JAN_1, 30)]).facility(0)
    both = Contexts.of([empty, full])
    assert np.isnan(both.arrays[1][0]).all()
    assert np.array_equal(both.arrays[1][1], full.months, equal_nan=True)


def pack_of(columns: Columns, patient: int) -> bytes:
    """Return a patient's facts as they are stored."""
    own = slice(columns.offsets[patient], columns.offsets[patient + 1])
    return b"".join(one[own].tobytes() for one in (columns.day, columns.known, columns.kind, columns.value))


def test_a_facility_that_fell_silent_keeps_its_last_month_beside_one_that_did_not() -> None:
    silent = contexts_of([pickup(JAN_1, 180)]).facility(0)
    heard = contexts_of([pickup(JAN_1, 30), news(first_of(12))]).facility(0)
    both = Contexts.of([silent, heard])
    for on in (first_of(1), first_of(2), first_of(10)):
        alone = vector_of(columns_of([a_record(pickup(JAN_1))]), 0, day_number(on), Contexts.of([silent]), 0)
        beside = vector_of(columns_of([a_record(pickup(JAN_1))]), 0, day_number(on), both, 0)
        assert np.array_equal(alone, beside, equal_nan=True)


def test_the_kernels_say_the_same_uncompiled(cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = cohort.columns
    has_left = np.isin(columns.kind, (Kind.TERMINATION, Kind.DEATH))
    leavers = np.unique(np.searchsorted(columns.offsets, np.flatnonzero(has_left), side="right") - 1)[:30]
    some = unpack([pack_of(columns, patient) for patient in (*leavers.tolist(), 0, 1, 2)])
    facility = np.arange(len(leavers) + 3, dtype=np.int32) % 5 - 1
    compiled = [one.pack() for one in build_contexts(some, facility, 4).facilities]
    for name in ("follow_all", "survey_all", "count_all_lags"):
        monkeypatch.setattr(facility_history, name, getattr(facility_history, name).py_func)
    assert [one.pack() for one in build_contexts(some, facility, 4).facilities] == compiled


def test_bytes_of_another_version_or_cut_off_are_refused(cohort) -> None:
    packed = cohort.contexts.facility(0).pack()
    assert FacilityContext.unpack(packed).pack() == packed
    for bad in (b"", packed[:10], bytes([packed[0] + 1]) + packed[1:], packed[:-1], packed + b"\0"):
        with pytest.raises(InvalidInput):
            FacilityContext.unpack(bad)
