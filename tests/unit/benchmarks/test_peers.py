"""Peers' recipes see what was known on the day and nothing else; their leaks are caught by the same check."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.model_quality.cohort import Cohort, prepare
from benchmarks.model_quality.peers import ampath, earlier, earlier_habits, kenya, lamis, simple
from benchmarks.model_quality.peers.recipe import Inputs, Scene
from benchmarks.model_quality.records import make_records
from numpy.typing import NDArray

from iit.domain.record import day_number
from iit.domain.vocabulary import Kind
from iit.features.columns import Columns
from iit.features.context import build_contexts
from iit.synth import DEFAULT_UNTIL
from iit.synth.blocks import Plan

RECIPES = {
    "kenya": kenya.inputs,
    "ampath": ampath.inputs,
    "lamis": lamis.inputs,
    "earlier": earlier.inputs,
    "simple": simple.all_features,
}


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return prepare(make_records(Plan(patients=300, seed=5, until=DEFAULT_UNTIL)))


@pytest.fixture(scope="module")
def today(cohort: Cohort) -> int:
    """A day in the middle of the cohort's time."""
    return int(np.median(cohort.dataset.as_of))


def with_facts(cohort: Cohort, facts: Columns, until: int) -> Cohort:
    """Return the landmarks up to a day, over other facts."""
    records = replace(cohort.records, columns=facts)
    contexts = build_contexts(facts, records.facility, len(records.facilities))
    dataset = cohort.dataset.take(cohort.dataset.as_of <= until)
    return Cohort(records, contexts, dataset, cohort.parts)


def is_later(facts: Columns, today: int) -> NDArray[np.bool_]:
    """Return which facts happened or became known after a day; a facility's town is told by today's records."""
    return (np.maximum(facts.day, facts.known) > today) & (facts.kind != Kind.CITY)


def without_later(facts: Columns, today: int) -> Columns:
    """Return the facts without those of later days."""
    kept = ~is_later(facts, today)
    patient = np.repeat(np.arange(facts.n_patients), np.diff(facts.offsets))
    offsets = np.append(0, np.cumsum(np.bincount(patient[kept], minlength=facts.n_patients)))
    return Columns(offsets, facts.day[kept], facts.known[kept], facts.kind[kept], facts.value[kept])


def corrupted_later(facts: Columns, today: int) -> Columns:
    """Return the facts, those of later days with other values, kinds and days of becoming known."""
    rng = np.random.default_rng(1)
    later = np.flatnonzero(is_later(facts, today))
    value, kind, known = facts.value.copy(), facts.kind.copy(), facts.known.copy()
    value[later], kind[later] = rng.permutation(value[later]), rng.permutation(kind[later])
    known[later] = np.maximum(known[later], today + 1) + rng.integers(0, 200, len(later)).astype(np.int32)
    return replace(facts, value=value, kind=kind, known=known)


def sees_the_future(inputs: Callable[[Scene], Inputs], cohort: Cohort, today: int) -> bool:
    """Return whether other facts of later days change the inputs of any landmark up to a day."""
    facts = cohort.records.columns
    told = inputs(Scene(with_facts(cohort, facts, today)))
    assert len(told) > 500
    changed = (without_later(facts, today), corrupted_later(facts, today))
    return not all(
        np.array_equal(told, inputs(Scene(with_facts(cohort, other, today))), equal_nan=True) for other in changed
    )


@pytest.mark.parametrize("inputs", RECIPES.values(), ids=RECIPES)
def test_what_becomes_known_later_changes_no_input(
    inputs: Callable[[Scene], Inputs], cohort: Cohort, today: int
) -> None:
    assert not sees_the_future(inputs, cohort, today)


@pytest.mark.parametrize("inputs", RECIPES.values(), ids=RECIPES)
def test_no_input_but_a_few_is_the_same_for_everybody(inputs: Callable[[Scene], Inputs], cohort: Cohort) -> None:
    told = inputs(Scene(cohort))
    varies = [len(np.unique(column[~np.isnan(column)])) > 1 for column in told.T]
    assert np.mean(varies) > 0.5
    assert len(told) == len(cohort.dataset)


def test_a_planted_future_input_is_caught(cohort: Cohort, today: int) -> None:
    def days_with_facts_to_come(scene: Scene) -> Inputs:
        facts, dataset = scene.cohort.records.columns, scene.cohort.dataset
        return np.array(
            [
                [(facts.day[facts.offsets[p] : facts.offsets[p + 1]] > on).sum()]
                for p, on in zip(dataset.patient, dataset.as_of, strict=True)
            ],
            np.float32,
        )

    assert sees_the_future(days_with_facts_to_come, cohort, today)


def test_kenyas_site_figures_of_the_month_after_are_caught(cohort: Cohort, today: int) -> None:
    assert sees_the_future(kenya.inputs_with_leak, cohort, today)


def test_the_earlier_services_unbounded_facts_are_caught(cohort: Cohort, today: int) -> None:
    assert sees_the_future(earlier_habits.inputs_without_bound, cohort, today)


def test_the_earlier_service_lets_the_end_of_the_record_choose_the_day(cohort: Cohort) -> None:
    own = earlier_habits.own_days(cohort)
    facts = own.records.columns
    for row in range(0, len(own.dataset), 17):
        patient = own.dataset.patient[row]
        span = slice(facts.offsets[patient], facts.offsets[patient + 1])
        is_person = facts.kind[span] >= Kind.BIRTH
        assert own.dataset.as_of[row] == facts.day[span][~is_person].max() - 30
    assert 0 < own.dataset.label.mean() < 1
    assert own.dataset.as_of.max() < day_number(DEFAULT_UNTIL)


def test_kenyas_lateness_is_that_of_the_last_visits_within_bounds() -> None:
    late = np.array([[5, -3, 40, 200], [np.nan] * 4], np.float32)
    told = kenya._lateness(np.pad(late, ((0, 0), (0, 6)), constant_values=np.nan))
    assert told[0, :4].tolist() == [5, 1, 0, 0]
    assert told[0, 4:8].tolist() == [15, 2, 1, 1]
    assert told[0, 8:12].tolist() == [36.25, 3, 2, 2]
    assert np.isnan(told[1, [0, 4, 8, 12]]).all()
    assert not told[1, [1, 2, 3, 5, 6, 7]].any()


@pytest.mark.parametrize(
    ("weight", "height", "expected"),
    [
        pytest.param(60, 160, 23.4375, id="grown"),
        pytest.param(19.9, 160, np.nan, id="under 20 kg"),
        pytest.param(200, 160, 78.125, id="200 kg"),
        pytest.param(60, 251, np.nan, id="over 250 cm"),
        pytest.param(60, np.nan, np.nan, id="no height"),
    ],
)
def test_kenyas_bmi_takes_credible_weights_and_heights(weight: float, height: float, expected: float) -> None:
    told = kenya.bmi(np.array([weight], np.float32), np.array([height], np.float32))
    assert told[0] == pytest.approx(expected, rel=1e-6, nan_ok=True)
