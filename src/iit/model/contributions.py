"""Exact contributions of features to a row's raw score (path-dependent TreeSHAP), in compiled code.

The game is that of Lundberg et al. (arXiv:1802.03888), which LightGBM's `pred_contrib` plays too: a tree's value for a
set of known features goes both ways at the nodes of unknown ones, weighted by their training rows. Let each feature be
known with probability t. The tree's mean g(t) is then a polynomial, and a feature's Shapley value is the integral over
t in [0, 1] of g's derivative for that feature's own probability (Owen's multilinear extension). A path with d different
features has degree d - 1, so that ceil(d / 2) Gauss-Legendre points are exact; a tree takes as many as its deepest path
needs, in blocks of eight.

At each point the derivatives of all features come from one walk up and one walk down (reverse differentiation):

    up:    mean = g_right + share_left (g_left - g_right),  excess = g_hot - mean,  g = mean + s excess
    down:  contribution += slope weight excess,  weight_left = weight (share_left + s (hot_left - share_left))

g_hot is that of the child that the row goes to, hot_left is 1 if it is the left one, and the rest of the weight goes
right. s is the probability that the feature is known, given that the row is in this node: t where the feature is asked
about for the first time on the path, t / ((1 - t) r + t) where its earlier edges leave a share r of the rows and the
row itself follows them, and 0 where the row has left them. The values of s and its slope depend on the tree only
(`Arrays.step`, `Arrays.slope`): nothing is divided here.

Cost: about 20 operations a node and point, without a branch on the row; no dependence on the number of features known.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import InvalidInput
from iit.features.compiled import compiled, inlined
from iit.model.trees import CATEGORICAL, LANES, NO_NODE, Arrays, Trees

# LightGBM's kZeroThreshold is the float 1e-35f, compared as a double.
ZERO_THRESHOLD = float(np.float32(1e-35))
# Indices are unsigned throughout: a signed index costs a test for counting from the end, here a third of the time.
_ONE = np.uint64(1)
_YES = np.uint8(1)
_TWO_TO_31 = 2147483648.0

_FIVE, _THIRTY_ONE = np.uint64(5), np.uint64(31)

Rows = NDArray[np.float32]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]


class Scratch(NamedTuple):
    """Memory of one call, for n the inner nodes of the largest tree, N those of all and p features.

    Attributes:
        values, states: (p,) of the row: ordinary (0), zero (1) or NaN (2).
        goes_left: (N,), 1 where the row would go left.
        follows: (n,), 1 where the row follows the path's earlier edges of the node's feature.
        rows: (n,), a node's row of constants for this row of data.
        mean, weight: (2n + 1, LANES) by slot; excess: (n, LANES).
        sums: (p, LANES), contributions at each point.
    """

    values: Floats
    states: Bytes
    goes_left: Bytes
    follows: Bytes
    rows: NDArray[np.uint32]
    mean: Floats
    weight: Floats
    excess: Floats
    sums: Floats


def contributions(trees: Trees, rows: Rows) -> Floats:
    """Return what each feature adds to each row's raw score.

    Args:
        trees: the model.
        rows: (n, p), columns in `trees.feature_names` order; NaN = unknown.

    Returns:
        (n, p + 1) in log-odds for a binary objective; the last column is the base value. A row's sum is its raw score,
        to rounding. A row's result is the same to the bit alone or among others.

    Raises:
        InvalidInput: the rows have another shape or type.
    """
    found = np.empty((len(rows), trees.n_features + 1))
    _contributions(trees.arrays, _checked(trees, rows), _scratch(trees), found)
    found[:, -1] = trees.base_value
    return found


def raw_scores(trees: Trees, rows: Rows) -> Floats:
    """Return each row's sum of leaf values, (n,), in log-odds for a binary objective: LightGBM's `raw_score`.

    Args:
        trees: the model.
        rows: (n, p), columns in `trees.feature_names` order; NaN = unknown.

    Raises:
        InvalidInput: the rows have another shape or type.
    """
    found = np.empty(len(rows))
    values, states = np.empty(trees.n_features), np.empty(trees.n_features, np.uint8)
    _raw_scores(trees.arrays, _checked(trees, rows), values, states, found)
    return found


def _checked(trees: Trees, rows: Rows) -> Rows:
    if rows.ndim != 2 or rows.shape[1] != trees.n_features:
        raise InvalidInput(f"rows must have {trees.n_features} columns", place="rows")
    if rows.dtype != np.float32:
        raise InvalidInput("rows must be float32", place="rows")
    # One memory layout and read-only for all, or each kind of array that comes along would be compiled for anew.
    same = np.require(rows, requirements=["C", "A"]).view()
    same.flags.writeable = False
    return same


def _scratch(trees: Trees) -> Scratch:
    p, n = trees.n_features, trees.most_nodes
    return Scratch(
        values=np.empty(p),
        states=np.empty(p, np.uint8),
        goes_left=np.empty(len(trees.arrays.feature), np.uint8),
        follows=np.empty(n, np.uint8),
        rows=np.empty(n, np.uint32),
        mean=np.empty((2 * n + 1, LANES)),
        weight=np.empty((2 * n + 1, LANES)),
        excess=np.empty((n, LANES)),
        sums=np.empty((p, LANES)),
    )


@inlined
def _read(row: Rows, values: Floats, states: Bytes) -> None:
    """Take a row as LightGBM's readers do (tiny = 0), and tell ordinary values (0) from zero (1) and NaN (2)."""
    for f in range(len(row)):
        value = np.float64(row[f])
        state = 2 if np.isnan(value) else 1 if abs(value) <= ZERO_THRESHOLD else 0
        values[f] = 0.0 if state == 1 else value
        states[f] = state


@inlined
def _goes_left(arrays: Arrays, g: Any, values: Floats, states: Bytes) -> np.uint8:
    """Decide as LightGBM's Tree::Decision; return 1 for left, 0 for right."""
    f, rule, threshold = arrays.feature[g], arrays.rule[g], arrays.threshold[g]
    value, state = values[f], states[f]
    if rule == CATEGORICAL:
        # LightGBM cuts off to a C int: what lies between -1 and 0 becomes 0, what does not fit goes right like NaN.
        if not -1.0 < value < _TWO_TO_31:
            return np.uint8(0)
        category, chosen = np.uint64(value), np.uint64(threshold)
        word = arrays.set_start[chosen] + (category >> _FIVE)
        if word >= arrays.set_start[chosen + _ONE]:
            return np.uint8(0)
        return np.uint8((arrays.set_words[word] >> (category & _THIRTY_ONE)) & _ONE)
    return np.uint8(((value <= threshold) & (state == 0)) | ((rule >> state) & 1))


@compiled
def _raw_scores(arrays: Arrays, rows: Rows, values: Floats, states: Bytes, found: Floats) -> None:
    for i in range(len(rows)):
        _read(rows[i], values, states)
        total = 0.0
        for t in range(np.uint64(len(arrays.blocks))):
            root = arrays.roots[t]
            n = arrays.roots[t + _ONE] - root
            slot = n - n
            while slot < n:
                g = root + slot
                slot = np.uint64(arrays.left[g] if _goes_left(arrays, g, values, states) else arrays.right[g])
            total += arrays.leaf_value[root + t + (slot - n)]
        found[i] = total


@inlined
def _follow(arrays: Arrays, root: Any, n: Any, scratch: Scratch) -> None:
    """Set each node's row of constants: zeros where the row of data has left the node's feature's earlier edges."""
    for j in range(n):
        g = root + j
        twin = arrays.twin[g]
        scratch.follows[j] = 1
        if twin != NO_NODE:
            scratch.follows[j] = scratch.follows[twin] & (scratch.goes_left[root + twin] ^ arrays.twin_left[g] ^ _YES)
        scratch.rows[j] = arrays.step_row[g] * scratch.follows[j]


@inlined
def _up(arrays: Arrays, root: Any, n: Any, block: Any, scratch: Scratch) -> None:
    """From the leaves to the root: each node's mean, and what its hot child has in excess of the average by rows."""
    mean, excess = scratch.mean, scratch.excess
    for i in range(n):
        j = n - _ONE - i
        g = root + j
        left, right, share = arrays.left[g], arrays.right[g], arrays.left_share[g]
        hot = left if scratch.goes_left[g] else right
        row = scratch.rows[j] + block
        for k in range(LANES):
            average = mean[right, k] + share * (mean[left, k] - mean[right, k])
            above = mean[hot, k] - average
            excess[j, k] = above
            mean[j, k] = average + arrays.step[row, k] * above


@inlined
def _down(arrays: Arrays, root: Any, n: Any, block: Any, scratch: Scratch) -> None:
    """From the root to the leaves: each node's weight in the root's mean, and its feature's derivative."""
    weight, excess, sums = scratch.weight, scratch.excess, scratch.sums
    for k in range(LANES):
        weight[0, k] = 1.0
    for j in range(n):
        g = root + j
        f, left, right, share = arrays.feature[g], arrays.left[g], arrays.right[g], arrays.left_share[g]
        row = scratch.rows[j] + block
        beyond = np.float64(scratch.goes_left[g]) - share
        for k in range(LANES):
            here = weight[j, k]
            sums[f, k] += arrays.slope[row, k] * here * excess[j, k]
            to_left = here * (share + arrays.step[row, k] * beyond)
            weight[left, k] = to_left
            weight[right, k] = here - to_left


@compiled
def _contributions(arrays: Arrays, rows: Rows, scratch: Scratch, found: Floats) -> None:
    for i in range(len(rows)):
        _read(rows[i], scratch.values, scratch.states)
        for g in range(np.uint64(len(arrays.feature))):
            scratch.goes_left[g] = _goes_left(arrays, g, scratch.values, scratch.states)
        scratch.sums[:] = 0.0
        for t in range(np.uint64(len(arrays.blocks))):
            root = arrays.roots[t]
            n = arrays.roots[t + _ONE] - root
            for j in range(n + _ONE):
                scratch.mean[n + j, :] = arrays.leaf_value[root + t + j]
            _follow(arrays, root, n, scratch)
            for b in range(arrays.blocks[t]):
                _up(arrays, root, n, b, scratch)
                _down(arrays, root, n, b, scratch)
        for f in range(len(scratch.sums)):
            found[i, f] = scratch.sums[f].sum()
