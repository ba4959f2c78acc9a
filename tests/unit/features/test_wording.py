"""What a nurse reads."""

import pytest

from iit.domain.vocabulary import NIGERIAN_STATES, Kind
from iit.features.answers import TABLES, words
from iit.features.dictionary import as_markdown
from iit.features.registry import FEATURE_NAMES, FEATURES, INDEX
from iit.features.wording import reason_text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        pytest.param("late_days_mean_3", 11.3, "Came 11 days late on average over the last 3 pick-ups", id="contract"),
        pytest.param("late_days_mean_3", 0.9, "Came 1 day late on average over the last 3 pick-ups", id="singular"),
        pytest.param("late_days_mean_3", 0.3, "Came on time on average over the last 3 pick-ups", id="on time"),
        pytest.param("last_late_days", -3, "Last return: 3 days early", id="early"),
        pytest.param("last_late_days", 0, "Last return: on the day", id="on the day"),
        pytest.param("n_late7_5", 0, "None of the last 5 pick-ups was 7 or more days late", id="none of 5"),
        pytest.param("n_late7_5", 1, "1 of the last 5 pick-ups was 7 or more days late", id="one of 5"),
        pytest.param("n_late7_5", 4, "4 of the last 5 pick-ups were 7 or more days late", id="four of 5"),
        pytest.param("late_days_max_5", 0, "Never late in the last 5 pick-ups", id="never late"),
        pytest.param("on_time_streak", 0, "The last pick-up was late", id="no streak"),
        pytest.param("late_trend_5", -2.2, "Lateness shrinks by 2 days from pick-up to pick-up", id="shrinking"),
        pytest.param("max_gap_days_365", 0, "No day without medicine in the last year", id="no gap"),
        pytest.param("share_late7_all", 0.25, "25% of all pick-ups were 7 or more days late", id="share"),
        pytest.param("n_prev_iit", 1, "1 earlier interruption", id="one interruption"),
        pytest.param("cascade_status", 2, "Interrupted before, for over 6 months", id="long interruption"),
        pytest.param("last_default_reason", 2, "Reason given for an earlier default: no money for transport", id="why"),
        pytest.param("days_to_ecd", -9, "Overdue by 9 days", id="overdue"),
        pytest.param("days_to_ecd", 1, "Expected in 1 day", id="tomorrow"),
        pytest.param("next_appt_gap", -2, "Appointment 2 days before the supply ends", id="appointment before"),
        pytest.param("ecd_dow", 6, "Expected on a Sunday", id="weekday"),
        pytest.param("ecd_month", 12, "Expected in December", id="month"),
        pytest.param("diag_to_art_days", -4, "Began treatment 4 days before the recorded diagnosis", id="odd dates"),
        pytest.param("age", 24.9, "24 years old", id="an age is not rounded up"),
        pytest.param("age", 0.5, "Under 1 year old", id="infant"),
        pytest.param("state_code", 1 + NIGERIAN_STATES.index("Kano"), "Lives in Kano State", id="state"),
        pytest.param("state_code", 1 + NIGERIAN_STATES.index("FCT"), "Lives in the FCT", id="capital"),
        pytest.param("last_vl_log10", 0, "Last viral load under 50 copies/mL", id="undetected"),
        pytest.param("last_vl_log10", 4, "Last viral load 10,000 copies/mL", id="copies"),
        pytest.param("weight_change_6m_pct", -7.6, "Weight down by 8 % in 6 months", id="weight"),
        pytest.param("months_to_edd", 0.2, "Expected delivery this month", id="delivery now"),
        pytest.param("months_to_edd", -1, "Expected delivery 1 month ago", id="delivered"),
        pytest.param("marital", 0, "Marital status: other", id="an answer outside the table"),
        pytest.param("fac_tx_curr", 1234, "1,234 patients on treatment at this facility", id="thousands"),
    ],
)
def test_a_reason_reads_well(name: str, value: float, text: str) -> None:
    assert reason_text(name, value) == text


@pytest.mark.parametrize(
    ("name", "contribution", "text"),
    [
        pytest.param("ecd_dow", 0.2, "Expected on a Monday (raises the risk)", id="raises"),
        pytest.param("ecd_dow", -0.2, "Expected on a Monday (lowers the risk)", id="lowers"),
        pytest.param("n_prev_iit", 0.2, "No earlier interruptions", id="speaks for itself"),
    ],
)
def test_a_fact_without_a_direction_of_its_own_is_given_one(name: str, contribution: float, text: str) -> None:
    assert reason_text(name, 0.0, contribution) == text


@pytest.mark.parametrize("value", [-700.0, -2.0, 0.0, 0.5, 1.0, 3.0, 9.0, 40.0, 5000.0])
def test_every_feature_has_words_for_every_value(value: float) -> None:
    for name in FEATURE_NAMES:
        told = reason_text(name, min(value, 9.0) if name == "last_vl_log10" else value, 1.0)
        assert told[0] == told[0].upper(), name
        assert not set("{}|") & set(told), name


def test_no_count_of_one_has_a_plural() -> None:
    nouns = ("days", "months", "pick-ups late", "attempts", "sessions", "drugs", "tests", "interruptions", "patients")
    for name in FEATURE_NAMES:
        text = f"{reason_text(name, 1.0)} "
        assert not any(f" 1 {noun} " in f" {text}" for noun in nouns), text


@pytest.mark.parametrize("feature", [one for one in FEATURES if one.coded is not None], ids=lambda one: one.name)
def test_each_answer_of_a_coded_feature_is_told_in_its_words(feature) -> None:
    for place, (_, told) in enumerate(TABLES[feature.coded], start=1):
        assert told in reason_text(feature.name, float(place)).replace(told.capitalize(), told)
    assert words(feature.coded, len(TABLES[feature.coded]) + 1) == "other"


def test_no_answer_stands_twice_in_a_table() -> None:
    for kind, table in TABLES.items():
        assert isinstance(kind, Kind)
        assert len({answer for answer, _ in table}) == len(table)
        assert all(answer < 2**24 for answer, _ in table)  # exact as float32


def test_the_dictionary_tells_every_feature_and_every_answer() -> None:
    page = as_markdown()
    lines = [line for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [line.split("|")[2].strip(" `") for line in lines] == list(FEATURE_NAMES)
    assert {line.count("|") for line in lines} == {9}
    for table in (TABLES[one.coded] for one in FEATURES if one.coded is not None):
        assert all(told in page for _, told in table)


def test_names_rather_than_ranks_are_marked() -> None:
    categorical = {one.name for one in FEATURES if one.categorical}
    assert {"cascade_status", "last_default_reason", "regimen_code", "marital", "sex"} <= categorical
    assert not {"mmd_band", "regimen_line", "age_band", "who_stage", "missed_doses_band"} & categorical
    assert all(INDEX[name] >= 0 for name in categorical)
