"""A model's text is proven before compiled code walks it: what is not whole and consistent is refused, at once."""

import re
import time
from collections.abc import Callable

import lightgbm
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iit.domain.errors import InvalidInput
from iit.model import lightgbm_text, trees
from iit.model.contributions import contributions, raw_scores
from iit.model.trees import Trees


def a_text() -> str:
    """Return a small model: numbers, a category set, a constant."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, 3))
    rows[:, 2] = rng.integers(0, 40, 200)
    label = ((rows[:, 0] > 0) ^ (rows[:, 2] % 3 == 0)).astype(int)
    data = lightgbm.Dataset(rows, label, categorical_feature=[2])
    parameters = {"objective": "binary", "num_leaves": 5, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1,
                  "cat_smooth": 1, "cat_l2": 1, "min_data_per_group": 1}  # fmt: skip
    return str(lightgbm.train(parameters, data, num_boost_round=2).model_to_string())


TEXT = a_text()
ROWS = np.random.default_rng(2).normal(size=(20, 3)).astype(np.float32)


def resized(text: str) -> str:
    """Return the text with tree_sizes as a careful forger would set them."""
    body = text.partition("\nend of trees")[0]
    sizes = [len("\nTree=" + block) for block in body.split("\nTree=")[1:]]
    return re.sub(r"tree_sizes=.*", "tree_sizes=" + " ".join(map(str, sizes)), text)


def with_field(key: str, change: Callable[[list[str]], list[str]]) -> str:
    """Return the text with the first tree's field changed."""
    start, line = next((m.start(), m.group()) for m in re.finditer(rf"^{key}=.*$", TEXT, re.M))
    words = change(line.partition("=")[2].split())
    return resized(TEXT[:start] + f"{key}=" + " ".join(words) + TEXT[start + len(line) :])


def put(place: int, word: str) -> Callable[[list[str]], list[str]]:
    return lambda words: [*words[:place], word, *words[place:][1:]]


def refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Trees.from_model_text(text)


def test_the_text_itself_is_accepted() -> None:
    found = Trees.from_model_text(resized(TEXT))
    assert (found.n_trees, found.n_features) == (2, 3)
    assert found.arrays.rule.max() == trees.CATEGORICAL


def test_arrays_cannot_be_changed() -> None:
    found = Trees.from_model_text(TEXT)
    for array in found.arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[:1] = 0


def test_a_text_that_is_cut_off_anywhere_is_refused() -> None:
    for end in range(TEXT.index("\nend of trees") + len("\nend of trees")):
        refused(TEXT[:end])


CHANGES = {
    "children changed places": ("left_child", lambda words: words[::-1]),
    "a circle": ("left_child", put(1, "0")),
    "a node is its own child": ("left_child", put(1, "1")),
    "a node with two parents": ("right_child", put(0, "3")),
    "a leaf with two parents": ("left_child", put(-1, "-1")),
    "a child beyond the nodes": ("left_child", put(0, "4")),
    "a child beyond the leaves": ("left_child", put(0, "-6")),
    "a child far away": ("left_child", put(0, "-2147483648")),
    "a feature beyond the columns": ("split_feature", put(0, "3")),
    "a negative feature": ("split_feature", put(0, "-1")),
    "a number with thousands of digits": ("split_feature", put(0, "9" * 5000)),
    "a fraction for a whole number": ("split_feature", put(0, "1.0")),
    "a threshold that is no number": ("threshold", put(0, "NaN")),
    "a threshold of letters": ("threshold", put(0, "x")),
    "a number as only Python writes it": ("leaf_value", put(0, "1_0")),
    "an infinite leaf": ("leaf_value", put(0, "inf")),
    "a leaf that is no number": ("leaf_value", put(0, "nan")),
    "a giant leaf": ("leaf_value", put(0, "1e31")),
    "a leaf too many": ("leaf_value", lambda words: [*words, "0"]),
    "a leaf too few": ("leaf_value", lambda words: words[:-1]),
    "an unknown kind of decision": ("decision_type", put(0, "12")),
    "a negative kind of decision": ("decision_type", put(0, "-1")),
    "a leaf with more rows": ("leaf_count", put(0, "100")),
    "a negative number of rows": ("leaf_count", put(0, "-1")),
    "a node without rows": ("internal_count", put(0, "0")),
    "more leaves than numbers": ("num_leaves", put(0, "6")),
    "no leaves": ("num_leaves", put(0, "0")),
    "more leaves than memory": ("num_leaves", put(0, "2147483647")),
    "linear": ("is_linear", put(0, "1")),
    "more sets than nodes": ("num_cat", put(0, "5")),
    "no sets": ("num_cat", put(0, "0")),
    "sets that shrink": ("cat_boundaries", put(1, "9")),
    "sets that do not start at the start": ("cat_boundaries", put(0, "1")),
    "sets beyond the words": ("cat_boundaries", put(-1, "1000")),
    "a word that is too wide": ("cat_threshold", put(0, "4294967296")),
    "sizes of other trees": ("tree_sizes", put(0, "10")),
    "several classes": ("num_class", put(0, "2")),
    "several trees an iteration": ("num_tree_per_iteration", put(0, "3")),
    "another version": ("version", put(0, "v2")),
    "names twice": ("feature_names", lambda words: [words[0], *words[:-1]]),
    "a name too few": ("feature_names", lambda words: words[:-1]),
    "features without end": ("max_feature_idx", put(0, "99999999")),
}


@pytest.mark.parametrize(("key", "change"), CHANGES.values(), ids=CHANGES.keys())
def test_what_is_inconsistent_is_refused(key: str, change: Callable[[list[str]], list[str]]) -> None:
    changed = with_field(key, change)
    if key == "tree_sizes":
        changed = TEXT.replace("tree_sizes=", "tree_sizes=1")
    assert changed != TEXT
    refused(changed)


@pytest.mark.parametrize("key", [line.partition("=")[0] for line in TEXT.partition("\n\nTree=1")[0].split("\n")[1:]])
def test_a_field_that_is_given_twice_is_refused(key: str) -> None:
    line = re.search(rf"^{key}(=.*)?$", TEXT, re.M)
    if key and line is not None and key != "Tree":
        refused(resized(TEXT[: line.end()] + "\n" + line.group() + TEXT[line.end() :]))


@pytest.mark.parametrize(
    "text",
    ["", "tree", "tree\nend of trees", "\nend of trees", "pickle", "\x80\x04.", TEXT.replace("\n", "\r\n"),
     TEXT.replace("Tree=1", "Tree=0"), resized(TEXT.replace("split_gain=", "split_gain=٣")), "=" * 1000,
     TEXT.replace("tree\n", "tree\naverage_output\n", 1)],
)  # fmt: skip
def test_what_is_no_such_text_is_refused(text: str) -> None:
    refused(text)


def test_a_categorical_split_needs_a_set() -> None:
    found = re.search(r"decision_type=(.*)", TEXT)
    assert found is not None
    place = found.group(1).split().index("9")
    for word in ("7", "-1", "0.5", "inf"):
        refused(with_field("threshold", put(place, word)))


def test_a_text_too_long_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightgbm_text, "MAX_CHARACTERS", len(TEXT) - 1)
    refused(TEXT)


def a_chain(n: int, n_features: int) -> str:
    """Return a model of one path on which each node asks about the next feature."""
    fields = {
        "num_leaves": n + 1,
        "num_cat": 0,
        "split_feature": " ".join(str(i % n_features) for i in range(n)),
        "threshold": " ".join(["0"] * n),
        "decision_type": " ".join(["2"] * n),
        "left_child": " ".join([*map(str, range(1, n)), "-1"]),
        "right_child": " ".join(str(~i) for i in range(1, n + 1)),
        "leaf_value": " ".join(["1"] * (n + 1)),
        "leaf_count": " ".join(["1"] * (n + 1)),
        "internal_count": " ".join(str(n + 1 - i) for i in range(n)),
        "is_linear": 0,
    }
    names = " ".join(f"f{i}" for i in range(n_features))
    head = f"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx={n_features - 1}\n"
    tree = "\n".join(f"{key}={value}" for key, value in fields.items())
    return resized(f"{head}feature_names={names}\ntree_sizes=\n\nTree=0\n{tree}\n\n\nend of trees\n")


@pytest.mark.parametrize(
    ("left", "right", "inner", "leaves"),
    [
        pytest.param([-1, 2, 1], [-2, -3, -4], [2, 5, 5], [1, 1, 0, 0], id="a circle beside the tree"),
        pytest.param([2, -1, 1], [-2, -3, -4], [4, 2, 3], [1, 1, 1, 1], id="a tree that is numbered otherwise"),
    ],
)
def test_parents_stand_before_their_children(
    left: list[int], right: list[int], inner: list[int], leaves: list[int]
) -> None:
    changed = a_chain(3, 3)
    for key, numbers in (
        ("left_child", left), ("right_child", right), ("internal_count", inner), ("leaf_count", leaves)
    ):  # fmt: skip
        changed = re.sub(rf"{key}=.*", f"{key}={' '.join(map(str, numbers))}", changed)
    with pytest.raises(InvalidInput, match="before its parent"):
        Trees.from_model_text(resized(changed))


def test_a_path_of_too_many_features_is_refused() -> None:
    assert Trees.from_model_text(a_chain(192, 192)).arrays.blocks[0] == 12
    with pytest.raises(InvalidInput, match="different features on one path"):
        Trees.from_model_text(a_chain(193, 193))


def test_the_longest_chain_is_read_in_seconds() -> None:
    before = time.monotonic()
    found = Trees.from_model_text(a_chain(lightgbm_text.MAX_LEAVES - 1, 7))
    rows = np.zeros((1, 7), np.float32)
    assert raw_scores(found, rows)[0] == 1
    assert contributions(found, rows).sum() == pytest.approx(1)
    assert time.monotonic() - before < 30


def test_too_many_constants_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MAX_STEP_ROWS", 3)
    with pytest.raises(InvalidInput, match="too many"):
        Trees.from_model_text(a_chain(40, 7))


@settings(max_examples=300, deadline=None)
@given(
    place=st.integers(0, len(TEXT) - 1),
    put=st.sampled_from([*"0123456789-. =\n", "e9", "inf", "nan", ""]),
    width=st.integers(0, 12),
)
@example(place=TEXT.index("left_child=") + 11, put="-", width=0)
def test_a_text_changed_anywhere_is_refused_or_safe(place: int, put: str, width: int) -> None:
    """What is still accepted gives finite answers that add up: no index left the arrays."""
    changed = resized(TEXT[:place] + put + TEXT[place + width :])
    try:
        found = Trees.from_model_text(changed)
    except InvalidInput:
        return
    rows = np.resize(ROWS, (20, found.n_features))
    raw = raw_scores(found, rows)
    assert np.isfinite(raw).all()
    largest = np.abs(found.arrays.leaf_value).max()
    np.testing.assert_allclose(contributions(found, rows).sum(axis=1), raw, rtol=0, atol=1e-12 * (1 + largest))
