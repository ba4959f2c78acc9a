"""Alerts follow from what has surely changed, never from few rows or another mix of days."""

import numpy as np
import pytest

from iit.features.registry import FEATURE_NAMES, INDEX
from iit.model.changes import (
    CALENDAR,
    LEAST_EVENTS,
    Resolved,
    changes_of_features,
    compare_pairs,
    has_enough,
    label_has_moved,
    performance,
    performance_is_lost,
    ratio,
)
from iit.model.drift import distribution
from iit.model.reference import DUE_PARTS

RNG = np.random.default_rng(4)
BEFORE = RNG.normal(size=(800, len(FEATURE_NAMES))).astype(np.float32)
PARTS = len(DUE_PARTS) + 1
REFERENCE = {
    "n_patients": 800,
    "n_facilities": 10,
    "features": {name: distribution(BEFORE[:, place]) for place, name in enumerate(FEATURE_NAMES)},
    # Overdue rows were interrupted five times as often as those not yet due.
    "labels": {"n": [1000] * PARTS, "interrupted": [250] * 5 + [50] * (PARTS - 5)},
}


def rows(n: int = 3000, *, overdue: float = 0.2, more: float = 1.0, seed: int = 1) -> Resolved:
    """Return resolved rows of a world in which `more` times as many are interrupted as the risks say."""
    rng = np.random.default_rng(seed)
    days = np.where(rng.random(n) < overdue, -10, 20)
    risk = np.where(days < 0, 0.25, 0.05) * rng.uniform(0.5, 1.5, n)
    label = (rng.random(n) < risk * more).astype(np.int64)
    return Resolved(risk, label, days, np.arange(n) // 3, np.arange(n) % 7)


def test_an_unchanged_world_moves_no_feature() -> None:
    now = RNG.normal(size=(600, len(FEATURE_NAMES))).astype(np.float32)
    told = changes_of_features(REFERENCE, now, 10)
    assert not any(one.is_large for one in told.values())
    assert set(told) == set(FEATURE_NAMES) - CALENDAR


def test_a_feature_that_moves_is_named_and_the_calendar_is_not() -> None:
    now = RNG.normal(size=(600, len(FEATURE_NAMES))).astype(np.float32)
    now[:, INDEX["days_supplied_last"]] += 2
    now[:, INDEX["ecd_month"]] += 2
    told = changes_of_features(REFERENCE, now, 10)
    assert [name for name, one in told.items() if one.is_large] == ["days_supplied_last"]


def test_what_patients_of_a_facility_share_counts_by_facilities() -> None:
    now = RNG.normal(size=(600, len(FEATURE_NAMES))).astype(np.float32)
    now[:, INDEX["fac_iit_rate_6m"]] += 1
    assert not changes_of_features(REFERENCE, now, 10)["fac_iit_rate_6m"].is_large
    many = {**REFERENCE, "n_facilities": 900}
    assert changes_of_features(many, now, 900)["fac_iit_rate_6m"].is_large


@pytest.mark.parametrize("overdue", [0.1, 0.9])
def test_another_mix_of_days_is_no_change_of_labels(overdue: float) -> None:
    live = performance(rows(overdue=overdue), REFERENCE, 0.2)
    assert not label_has_moved(live)
    assert not performance_is_lost(live)


@pytest.mark.parametrize("more", [2.0, 0.4])
def test_more_or_fewer_interruptions_are_a_change(more: float) -> None:
    live = performance(rows(more=more), REFERENCE, 0.2)
    assert label_has_moved(live)
    assert performance_is_lost(live)
    assert live["label_ratio"][0] == pytest.approx(more, rel=0.2)


def test_few_rows_never_alarm() -> None:
    for seed in range(20):
        few = rows(150, overdue=0.5, seed=seed)
        if has_enough(few):
            live = performance(few, REFERENCE, 0.2)
            assert not label_has_moved(live)


def test_risks_that_no_longer_rank_are_a_loss() -> None:
    told = rows()
    shuffled = told._replace(risk=np.random.default_rng(2).permutation(told.risk))
    assert performance_is_lost(performance(shuffled, REFERENCE, 0.2))


@pytest.mark.parametrize(("positives", "enough"), [(LEAST_EVENTS - 1, False), (LEAST_EVENTS, True)])
def test_enough_is_counted_by_the_rarer_label(positives: int, enough: bool) -> None:
    told = rows(200)
    label = (np.arange(200) < positives).astype(np.int64)
    assert has_enough(told._replace(label=label)) is enough


def test_rows_without_a_reference_do_not_count() -> None:
    found = ratio(np.array([1, 1, 0]), np.array([0.5, np.nan, 0.5]), np.arange(3))
    assert found[0] == 1
    assert np.isnan(ratio(np.array([1]), np.array([np.nan]), np.arange(1))[0])


def test_two_models_are_compared_on_the_same_draws() -> None:
    told = rows()
    worse = np.clip(told.risk + np.random.default_rng(3).uniform(0, 0.2, len(told.risk)), 0.001, 0.999)
    found = compare_pairs(told.risk, worse, told.label, told.patient)
    assert found["auroc_gain"] < 0
    assert found["auroc_gain_interval"][1] < 0
    same = compare_pairs(told.risk, told.risk, told.label, told.patient)
    assert same["auroc_gain_interval"] == [0, 0]
