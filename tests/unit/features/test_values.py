"""Each family by hand-computed values."""

import math
from datetime import date, timedelta

import numpy as np
import pytest

from iit.domain.record import Event, day_number
from iit.domain.vocabulary import Kind
from iit.features.columns import columns_of
from iit.features.context import Contexts
from iit.features.registry import INDEX
from iit.features.vector import matrix
from iit.testing import a_fact, a_record, pickup, pickups_with_lateness

START = date(2023, 1, 2)  # a Monday


def features(*events: Event, on: date) -> dict[str, float]:
    """Return the features of a record on a day, at no known facility."""
    rows = matrix(
        columns_of([a_record(*events)]),
        np.array([-1], np.int32),
        np.zeros(1, np.int64),
        np.array([day_number(on)], np.int32),
        Contexts.of([]),
    )
    return {name: float(rows[0, place]) for name, place in INDEX.items()}


LATE = pickups_with_lateness(START, 30, [0, 1, 7, -3, 14, 29])
LAST = LATE[-1].occurred_at.date()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("last_late_days", 29, id="last"),
        pytest.param("prev_late_days", 14, id="before"),
        pytest.param("prev2_late_days", -3, id="two before, early as it is"),
        pytest.param("late_days_mean_3", (0 + 14 + 29) / 3, id="mean of 3, early as 0"),
        pytest.param("late_days_mean_5", (1 + 7 + 0 + 14 + 29) / 5, id="mean of 5"),
        pytest.param("late_days_mean_10", 51 / 6, id="mean of the six there are"),
        pytest.param("late_days_max_5", 29, id="largest of 5"),
        pytest.param("late_days_std_5", float(np.std([1, 7, 0, 14, 29])), id="spread"),
        pytest.param("late_trend_5", float(np.polyfit(range(5), [1, 7, -3, 14, 29], 1)[0]), id="trend, signed"),
        pytest.param("n_late1_3", 2, id="1 day late counts in 3"),
        pytest.param("n_late1_10", 4, id="0 days late does not"),
        pytest.param("n_late7_5", 3, id="7 days late counts"),
        pytest.param("n_late14_5", 2, id="14 days late counts"),
        pytest.param("n_late28_ever", 1, id="29 days late is more than 28"),
        pytest.param("share_late7_all", 3 / 6, id="share of 7 or more"),
        pytest.param("early_pickup_share_5", 1 / 5, id="one of five early"),
        pytest.param("on_time_streak", 0, id="the last was late"),
        pytest.param("n_pickups_all", 7, id="pick-ups"),
        pytest.param("n_prev_iit", 1, id="one interruption"),
        pytest.param("ever_iit_12m", 1, id="within a year"),
        pytest.param("cascade_status", 1, id="a short one"),
        pytest.param("months_since_restart", 0, id="back today"),
        pytest.param("days_out_total_24m", 0, id="back on day 29: out for no whole day before it"),
        pytest.param("days_supplied_last", 30, id="supply"),
        pytest.param("days_to_ecd", 30, id="days to go"),
        pytest.param("days_since_pickup", 0, id="picked up today"),
    ],
)
def test_lateness_and_refill(name: str, expected: float) -> None:
    assert features(*LATE, on=LAST)[name] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("late", "count"), [pytest.param(28, 0, id="day 28"), pytest.param(29, 1, id="day 29")])
def test_an_interruption_is_a_return_after_day_28(late: int, count: int) -> None:
    events = pickups_with_lateness(START, 30, [late])
    assert features(*events, on=events[-1].occurred_at.date())["n_prev_iit"] == count


def test_a_first_pickup_has_no_lateness() -> None:
    told = features(pickup(START), on=START)
    assert math.isnan(told["last_late_days"])
    assert told["is_first_pickup"] == 1


@pytest.mark.parametrize(
    ("days", "band"),
    [
        pytest.param(83, 0, id="83"),
        pytest.param(84, 1, id="84"),
        pytest.param(167, 1, id="167"),
        pytest.param(168, 2, id="168"),
    ],
)
def test_band_of_supply(days: int, band: int) -> None:
    assert features(pickup(START, days), on=START)["mmd_band"] == band


def test_days_covered_are_the_union_of_supplies() -> None:
    events = [pickup(START, 30), pickup(START + timedelta(20), 30)]  # covers days 0 to 49
    assert features(*events, on=START + timedelta(99))["pdc_180"] == pytest.approx(50 / 100)
    assert features(*events, on=START + timedelta(99))["max_gap_days_365"] == 50


@pytest.mark.parametrize(
    ("supply", "holiday"),
    [
        pytest.param(date(2023, 12, 14), 0, id="14 December"),
        pytest.param(date(2023, 12, 15), 1, id="15 December"),
        pytest.param(date(2024, 1, 10), 1, id="10 January"),
        pytest.param(date(2024, 1, 11), 0, id="11 January"),
        pytest.param(date(2024, 3, 28), 1, id="three days before Easter 2024"),
        pytest.param(date(2024, 3, 27), 0, id="four days before Easter 2024"),
        pytest.param(date(2024, 6, 16), 1, id="Eid al-Adha 2024"),
        pytest.param(date(2024, 5, 20), 0, id="an ordinary day"),
    ],
)
def test_expected_around_a_holiday(supply: date, holiday: int) -> None:
    assert features(pickup(supply - timedelta(30)), on=supply)["ecd_is_holiday_window"] == holiday


@pytest.mark.parametrize(
    ("cd4", "stage", "flag"),
    [
        pytest.param(199, None, 1, id="CD4 under 200 is advanced"),
        pytest.param(200, None, 0, id="CD4 200 is not"),
        pytest.param(500, 1206, 1, id="stage 3 is advanced"),
        pytest.param(500, 1205, 0, id="stage 2 is not"),
    ],
)
def test_advanced_disease(cd4: float, stage: float | None, flag: int) -> None:
    events = [pickup(START), a_fact(Kind.CD4, START, cd4)]
    if stage is not None:
        events.append(a_fact(Kind.WHO_STAGE, START, stage))
    assert features(*events, on=START)["ahd_flag"] == flag


@pytest.mark.parametrize(
    ("copies", "category"),
    [
        pytest.param(0, 1, id="0 is suppressed"),
        pytest.param(49, 1, id="49"),
        pytest.param(50, 2, id="50"),
        pytest.param(999, 2, id="999"),
        pytest.param(1000, 3, id="1000"),
    ],
)
def test_viral_load_categories(copies: float, category: int) -> None:
    assert features(pickup(START), a_fact(Kind.VIRAL_LOAD, START, copies), on=START)["vl_category"] == category


def test_a_viral_load_is_due_after_180_days_on_treatment_or_a_year() -> None:
    assert features(pickup(START), on=START + timedelta(179))["vl_overdue"] == 0
    assert features(pickup(START), on=START + timedelta(180))["vl_overdue"] == 1
    tested = a_fact(Kind.VIRAL_LOAD, START, 20)
    assert features(pickup(START), tested, on=START + timedelta(365))["vl_overdue"] == 0
    assert features(pickup(START), tested, on=START + timedelta(366))["vl_overdue"] == 1


def test_a_result_counts_from_the_day_it_is_known() -> None:
    late_result = a_fact(Kind.VIRAL_LOAD, START, 5000, known_after_days=20)
    assert math.isnan(features(pickup(START), late_result, on=START + timedelta(19))["last_vl_log10"])
    assert features(pickup(START), late_result, on=START + timedelta(20))["last_vl_log10"] == pytest.approx(
        math.log10(5000)
    )


def test_person() -> None:
    told = features(
        a_fact(Kind.BIRTH, date(1997, 12, 31)), a_fact(Kind.SEX, START, 2), a_fact(Kind.PHONE, START, 1), pickup(START),
        on=START
    )  # fmt: skip
    assert told["age"] == pytest.approx(25, abs=0.01)
    assert (told["age_band"], told["sex"], told["phone_present"]) == (2, 2, 1)
