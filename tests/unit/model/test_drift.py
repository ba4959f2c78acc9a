"""Distances of distributions are those of the books, and chance alone does not reach their limits."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from iit.model.drift import (
    FALSE_ALARM,
    PSI_LARGE,
    chance_limit,
    distribution,
    ks,
    moved,
    psi,
    smoothed,
)

NAN = np.nan


def test_psi_is_the_sum_by_hand() -> None:
    # (0.3 - 0.5) ln(0.3 / 0.5) + (0.7 - 0.5) ln(0.7 / 0.5) = 0.102165 + 0.067294
    assert psi([0.5, 0.5], [0.3, 0.7]) == pytest.approx(0.169460, abs=1e-6)
    assert psi([0.2, 0.8], [0.2, 0.8]) == 0


def test_half_an_observation_keeps_an_empty_part_possible() -> None:
    assert smoothed(np.array([0.0, 1.0]), 9).tolist() == [0.05, 0.95]


def test_few_values_are_parts_of_their_own_and_many_are_divided_at_deciles() -> None:
    few = distribution(np.array([0, 0, 1, 2, NAN, NAN], np.float32))
    assert few["edges"] == [1, 2]
    assert few["shares"] == [0.5, 0.25, 0.25]
    assert few["unknown"] == pytest.approx(1 / 3)
    assert (few["points"], few["below"]) == ([0, 1, 2], [0.5, 0.75, 1.0])
    many = distribution(np.arange(1000, dtype=np.float32))
    assert len(many["edges"]) == 9
    assert many["shares"] == pytest.approx([0.1] * 10, abs=0.002)


def test_a_reference_nobody_is_in_is_wholly_unknown() -> None:
    told = distribution(np.full(5, NAN, np.float32))
    assert told == {"edges": [], "shares": [0.0], "unknown": 1.0, "points": [], "below": []}
    assert moved(told, np.full(50, NAN, np.float32), 50, 50, 1).psi == 0
    assert moved(told, np.ones(500, np.float32), 500, 500, 1).is_large


@given(st.lists(st.integers(0, 60), min_size=1, max_size=60), st.data())
def test_ks_of_counted_values_is_that_of_scipy(before: list[int], data: st.DataObject) -> None:
    now = data.draw(st.lists(st.sampled_from(before), min_size=1, max_size=60))
    told = distribution(np.array(before, np.float32))
    mine = ks(told["points"], told["below"], np.array(now, np.float32))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the p-value of samples so small, which is not asked for
        theirs = stats.ks_2samp(before, now, method="exact").statistic
    assert mine == pytest.approx(theirs)


def test_ks_of_smooth_values_is_near_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    before, now = rng.normal(size=5000), rng.normal(0.3, 1.2, size=800)
    told = distribution(before)
    assert ks(told["points"], told["below"], now) == pytest.approx(stats.ks_2samp(before, now).statistic, abs=0.01)


@pytest.mark.parametrize(("parts", "comparisons"), [(2, 1), (3, 95), (11, 95), (11, 1)])
def test_the_limit_of_chance_is_the_chi_squared_quantile(parts: int, comparisons: int) -> None:
    exact = stats.chi2.ppf(1 - FALSE_ALARM / comparisons, parts - 1) * (1 / 500 + 1 / 300)
    assert chance_limit(parts, 500, 300, comparisons=comparisons) == pytest.approx(exact, rel=0.06)


def test_samples_of_one_population_cross_the_limit_as_rarely_as_told() -> None:
    rng = np.random.default_rng(2)
    crossed = 0
    for _ in range(1000):
        told = distribution(rng.normal(size=80).astype(np.float32))
        one = moved(told, rng.normal(size=60).astype(np.float32), 80, 60, 1)
        assert one.limit > PSI_LARGE  # so few patients could not tell 0.25 from chance
        crossed += one.is_large
    assert crossed <= 2 * FALSE_ALARM * 1000


@pytest.mark.parametrize("now", [np.float32(1.5), np.float32(NAN)])
def test_a_real_move_is_large(now: np.float32) -> None:
    rng = np.random.default_rng(3)
    told = distribution(rng.normal(size=900).astype(np.float32))
    values = rng.normal(size=700).astype(np.float32)
    assert not moved(told, values, 900, 700, 95).is_large
    assert moved(told, values + now, 900, 700, 95).is_large
