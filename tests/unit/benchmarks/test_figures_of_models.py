"""Figures over several cohorts: paired where they are compared, wide enough where cohorts differ."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.model_quality.cohort import prepare
from benchmarks.model_quality.figures import NAMES, Drawn, combine, draw, gain
from benchmarks.model_quality.peers.recipe import Judged, carried_over, ranks, some_rows
from benchmarks.model_quality.records import make_records
from benchmarks.report import write_section

from iit.model.metrics import all_metrics
from iit.synth import DEFAULT_UNTIL
from iit.synth.blocks import Plan


def some_scores(seed: int = 1, noise: float = 0.0, n: int = 2_000) -> Judged:
    rng = np.random.default_rng(seed)
    risk = rng.beta(1, 7, n)
    label = (rng.random(n) < risk).astype(np.int64)
    blurred = 1 / (1 + np.exp(-(np.log(risk / (1 - risk)) + noise * np.random.default_rng(99).normal(size=n))))
    return Judged(blurred, label, rng.integers(0, 8, n), rng.integers(0, 300, n), np.arange(n) % 3 == 0)


def test_points_are_the_products_own_figures() -> None:
    judged = some_scores()
    told = dict(zip(NAMES, draw(judged, rounds=3, seed=1).point, strict=True))
    ours = all_metrics(judged.score, judged.label, judged.facility)
    assert told == pytest.approx({name: ours[name] for name in NAMES}, rel=1e-6)


def test_a_model_is_never_ahead_of_itself() -> None:
    drawn = [draw(some_scores(seed), rounds=20, seed=seed) for seed in (1, 2, 3)]
    for told in combine(drawn, drawn).values():
        assert (told.mean, told.low, told.high) == (0, 0, 0)
    share = gain(drawn, drawn, "auprc")
    assert (share.mean, share.low, share.high) == (0, 0, 0)


def test_a_paired_difference_is_surer_than_two_models_apart() -> None:
    sharp = [draw(some_scores(seed), rounds=40, seed=seed) for seed in (1, 2, 3)]
    blurred = [draw(some_scores(seed, noise=0.8), rounds=40, seed=seed) for seed in (1, 2, 3)]
    apart, alone = combine(sharp, blurred)["auroc"], combine(sharp)["auroc"]
    assert apart.low > 0
    assert apart.high - apart.low < alone.high - alone.low


def test_intervals_grow_with_the_distance_of_cohorts() -> None:
    def cohorts(spread: float) -> list[Drawn]:
        rng = np.random.default_rng(1)
        middles = spread * np.array([-1.0, 0.0, 1.0])
        return [Drawn(np.full(len(NAMES), m), m + rng.normal(0, 0.01, (50, len(NAMES))), 100, 0.1) for m in middles]

    near, far = combine(cohorts(0.0))["auroc"], combine(cohorts(0.5))["auroc"]
    assert far.high - far.low > 5 * (near.high - near.low)


def test_a_rank_is_not_judged_by_calibration() -> None:
    judged = some_scores()
    rank = replace(judged, score=ranks(judged.score), tells_risk=False)
    told = dict(zip(NAMES, draw(rank, rounds=3, seed=1).point, strict=True))
    assert [name for name, value in told.items() if np.isnan(value)] == ["brier", "ece", "calibration_slope"]


def test_a_score_of_the_pickup_day_is_carried_over_its_cycle_only() -> None:
    cohort = prepare(make_records(Plan(patients=250, seed=6, until=DEFAULT_UNTIL)))
    tested = cohort.dataset.take(cohort.parts.test)
    at_pickup = tested.take(tested.landmark == 0)
    told = carried_over(cohort, (at_pickup.patient * 100_000 + at_pickup.index_day).astype(np.float64))
    assert told.tolist() == (tested.patient * 100_000 + tested.index_day).tolist()


def test_rows_are_taken_from_every_array_alike() -> None:
    judged = some_scores()
    taken = some_rows(judged, judged.at_pickup)
    assert taken.at_pickup.all()
    assert taken.score.tolist() == judged.score[judged.at_pickup].tolist()
    assert taken.patient.tolist() == judged.patient[judged.at_pickup].tolist()


def test_a_section_is_replaced_and_others_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    write_section("one", "first", path=path)
    write_section("two", "second", path=path)
    write_section("one", "changed\n\nand longer", path=path)
    write_section("one", "changed again", path=path)
    assert path.read_text() == (
        "# Benchmarks\n\n<!-- one: begin -->\nchanged again\n<!-- one: end -->\n\n"
        "<!-- two: begin -->\nsecond\n<!-- two: end -->\n"
    )
