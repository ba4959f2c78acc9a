"""Families A to C by hand: windows, interruptions, cover and appointments at their boundaries."""

import math
from datetime import date, timedelta

import pytest

from iit.domain.record import Event, day_number
from iit.domain.vocabulary import Kind
from iit.features.columns import columns_of
from iit.features.context import Contexts
from iit.features.registry import FEATURE_NAMES
from iit.features.vector import vector_of
from iit.testing import a_fact, a_record, pickup, pickups_with_lateness

START = date(2021, 3, 1)


def told(*events: Event, on: date, policy: int = 0) -> dict[str, float]:
    """Return the features of a record on a day, at no known facility."""
    vector = vector_of(columns_of([a_record(*events)]), 0, day_number(on), Contexts.of([]), policy=policy)
    return dict(zip(FEATURE_NAMES, vector.tolist(), strict=True))


def after(days: int) -> date:
    return START + timedelta(days=days)


@pytest.mark.parametrize(
    ("late", "counts"),
    [
        pytest.param(0, (0, 0, 0, 0), id="day 0"),
        pytest.param(1, (1, 0, 0, 0), id="day 1"),
        pytest.param(6, (1, 0, 0, 0), id="day 6"),
        pytest.param(7, (1, 1, 0, 0), id="day 7"),
        pytest.param(13, (1, 1, 0, 0), id="day 13"),
        pytest.param(14, (1, 1, 1, 0), id="day 14"),
        pytest.param(28, (1, 1, 1, 0), id="day 28"),
        pytest.param(29, (1, 1, 1, 1), id="day 29"),
    ],
)
def test_limits_of_lateness(late: int, counts: tuple[int, ...]) -> None:
    events = pickups_with_lateness(START, 30, [late])
    one = told(*events, on=events[-1].occurred_at.date())
    assert (one["n_late1_3"], one["n_late7_3"], one["n_late14_3"], one["n_late28_ever"]) == counts


def test_windows_hold_the_latest_returns_only() -> None:
    events = pickups_with_lateness(START, 30, [20, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0])
    one = told(*events, on=events[-1].occurred_at.date())
    assert [one[f"n_late14_{window}"] for window in (3, 5, 10)] == [0, 0, 1]
    assert one["late_days_mean_10"] == 2
    assert one["late_days_max_5"] == 0
    assert one["share_late7_all"] == pytest.approx(2 / 11)
    assert one["on_time_streak"] == 6


def test_recent_returns_weigh_more_by_a_half_life_of_three() -> None:
    events = pickups_with_lateness(START, 30, [8, 0, 0, 0])
    weights = [2 ** (-back / 3) for back in (3, 2, 1, 0)]
    one = told(*events, on=events[-1].occurred_at.date())
    assert one["late_days_ewm"] == pytest.approx(8 * weights[0] / sum(weights))


def test_the_lateness_of_a_return_is_of_the_supply_before_it() -> None:
    one = told(pickup(START, 90), pickup(after(95), 30), on=after(100))
    assert one["last_late_days"] == 5
    assert one["days_supplied_last"] == 30


@pytest.mark.parametrize(
    ("days_ago", "half", "year"),
    [
        pytest.param(182, 1, 1, id="182 days"),
        pytest.param(183, 0, 1, id="183 days"),
        pytest.param(364, 0, 1, id="364 days"),
        pytest.param(365, 0, 0, id="365 days"),
    ],
)
def test_pickups_in_a_window(days_ago: int, half: int, year: int) -> None:
    one = told(pickup(START, 30), on=after(days_ago))
    assert (one["n_pickups_6m"], one["n_pickups_12m"], one["n_pickups_all"]) == (half, year, 1)


@pytest.mark.parametrize(
    ("on", "share"),
    [
        pytest.param(0, 1.0, id="on the day of the first pick-up"),
        pytest.param(29, 1.0, id="on the last day of supply"),
        pytest.param(30, 30 / 31, id="a day after it"),
        pytest.param(179, 30 / 180, id="day 180 of treatment"),
        pytest.param(180, 29 / 180, id="day 181: the first day has left the window"),
        pytest.param(300, 0.0, id="long after"),
    ],
)
def test_share_of_180_days_with_medicine(on: int, share: float) -> None:
    assert told(pickup(START, 30), on=after(on))["pdc_180"] == pytest.approx(share)


@pytest.mark.parametrize(
    ("on", "gap"),
    [
        pytest.param(29, 0, id="still covered"),
        pytest.param(30, 1, id="the first day without"),
        pytest.param(59, 30, id="the day before the return"),
        pytest.param(60, 30, id="back"),
        pytest.param(130, 41, id="a longer one since"),
    ],
)
def test_longest_gap(on: int, gap: int) -> None:
    assert told(pickup(START, 30), pickup(after(60), 30), on=after(on))["max_gap_days_365"] == gap


def out_and_back(days_out: int) -> list[Event]:
    """Return a record that was interrupted and back: out for some days from the first day of the interruption."""
    return [pickup(START, 30), pickup(after(30 + 29 + days_out), 180)]


@pytest.mark.parametrize(
    ("back_ago", "year", "two"),
    [
        pytest.param(0, 1, 1, id="back today"),
        pytest.param(364, 1, 1, id="364 days ago"),
        pytest.param(365, 0, 1, id="365 days ago"),
        pytest.param(729, 0, 1, id="729 days ago"),
        pytest.param(730, 0, 0, id="730 days ago"),
    ],
)
def test_interrupted_within_a_window(back_ago: int, year: int, two: int) -> None:
    events = out_and_back(10)
    one = told(*events, on=events[-1].occurred_at.date() + timedelta(days=back_ago))
    assert (one["ever_iit_12m"], one["ever_iit_24m"], one["n_prev_iit"]) == (year, two, 1)
    assert one["months_since_restart"] == pytest.approx(back_ago / 30.4375)


@pytest.mark.parametrize(
    ("since_expected", "status"),
    [pytest.param(28, 0, id="in care"), pytest.param(183, 1, id="183 days"), pytest.param(184, 2, id="184 days")],
)
def test_length_of_the_longest_interruption(since_expected: int, status: int) -> None:
    events = pickups_with_lateness(START, 30, [since_expected])
    assert told(*events, on=events[-1].occurred_at.date())["cascade_status"] == status


def test_days_out_count_from_the_first_day_of_the_interruption_and_go_on_while_out() -> None:
    events = out_and_back(10)
    back = events[-1].occurred_at.date()
    assert told(*events, on=back)["days_out_total_24m"] == 10
    assert told(*events, on=back + timedelta(days=180 + 28))["days_out_total_24m"] == 10
    assert told(*events, on=back + timedelta(days=180 + 29))["days_out_total_24m"] == 11
    assert told(*events, on=back + timedelta(days=180 + 31))["days_out_total_24m"] == 13


def test_tracing_of_a_year_and_its_latest_reason() -> None:
    events = [
        pickup(START, 30),
        a_fact(Kind.TRACKED, after(40)),
        a_fact(Kind.TRACKED, after(50)),
        a_fact(Kind.DEFAULT_REASON, after(40), 165031),
        a_fact(Kind.DEFAULT_REASON, after(50), 1737),
    ]
    assert told(*events, on=after(50))["n_tracked_12m"] == 2
    assert told(*events, on=after(40 + 365))["n_tracked_12m"] == 1
    assert told(*events, on=after(45))["last_default_reason"] == 1
    assert told(*events, on=after(60))["last_default_reason"] == 2
    assert math.isnan(told(*events, on=after(39))["last_default_reason"])


@pytest.mark.parametrize(
    ("events", "days", "source"),
    [
        pytest.param([pickup(START, 60)], 60, 0, id="recorded"),
        pytest.param([pickup(START, math.nan), a_fact(Kind.PICKUP_QUANTITY_DAYS, START, 45)], 45, 1, id="quantity"),
        pytest.param(
            [pickup(START, 0), a_fact(Kind.APPOINTMENT, START, day_number(after(28)))], 28, 2, id="appointment"
        ),
        pytest.param([pickup(after(-60), 90), pickup(START, 366)], 90, 3, id="the one before"),
        pytest.param([pickup(START, math.nan)], 30, 4, id="default"),
    ],
)
def test_source_of_the_supply(events: list[Event], days: int, source: int) -> None:
    one = told(*events, on=START)
    assert (one["days_supplied_last"], one["days_supply_source"]) == (days, source)
    assert one["days_to_ecd"] == days


def test_supply_of_the_last_three_and_its_change() -> None:
    events = [pickup(START, 30), pickup(after(30), 90), pickup(after(120), 90), pickup(after(210), 180)]
    one = told(*events, on=after(215))
    assert one["days_supplied_mean_3"] == 120
    assert (one["mmd_band"], one["mmd_changed"]) == (2, 1)
    assert told(*events, on=after(150))["mmd_changed"] == 0
    assert math.isnan(told(*events, on=after(10))["mmd_changed"])
    assert (one["days_since_pickup"], one["days_to_ecd"]) == (5, 175)


@pytest.mark.parametrize(
    ("given", "ahead", "gap"),
    [
        pytest.param(0, 28, -2, id="given at the pick-up"),
        pytest.param(10, 25, 5, id="given later"),
        pytest.param(-5, 30, math.nan, id="given before it"),
        pytest.param(0, 0, math.nan, id="for the same day"),
        pytest.param(0, 366, math.nan, id="over a year ahead"),
    ],
)
def test_the_appointment_against_the_end_of_supply(given: int, ahead: int, gap: float) -> None:
    appointment = a_fact(Kind.APPOINTMENT, after(given), day_number(after(given + ahead)))
    one = told(pickup(START, 30), appointment, on=after(15))
    assert one["next_appt_gap"] == pytest.approx(gap, nan_ok=True)


def test_an_appointment_sets_the_expected_day_only_where_the_policy_says_so() -> None:
    events = [pickup(START, 30), a_fact(Kind.APPOINTMENT, START, day_number(after(25)))]
    assert [told(*events, on=START, policy=policy)["days_to_ecd"] for policy in (0, 1, 2)] == [30, 30, 25]


def test_the_calendar_of_the_expected_day() -> None:
    one = told(pickup(date(2024, 2, 1), 28), on=date(2024, 2, 1))  # expected Thursday, 29 February
    assert (one["ecd_dow"], one["ecd_month"]) == (3, 2)


def test_drugs_of_the_latest_pickup_only() -> None:
    drugs = [a_fact(Kind.ARV_DRUG, START, 1.0), a_fact(Kind.ARV_DRUG, START, 2.0)]
    assert told(pickup(START, 30), *drugs, on=START)["n_drugs"] == 2
    assert math.isnan(told(pickup(START, 30), *drugs, pickup(after(30), 30), on=after(30))["n_drugs"])
