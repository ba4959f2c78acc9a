"""Exact contributions of features to a row's raw score (path-dependent TreeSHAP), in compiled code.

The game is that of Lundberg et al. (arXiv:1802.03888), which LightGBM's `pred_contrib` plays too: a tree's value for a
set of known features goes both ways at the nodes of unknown ones, weighted by their training rows. Let each feature be
known with probability t. The tree's mean g(t) is then a polynomial, and a feature's Shapley value is the integral over
t in [0, 1] of g's derivative for that feature's own probability (Owen's multilinear extension). A path with d different
features has degree d - 1, so that ceil(d / 2) Gauss-Legendre points are exact; a tree takes as many as its deepest path
needs, in blocks of eight.

At each point the derivatives of all features come from one walk up and one walk down (reverse differentiation):

    up:    mean = share_left g_left + share_right g_right,  excess = g_hot - mean,  g = mean + s excess
    down:  weight_child = weight (share + s (hot - share)),  contribution += slope weight excess

where hot is the child that the row goes to and s the probability that the feature is known, given that the row is in
this node: t where the feature is asked about for the first time on the path, t / ((1 - t) r + t) where its earlier
edges leave a share r of the rows and the row itself follows them, and 0 where the row has left them. The values of s
and its slope depend on the tree only (`Trees.step`, `Trees.slope`): nothing is divided here, and nothing cancels.

Cost: about 20 operations a node and point, without a branch on the row; no dependence on the number of features known.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import InvalidInput
from iit.features.compiled import compiled, inlined
from iit.model.trees import CATEGORICAL, LANES, NO_NODE, Trees

# LightGBM's kZeroThreshold is the float 1e-35f, compared as a double.
ZERO_THRESHOLD = float(np.float32(1e-35))
# Indices are unsigned throughout: a signed index costs a test for counting from the end, here a third of the time.
_ONE = np.uint64(1)
_YES = np.uint8(1)
_TWO_TO_31 = 2147483648.0

_FIVE, _THIRTY_ONE = np.uint64(5), np.uint64(31)

Floats = NDArray[np.float64]
Words = NDArray[np.uint32]
Bytes = NDArray[np.uint8]
Rows = NDArray[np.float32] | NDArray[np.float64]


def contributions(trees: Trees, rows: Rows) -> Floats:
    """Return what each feature adds to each row's raw score.

    Args:
        trees: the model.
        rows: (n, p) float32 or float64, columns in `trees.feature_names` order; NaN = unknown.

    Returns:
        (n, p + 1) in log-odds for a binary objective; the last column is the base value. A row's sum is its raw score,
        to rounding. A row's result is the same to the bit alone or among others.

    Raises:
        InvalidInput: the rows have another shape or type.
    """
    found = np.empty((len(rows), trees.n_features + 1))
    _contributions(
        _checked(trees, rows), trees.roots, trees.feature, trees.threshold, trees.rule, trees.left, trees.right,
        trees.left_share, trees.right_share, trees.parent, trees.is_left, trees.share, trees.twin, trees.twin_left,
        trees.leaf_value, trees.set_start, trees.set_words, trees.blocks, trees.step_row, trees.step, trees.slope,
        found,
    )  # fmt: skip
    found[:, -1] = trees.base_value
    return found


def raw_scores(trees: Trees, rows: Rows) -> Floats:
    """Return each row's sum of leaf values, (n,), in log-odds for a binary objective: LightGBM's `raw_score`.

    Args:
        trees: the model.
        rows: (n, p) float32 or float64, columns in `trees.feature_names` order; NaN = unknown.

    Raises:
        InvalidInput: the rows have another shape or type.
    """
    found = np.empty(len(rows))
    _raw_scores(
        _checked(trees, rows), trees.roots, trees.feature, trees.threshold, trees.rule, trees.left, trees.right,
        trees.leaf_value, trees.set_start, trees.set_words, found,
    )  # fmt: skip
    return found


def top_reasons(contribution_row: Floats, row: NDArray[np.floating], n: int) -> NDArray[np.intp]:
    """Return the columns of the n largest contributions of either sign, largest first, ties by column.

    A feature that is unknown in the row or adds nothing is no reason, so that there may be fewer than n.

    Args:
        contribution_row: (p + 1,), one row of `contributions`; the base value is never a reason.
        row: (p,), the row itself.
        n: how many, at least 0.

    Raises:
        InvalidInput: the lengths do not fit, or n is negative.
    """
    if row.ndim != 1 or contribution_row.shape != (len(row) + 1,) or n < 0:
        raise InvalidInput("needs a row, its contributions with the base value, and a number from 0")
    strength = np.abs(contribution_row[:-1])
    order: NDArray[np.intp] = np.argsort(-strength, kind="stable")
    told: NDArray[np.intp] = order[(strength[order] > 0) & ~np.isnan(row[order])][:n]
    return told


def _checked(trees: Trees, rows: Rows) -> Rows:
    if rows.ndim != 2 or rows.shape[1] != trees.n_features:
        raise InvalidInput(f"rows must have {trees.n_features} columns", place="rows")
    if rows.dtype not in (np.float32, np.float64):
        raise InvalidInput("rows must be float32 or float64", place="rows")
    # One memory layout and read-only for all, or each kind of array that comes along would be compiled for anew.
    same = np.require(rows, requirements=["C", "A"]).view()
    same.flags.writeable = False
    return same


@inlined
def _read(row: Rows, values: Floats, states: Bytes) -> None:
    """Take a row as LightGBM's readers do (tiny = 0), and tell ordinary values (0) from zero (1) and NaN (2)."""
    for f in range(len(row)):
        value = np.float64(row[f])
        state = 2 if np.isnan(value) else 1 if abs(value) <= ZERO_THRESHOLD else 0
        values[f] = 0.0 if state == 1 else value
        states[f] = state


@inlined
def _goes_left(value: float, state: Any, threshold: float, rule: Any, set_start: Words, set_words: Words) -> np.uint8:
    """Decide as LightGBM's Tree::Decision; return 1 for left, 0 for right."""
    if rule == CATEGORICAL:
        # LightGBM cuts off to a C int: what lies between -1 and 0 becomes 0, what does not fit goes right like NaN.
        if not -1.0 < value < _TWO_TO_31:
            return np.uint8(0)
        category, chosen = np.uint64(value), np.uint64(threshold)
        word = set_start[chosen] + (category >> _FIVE)
        if word >= set_start[chosen + _ONE]:
            return np.uint8(0)
        return np.uint8((set_words[word] >> (category & _THIRTY_ONE)) & _ONE)
    return np.uint8(((value <= threshold) & (state == 0)) | ((rule >> state) & 1))


@compiled
def _raw_scores(
    rows: Rows, roots: Words, feature: Words, threshold: Floats, rule: Bytes, left: Words, right: Words,
    leaf_value: Floats, set_start: Words, set_words: Words, found: Floats,
) -> None:  # fmt: skip
    values, states = np.empty(rows.shape[1]), np.empty(rows.shape[1], np.uint8)
    for i in range(len(rows)):
        _read(rows[i], values, states)
        total = 0.0
        for t in range(np.uint64(len(roots) - 1)):
            root = roots[t]
            n = roots[t + _ONE] - root
            slot = n - n
            while slot < n:
                g = root + slot
                f = feature[g]
                goes_left = _goes_left(values[f], states[f], threshold[g], rule[g], set_start, set_words)
                slot = np.uint64(left[g] if goes_left else right[g])
            total += leaf_value[root + t + (slot - n)]
        found[i] = total


@inlined
def _follow(
    root: Any, n: Any, goes_left: Bytes, twin: Words, twin_left: Bytes, step_row: Words, follows: Bytes, rows: Words
) -> None:
    """Set each node's row of constants: zeros where the row of data has left the node's feature's earlier edges."""
    for j in range(n):
        g = root + j
        follows[j] = 1
        if twin[g] != NO_NODE:
            follows[j] = follows[twin[g]] & (goes_left[root + twin[g]] ^ twin_left[g] ^ _YES)
        rows[j] = step_row[g] * follows[j]


@inlined
def _up(
    root: Any, n: Any, block: Any, goes_left: Bytes, left: Words, right: Words, left_share: Floats,
    right_share: Floats, rows: Words, step: Floats, mean: Floats, excess: Floats,
) -> None:  # fmt: skip
    """From the leaves to the root: each node's mean, and what its hot child has in excess of the cover average."""
    for i in range(n):
        j = n - _ONE - i
        g = root + j
        l, r, x, y = left[g], right[g], left_share[g], right_share[g]  # noqa: E741
        hot = l if goes_left[g] else r
        row = rows[j] + block
        for k in range(LANES):
            average = x * mean[l, k] + y * mean[r, k]
            above = mean[hot, k] - average
            excess[j, k] = above
            mean[j, k] = average + step[row, k] * above


@inlined
def _down(
    root: Any, n: Any, block: Any, goes_left: Bytes, feature: Words, parent: Words, is_left: Bytes, share: Floats,
    rows: Words, step: Floats, slope: Floats, excess: Floats, weight: Floats, sums: Floats,
) -> None:  # fmt: skip
    """From the root to the leaves: each node's weight in the root's mean, and its feature's derivative."""
    f, row = feature[root], rows[0] + block
    for k in range(LANES):
        weight[0, k] = 1.0
        sums[f, k] += slope[row, k] * excess[0, k]
    for i in range(n - _ONE):
        j = i + _ONE
        g = root + j
        up, f, row, part = parent[g], feature[g], rows[j] + block, share[g]
        above = rows[up] + block
        beyond = np.float64(goes_left[root + up] ^ is_left[g] ^ _YES) - part
        for k in range(LANES):
            here = weight[up, k] * (part + step[above, k] * beyond)
            weight[j, k] = here
            sums[f, k] += slope[row, k] * here * excess[j, k]


@compiled
def _contributions(
    rows: Rows, roots: Words, feature: Words, threshold: Floats, rule: Bytes, left: Words, right: Words,
    left_share: Floats, right_share: Floats, parent: Words, is_left: Bytes, share: Floats, twin: Words,
    twin_left: Bytes, leaf_value: Floats, set_start: Words, set_words: Words, blocks: Words, step_row: Words,
    step: Floats, slope: Floats, found: Floats,
) -> None:  # fmt: skip
    n_features, n_nodes, n_trees = rows.shape[1], len(feature), np.uint64(len(roots) - 1)
    largest = 1
    for t in range(n_trees):
        largest = max(largest, int(np.int64(roots[t + _ONE] - roots[t])))
    values, states = np.empty(n_features), np.empty(n_features, np.uint8)
    goes_left, follows, step_rows = (
        np.empty(n_nodes, np.uint8),
        np.empty(largest, np.uint8),
        np.empty(largest, np.uint32),
    )
    mean, excess, weight = np.empty((2 * largest + 1, LANES)), np.empty((largest, LANES)), np.empty((largest, LANES))
    sums = np.empty((n_features, LANES))
    for i in range(len(rows)):
        _read(rows[i], values, states)
        for g in range(n_nodes):
            f = feature[g]
            goes_left[g] = _goes_left(values[f], states[f], threshold[g], rule[g], set_start, set_words)
        sums[:] = 0.0
        for t in range(n_trees):
            root = roots[t]
            n = roots[t + _ONE] - root
            if n == 0:
                continue
            for j in range(n + _ONE):
                value = leaf_value[root + t + j]
                for k in range(LANES):
                    mean[n + j, k] = value
            _follow(root, n, goes_left, twin, twin_left, step_row, follows, step_rows)
            for b in range(blocks[t]):
                _up(root, n, b, goes_left, left, right, left_share, right_share, step_rows, step, mean, excess)
                _down(
                    root, n, b, goes_left, feature, parent, is_left, share, step_rows, step, slope, excess, weight, sums
                )
        for f in range(n_features):
            total = 0.0
            for k in range(LANES):
                total += sums[f, k]
            found[i, f] = total
