"""The bootstrap's quick figures are those of the rows it drew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iit.model.metrics import all_metrics
from iit.model.ranking import Ranking, draws, interval


@st.composite
def weighed_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (risk, label, facility, weights) with many ties, both labels drawn, and rows that weigh nothing."""
    n = draw(st.integers(30, 120))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    risk = np.round(rng.uniform(0.02, 0.9, n), draw(st.sampled_from([1, 2, 8]))).clip(0.01, 0.99)
    label = (rng.random(n) < 0.4).astype(np.int64)
    weights = rng.integers(0, 4, n).astype(np.float64)
    label[:2], weights[:2] = (0, 1), 1
    return risk, label, rng.integers(0, 4, n), weights


@settings(max_examples=60)
@given(weighed_rows())
def test_weights_count_as_repeated_rows(rows: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> None:
    risk, label, facility, weights = rows
    often = np.repeat(np.arange(len(risk)), weights.astype(np.int64))
    expected = all_metrics(risk[often], label[often], facility[often])
    found = Ranking(risk, label, facility).measure(weights).whole
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-8), name


def test_a_draw_takes_whole_patients() -> None:
    patient = np.array([5, 5, 9, 9, 9, 2])
    for weights in draws(patient, rounds=20, seed=3):
        assert weights[0] == weights[1]
        assert weights[2] == weights[3] == weights[4]
        assert weights[0] + weights[2] + weights[5] == 3


def test_the_same_seed_draws_the_same() -> None:
    patient = np.arange(40)
    first, second, other = (np.array(list(draws(patient, rounds=5, seed=seed))) for seed in (1, 1, 2))
    assert (first == second).all()
    assert (first != other).any()


def test_an_interval_leaves_out_what_is_unknown() -> None:
    assert interval([float("nan"), *np.arange(101.0)]) == pytest.approx((2.5, 97.5))
    assert np.isnan(interval([float("nan")])).all()
