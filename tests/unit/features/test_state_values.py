"""Families D to H by hand: treatment, person, clinic, pregnancy and the facility's own facts."""

import math
from datetime import date, timedelta

import numpy as np
import pytest

from iit.domain.record import Event, day_number
from iit.domain.vocabulary import Kind
from iit.features.columns import columns_of
from iit.features.context import Contexts, build_contexts
from iit.features.registry import FEATURE_NAMES
from iit.features.vector import vector_of
from iit.testing import a_fact, a_record, pickup

START = date(2022, 5, 2)
NOWHERE = Contexts.of([])


def told(*events: Event, on: date = START, contexts: Contexts = NOWHERE, place: int = -1) -> dict[str, float]:
    """Return the features of a record on a day."""
    vector = vector_of(columns_of([a_record(*events)]), 0, day_number(on), contexts, place)
    return dict(zip(FEATURE_NAMES, vector.tolist(), strict=True))


def after(days: int) -> date:
    return START + timedelta(days=days)


def dated(kind: Kind, days: int, *, on: int = 0) -> Event:
    """Return a fact that tells a day, some days after the start."""
    return a_fact(kind, after(on), day_number(after(days)))


def test_treatment_began_when_told_or_else_at_the_first_pickup() -> None:
    assert told(pickup(START), on=after(61))["months_on_art"] == pytest.approx(61 / 30.4375)
    early = told(pickup(START), dated(Kind.ART_START, -300), on=after(61))
    assert early["months_on_art"] == pytest.approx(361 / 30.4375)
    assert early["months_at_facility"] == pytest.approx(61 / 30.4375)
    assert told(dated(Kind.ART_START, -300))["months_on_art"] == pytest.approx(300 / 30.4375)


def test_of_several_starts_of_treatment_the_earliest_counts() -> None:
    starts = [dated(Kind.ART_START, day) for day in (-30, -60, -45)]
    assert told(*starts)["months_on_art"] == pytest.approx(60 / 30.4375)


def test_a_start_of_treatment_that_lies_ahead_is_not_believed() -> None:
    assert told(pickup(START), dated(Kind.ART_START, 50), on=after(10))["months_on_art"] == pytest.approx(10 / 30.4375)


@pytest.mark.parametrize(("day", "flag"), [pytest.param(182, 1, id="182"), pytest.param(183, 0, id="183")])
def test_first_six_months(day: int, flag: int) -> None:
    assert told(pickup(START), on=after(day))["first_6m_flag"] == flag


def test_first_pickup_is_the_only_one() -> None:
    events = [pickup(START), pickup(after(30))]
    assert [told(*events, on=after(day))["is_first_pickup"] for day in (-1, 0, 30)] == [0, 1, 0]


def test_age_at_start_and_time_from_diagnosis() -> None:
    one = told(a_fact(Kind.BIRTH, date(2002, 5, 2)), dated(Kind.HIV_DIAGNOSIS, -14), pickup(START))
    assert one["age_at_start"] == pytest.approx(20, abs=0.01)
    assert one["diag_to_art_days"] == 14


def test_of_two_birthdates_the_one_told_later_counts() -> None:
    mistyped = a_fact(Kind.BIRTH, date(2012, 5, 2), known_after_days=10)
    corrected = a_fact(Kind.BIRTH, date(1982, 5, 2), known_after_days=14000)
    assert told(mistyped, corrected, on=START)["age"] == pytest.approx(40, abs=0.01)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        pytest.param(164506, 1, id="adult first"),
        pytest.param(164514, 2, id="child second"),
        pytest.param(165702, 3, id="adult third"),
        pytest.param(7, math.nan, id="another answer"),
    ],
)
def test_line_of_the_regimen(answer: int, line: float) -> None:
    assert told(a_fact(Kind.REGIMEN_LINE, START, answer))["regimen_line"] == pytest.approx(line, nan_ok=True)


@pytest.mark.parametrize(
    ("answer", "code", "dtg"),
    [
        pytest.param(165681, 1, 1, id="TDF-3TC-DTG"),
        pytest.param(164505, 2, 0, id="TDF-3TC-EFV"),
        pytest.param(166187, 10, 1, id="last of the table"),
        pytest.param(999, 0, 0, id="outside the table"),
    ],
)
def test_regimen(answer: int, code: int, dtg: int) -> None:
    one = told(a_fact(Kind.REGIMEN, START, answer))
    assert (one["regimen_code"], one["is_dtg"]) == (code, dtg)


def test_changes_of_regimen_within_a_year() -> None:
    regimens = [164505, 164505, 165681, 164505]
    events = [a_fact(Kind.REGIMEN, after(30 * i), answer) for i, answer in enumerate(regimens)]
    assert told(*events, on=after(90))["regimen_changes_12m"] == 2
    assert told(*events, on=after(60 + 365))["regimen_changes_12m"] == 1


def test_transfer_in_counts_even_without_its_day() -> None:
    assert told(pickup(START))["transferred_in"] == 0
    assert told(pickup(START), a_fact(Kind.TRANSFER_IN, START))["transferred_in"] == 1


@pytest.mark.parametrize(
    ("years", "band"),
    [
        pytest.param(14.9, 0, id="14"),
        pytest.param(15.1, 1, id="15"),
        pytest.param(24.9, 1, id="24"),
        pytest.param(25.1, 2, id="25"),
        pytest.param(49.9, 2, id="49"),
        pytest.param(50.1, 3, id="50"),
    ],
)
def test_age_bands(years: float, band: int) -> None:
    assert told(a_fact(Kind.BIRTH, after(-round(years * 365.25))))["age_band"] == band


@pytest.mark.parametrize(
    ("kind", "answer", "name", "code"),
    [
        pytest.param(Kind.MARITAL_STATUS, 5555, "marital", 1, id="married"),
        pytest.param(Kind.MARITAL_STATUS, 1059, "marital", 5, id="widowed"),
        pytest.param(Kind.EDUCATION, 1107, "education", 1, id="no schooling"),
        pytest.param(Kind.OCCUPATION, 1538, "occupation", 5, id="farmer"),
        pytest.param(Kind.CARE_ENTRY, 160541, "care_entry_point", 4, id="tuberculosis clinic"),
        pytest.param(Kind.CARE_ENTRY, 1, "care_entry_point", 0, id="elsewhere"),
        pytest.param(Kind.PICKUP_REASON, 165772, "pickup_reason", 3, id="switch"),
        pytest.param(Kind.TB_STATUS, 1662, "tb_status", 4, id="treated for tuberculosis"),
        pytest.param(Kind.FUNCTIONAL_STATUS, 162752, "functional_status", 3, id="bedridden"),
        pytest.param(Kind.ADHERENCE, 165289, "adherence_level", 3, id="poor adherence"),
        pytest.param(Kind.MISSED_DOSES, 165833, "missed_doses_band", 1, id="few missed"),
        pytest.param(Kind.PREGNANCY, 165049, "preg_bf_status", 3, id="breastfeeding"),
    ],
)
def test_answers_are_places_in_their_tables(kind: Kind, answer: int, name: str, code: int) -> None:
    assert told(a_fact(kind, START, answer))[name] == code
    assert math.isnan(told(pickup(START))[name])


def test_the_latest_answer_counts_and_the_row_number_decides_within_a_day() -> None:
    good, poor = (a_fact(Kind.ADHERENCE, START, answer, sequence=n) for n, answer in ((2, 165287), (9, 165289)))
    assert told(poor, good)["adherence_level"] == 3


def test_home_is_where_most_of_the_facilitys_patients_live() -> None:
    here, there = (a_record(pickup(START), a_fact(Kind.CITY, START, city)) for city in (11.0, 12.0))
    contexts = build_contexts(columns_of([here, here, there]), np.zeros(3, np.int32), 1)
    name = "lives_outside_facility_lga"
    assert told(*here.events, contexts=contexts, place=0)[name] == 0
    assert told(*there.events, contexts=contexts, place=0)[name] == 1
    assert math.isnan(told(*there.events)[name])


def test_a_viral_load_of_zero_is_a_result() -> None:
    one = told(a_fact(Kind.VIRAL_LOAD, START, 0.0))
    assert (one["last_vl_log10"], one["vl_category"], one["n_vl_24m"]) == (0, 1, 1)


def test_a_result_that_is_no_number_is_no_suppression() -> None:
    one = told(pickup(START), a_fact(Kind.VIRAL_LOAD, START))
    assert (one["vl_category"], math.isnan(one["last_vl_log10"])) == (0, True)


def test_the_latest_specimen_counts_whenever_its_result_came() -> None:
    slow = a_fact(Kind.VIRAL_LOAD, START, 9000, known_after_days=60)
    fast = a_fact(Kind.VIRAL_LOAD, after(30), 20, known_after_days=5)
    one = told(slow, fast, on=after(70))
    assert one["vl_category"] == 1
    assert one["days_since_vl"] == 35
    assert (one["n_vl_24m"], one["n_high_vl_24m"]) == (2, 1)


@pytest.mark.parametrize(
    ("days_ago", "tests"), [pytest.param(729, 1, id="729 days"), pytest.param(730, 0, id="730 days")]
)
def test_viral_loads_of_two_years(days_ago: int, tests: int) -> None:
    one = told(a_fact(Kind.VIRAL_LOAD, START, 5000), on=after(days_ago))
    assert (one["n_vl_24m"], one["n_high_vl_24m"]) == (tests, tests)


def test_an_old_viral_load_is_due_but_its_value_stays() -> None:
    one = told(pickup(START), a_fact(Kind.VIRAL_LOAD, START, 5000), on=after(366))
    assert (one["vl_category"], one["vl_overdue"]) == (4, 1)
    assert one["last_vl_log10"] == pytest.approx(math.log10(5000))


@pytest.mark.parametrize(
    ("days_ago", "flag"), [pytest.param(364, 1, id="364 days"), pytest.param(365, 0, id="365 days")]
)
def test_a_low_cd4_count_is_advanced_disease_for_a_year(days_ago: int, flag: int) -> None:
    one = told(a_fact(Kind.CD4, START, 100), on=after(days_ago))
    assert (one["ahd_flag"], one["cd4_last"], one["days_since_cd4"]) == (flag, 100, days_ago)


def test_without_cd4_count_and_stage_advanced_disease_is_unknown() -> None:
    assert math.isnan(told(pickup(START))["ahd_flag"])


@pytest.mark.parametrize(
    ("stop", "on", "flag"),
    [
        pytest.param(None, 0, 1, id="begun today"),
        pytest.param(None, 269, 1, id="269 days ago"),
        pytest.param(None, 270, 0, id="270 days ago"),
        pytest.param(100, 99, 1, id="stop ahead"),
        pytest.param(100, 100, 0, id="stopped"),
        pytest.param(-10, 5, 1, id="an earlier course was stopped"),
    ],
)
def test_on_tuberculosis_prevention(stop: int | None, on: int, flag: int) -> None:
    events = [dated(Kind.TPT_START, 0)]
    if stop is not None:
        events.append(dated(Kind.TPT_STOP, stop))
    assert told(*events, on=after(on))["on_tpt"] == flag


@pytest.mark.parametrize(
    ("weights", "on", "change"),
    [
        pytest.param([(0, 50), (100, 55)], 100, 10, id="gain"),
        pytest.param([(0, 50), (90, 60), (183, 45)], 183, -10, id="against the oldest of 183 days"),
        pytest.param([(0, 50), (184, 45)], 184, math.nan, id="too far apart"),
        pytest.param([(0, 50), (100, 55)], 465, math.nan, id="over a year ago"),
        pytest.param([(0, 50)], 0, math.nan, id="only one"),
    ],
)
def test_change_of_weight(weights: list[tuple[int, float]], on: int, change: float) -> None:
    events = [a_fact(Kind.WEIGHT_KG, after(day), kg) for day, kg in weights]
    assert told(*events, on=after(on))["weight_change_6m_pct"] == pytest.approx(change, nan_ok=True)


def test_a_pregnancy_is_forgotten_after_eighteen_months() -> None:
    pregnant = a_fact(Kind.PREGNANCY, START, 165048)
    assert told(pregnant, on=after(547))["preg_bf_status"] == 2
    assert math.isnan(told(pregnant, on=after(548))["preg_bf_status"])


def test_months_to_delivery() -> None:
    due = dated(Kind.EXPECTED_DELIVERY, 200)
    assert told(due)["months_to_edd"] == pytest.approx(200 / 30.4375)
    assert told(due, on=after(230))["months_to_edd"] == pytest.approx(-30 / 30.4375)
    assert math.isnan(told(due, on=after(501))["months_to_edd"])


def test_counselling_within_a_year() -> None:
    sessions = [a_fact(Kind.EAC_SESSION, after(day), 1.0) for day in (0, 30)]
    assert told(*sessions, on=after(364))["eac_sessions_12m"] == 2
    assert told(*sessions, on=after(365))["eac_sessions_12m"] == 1


def test_level_is_the_facilitys() -> None:
    columns = columns_of([a_record(pickup(START))])
    contexts = build_contexts(columns, np.zeros(1, np.int32), 1, levels=np.array([3], np.float32))
    assert told(pickup(START), contexts=contexts, place=0)["fac_level"] == 3
