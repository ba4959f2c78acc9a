"""Our contributions and raw scores are LightGBM's, for every kind of model and row."""

from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from iit.domain.errors import InvalidInput
from iit.model.contributions import contributions, raw_scores
from iit.model.trees import LANES, Trees

SPECIAL = np.array([0.0, -0.0, 1e-36, -1e-36, 1e-35, 1e-30, 1e30, -1e30, np.inf, -np.inf, np.nan], np.float32)


def grown(features: NDArray[np.float32], label: NDArray[Any], rounds: int = 20, **parameters: Any) -> lightgbm.Booster:
    usual = {"objective": "binary", "min_data_in_leaf": 3, "verbosity": -1, "num_threads": 1, "seed": 1}
    categorical = parameters.pop("categorical", "auto")
    data = lightgbm.Dataset(features, label, categorical_feature=categorical, free_raw_data=True)
    return lightgbm.train({**usual, **parameters}, data, num_boost_round=rounds)


def some_rows(n: int, p: int, seed: int = 0, unknown: float = 0.2) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, p)).astype(np.float32)
    rows[:, ::2] = np.round(rows[:, ::2] * 3)  # zeros and ties
    rows[rng.random(rows.shape) < unknown] = np.nan
    return rows


def a_label(rows: NDArray[np.float32]) -> NDArray[np.int64]:
    known = np.nan_to_num(rows, posinf=9, neginf=-9)
    noise = np.random.default_rng(1).normal(size=len(rows))
    return (known[:, 0] + known[:, 1] * known[:, -1] + np.isnan(rows[:, 1]) + noise > 0.3).astype(np.int64)


def assert_equal(booster: lightgbm.Booster, rows: NDArray[np.float32]) -> Trees:
    trees = Trees.from_model_text(booster.model_to_string())
    expected = booster.predict(rows, pred_contrib=True, num_threads=1)
    found = contributions(trees, rows)
    raw = raw_scores(trees, rows)
    np.testing.assert_allclose(raw, booster.predict(rows, raw_score=True, num_threads=1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), raw, rtol=0, atol=1e-9)
    for i in (0, len(rows) - 1):
        assert np.array_equal(contributions(trees, rows[i : i + 1])[0], found[i])
        assert raw_scores(trees, rows[i : i + 1])[0] == raw[i]
    return trees


KINDS: dict[str, dict[str, Any]] = {
    "NaN is missing": {"use_missing": True},
    "zero is missing": {"zero_as_missing": True},
    "nothing is missing": {"use_missing": False},
    "stumps": {"num_leaves": 2},
    "many leaves": {"num_leaves": 255, "min_data_in_leaf": 1, "rounds": 3},
    "random rows and columns": {"bagging_fraction": 0.6, "bagging_freq": 1, "feature_fraction": 0.3},
    "one-sided sampling": {"data_sample_strategy": "goss"},
    "dropped trees": {"boosting": "dart"},
    "no mean in the first tree": {"boost_from_average": False},
    "monotone": {"monotone_constraints": [1, 0, -1, 0, 0, 0]},
    "regression": {"objective": "regression"},
    "extremely random": {"extra_trees": True},
    "few bins": {"max_bin": 3},
    "weights of classes": {"scale_pos_weight": 5},
}


@pytest.mark.parametrize("parameters", [pytest.param(kind, id=name) for name, kind in KINDS.items()])
@pytest.mark.parametrize("unknown", [0.0, 0.3], ids=["all known", "some unknown"])
def test_contributions_are_those_of_lightgbm(parameters: dict[str, Any], unknown: float) -> None:
    rows = some_rows(600, 6, unknown=unknown)
    booster = grown(rows, a_label(rows), **parameters)
    extremes = np.random.default_rng(5).choice(SPECIAL, (60, 6)).astype(np.float32)
    assert_equal(booster, np.concatenate((some_rows(150, 6, seed=9, unknown=0.2), extremes)))


@pytest.mark.parametrize("max_cat_to_onehot", [4, 100], ids=["sets", "one against all"])
def test_categories_are_decided_as_lightgbm_does(max_cat_to_onehot: int) -> None:
    rng = np.random.default_rng(3)
    rows = some_rows(800, 4)
    rows[:, 0] = rng.integers(0, 70, 800)
    rows[:, 2] = rng.integers(0, 4, 800)
    rows[rng.random(800) < 0.1, 0] = np.nan
    label = (np.sin(np.nan_to_num(rows[:, 0])) + rows[:, 2] % 2 + rng.normal(size=800) > 0.5).astype(int)
    booster = grown(rows, label, categorical=[0, 2], max_cat_to_onehot=max_cat_to_onehot, cat_smooth=1, cat_l2=1)
    asked = some_rows(300, 4, seed=4)
    odd = [-1, -0.5, 0.5, 3.9, 31, 32, 69, 70, 95, 96, 1e6, 2**31 - 128, 2**31, 1e20, np.inf, -np.inf, np.nan, -7]
    asked[:, 0] = rng.choice(np.array([*odd, *range(70)], np.float32), 300)
    asked[:, 2] = rng.choice(np.array([*odd, *range(4)], np.float32), 300)
    assert assert_equal(booster, asked).arrays.set_words.any()


def test_a_split_of_known_from_unknown_values_has_an_infinite_threshold() -> None:
    rows = some_rows(600, 3, unknown=0.4)
    booster = grown(rows, np.isnan(rows[:, 1]).astype(int))
    trees = assert_equal(booster, np.concatenate((rows, SPECIAL[:, None].repeat(3, 1))))
    assert np.isinf(trees.arrays.threshold).any()


def test_a_feature_asked_about_again_and_again_on_a_long_path() -> None:
    """A staircase is learned by one chain of splits on a single feature."""
    rows = some_rows(400, 2, unknown=0.05)
    rows[:, 0] = np.arange(400)
    steps = np.exp(np.arange(400) / 40)
    booster = grown(rows, steps, objective="regression", num_leaves=120, min_data_in_leaf=1, max_bin=500, rounds=5)
    trees = assert_equal(booster, rows)
    assert (trees.arrays.twin != 2**32 - 1).mean() > 0.6


def test_paths_with_more_features_than_one_block_of_points_serves() -> None:
    rows = some_rows(3000, 40, unknown=0.1)
    label = (np.nan_to_num(rows) > 0.5).all(axis=1) * 1.0
    label += np.cumprod(np.nan_to_num(rows) > -1.5, axis=1).sum(axis=1)
    booster = grown(rows, label, objective="regression", num_leaves=40, min_data_in_leaf=1, rounds=3)
    trees = assert_equal(booster, some_rows(100, 40, seed=8))
    assert trees.arrays.blocks.max() > 1
    assert trees.arrays.step.shape[1] == LANES


def test_constant_trees_and_one_leaf_only() -> None:
    rows = some_rows(50, 3)
    booster = grown(rows, np.arange(50) % 2, min_data_in_leaf=1000)
    trees = assert_equal(booster, rows)
    assert not contributions(trees, rows)[:, :-1].any()


def test_a_feature_that_is_never_asked_adds_nothing() -> None:
    rows = some_rows(300, 3)
    rows[:, 2] = 1
    trees = Trees.from_model_text(grown(rows, a_label(rows)).model_to_string())
    assert not contributions(trees, rows)[:, 2].any()


def test_no_rows_give_no_answers() -> None:
    rows = some_rows(300, 3)
    trees = Trees.from_model_text(grown(rows, a_label(rows)).model_to_string())
    assert contributions(trees, rows[:0]).shape == (0, 4)
    assert raw_scores(trees, rows[:0]).shape == (0,)


@pytest.mark.parametrize(
    "rows",
    [np.zeros((2, 4), np.float32), np.zeros(3, np.float32), np.zeros((2, 3)), np.zeros((2, 3), np.int64)],
    ids=["a column more", "one dimension", "doubles", "whole numbers"],
)
def test_other_rows_are_refused(rows: NDArray[Any]) -> None:
    learned = some_rows(300, 3)
    trees = Trees.from_model_text(grown(learned, a_label(learned)).model_to_string())
    for act in (contributions, raw_scores):
        with pytest.raises(InvalidInput):
            act(trees, rows)


def test_the_layout_of_rows_does_not_matter() -> None:
    rows = some_rows(300, 6)
    trees = Trees.from_model_text(grown(rows, a_label(rows)).model_to_string())
    expected = contributions(trees, rows)
    spread = np.zeros((600, 12), np.float32)
    spread[::2, ::2] = rows
    for same in (np.asfortranarray(rows), spread[::2, ::2]):
        assert np.array_equal(contributions(trees, same), expected)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_small_models_of_any_shape(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**20))
    p, n = data.draw(st.integers(1, 7)), data.draw(st.integers(20, 120))
    rows = some_rows(n, p, seed=seed, unknown=data.draw(st.sampled_from([0.0, 0.1, 0.7])))
    if data.draw(st.booleans()):
        rows = np.random.default_rng(seed).choice(SPECIAL[:-3], rows.shape).astype(np.float32)
    parameters = {
        "num_leaves": data.draw(st.integers(2, 40)),
        "min_data_in_leaf": data.draw(st.integers(1, 10)),
        "min_data_in_bin": 1,
        "rounds": data.draw(st.integers(1, 6)),
        "zero_as_missing": data.draw(st.booleans()),
        "learning_rate": data.draw(st.sampled_from([0.01, 1.0])),
        "objective": data.draw(st.sampled_from(["binary", "regression", "poisson"])),
    }
    label = np.random.default_rng(seed + 1).integers(0, 2, n)
    label[:2] = [0, 1]
    asked = np.concatenate((rows, np.random.default_rng(seed).choice(SPECIAL, (20, p)).astype(np.float32)))
    assert_equal(grown(rows, label, **parameters), asked)
