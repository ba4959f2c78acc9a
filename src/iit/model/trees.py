"""A LightGBM model as flat arrays that compiled code may walk without checks.

Compiled code tests no index, so everything it relies on is proven here, once: a `Trees` that exists is safe for any
row, whoever wrote the text it was read from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import InvalidInput
from iit.model.lightgbm_text import TextTree, read_model_text

# Bits of `Arrays.rule`. A value is 0 (ordinary), 1 (zero) or 2 (NaN): bit 1 sends zero left, bit 2 NaN.
ZERO_LEFT, NAN_LEFT, CATEGORICAL = 2, 4, 8
NO_NODE = 2**32 - 1
LANES = 8  # quadrature points that are computed side by side

MAX_DISTINCT = 192  # features on one path: numpy states Gauss-Legendre points to be tested up to 100 of them
MAX_STEP_ROWS = 2**20  # 128 MiB of quadrature constants

_CATEGORICAL_BIT, _DEFAULT_LEFT_BIT = 1, 2  # of decision_type
_MISSING_ZERO, _MISSING_NAN = 1, 2
_ROOT, _BACK = -1, -2

_Twin = tuple[int, int, float]  # the node above, side, share of the rows that its feature's edges left over


class Arrays(NamedTuple):
    """m trees with N inner nodes, as compiled code takes them.

    Each tree's inner nodes lie behind one another, parents first; a tree with n inner nodes has n + 1 leaves. Inside a
    tree a node is a slot: an inner one below n, a leaf from n on. All arrays are read-only.

    Attributes:
        roots: (m + 1,); tree t owns nodes roots[t] to roots[t + 1], end excluded, and leaves from roots[t] + t.
        feature: (N,), column that a node asks about.
        threshold: (N,), left if value <= threshold; for a categorical node the number of its set.
        rule: (N,), ZERO_LEFT, NAN_LEFT and CATEGORICAL.
        left, right: (N,), slots of the children.
        left_share: (N,) in [0, 1], the left child's part of the node's training rows.
        twin: (N,), slot of the nearest node above that asks about the same feature, or NO_NODE.
        twin_left: (N,), 1 if the path from there to here starts to the left.
        leaf_value: (N + m,), log-odds for a binary objective, shrinkage included.
        set_start, set_words: category sets, 32 categories a word.
        blocks: (m,), quadrature points a tree needs, in units of LANES; 0 for a constant.
        step_row: (N,), first row of a node's constants in `step` and `slope`; see `iit.model.contributions`.
        step, slope: (r, LANES).
    """

    roots: NDArray[np.uint32]
    feature: NDArray[np.uint32]
    threshold: NDArray[np.float64]
    rule: NDArray[np.uint8]
    left: NDArray[np.uint32]
    right: NDArray[np.uint32]
    left_share: NDArray[np.float64]
    twin: NDArray[np.uint32]
    twin_left: NDArray[np.uint8]
    leaf_value: NDArray[np.float64]
    set_start: NDArray[np.uint32]
    set_words: NDArray[np.uint32]
    blocks: NDArray[np.uint32]
    step_row: NDArray[np.uint32]
    step: NDArray[np.float64]
    slope: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trees:
    """A model; the only way to make one is `from_model_text`.

    Attributes:
        feature_names: (p,), in column order.
        base_value: the mean raw score by the counts of the training rows; the last column of the contributions.
        most_nodes: inner nodes of the largest tree, at least 1.
        arrays: all trees.
    """

    feature_names: tuple[str, ...]
    base_value: float
    most_nodes: int
    arrays: Arrays

    @property
    def n_features(self) -> int:
        """The number of columns, p."""
        return len(self.feature_names)

    @property
    def n_trees(self) -> int:
        """The number of trees, m."""
        return len(self.arrays.blocks)

    @classmethod
    def from_model_text(cls, text: str) -> Self:
        """Read the text of `Booster.model_to_string`. Time and memory are in proportion to it, whatever it says.

        Raises:
            InvalidInput: as `read_model_text`; or inconsistent, or more than 192 different features on one path.
        """
        names, written = read_model_text(text)
        for tree in written:
            _check_shape(tree)
        arrays = _assembled(written)
        return cls(names, sum(map(_mean, written)), max(1, *(len(tree.feature) for tree in written)), arrays)


def _check_shape(tree: TextTree) -> None:
    """Prove that the nodes are one tree, parents first as LightGBM numbers them, and that no row is lost or won.

    Each node but the root has one parent, and its number is smaller: so all hang on the root, without a circle.
    """
    n = len(tree.feature)
    slots = np.array([_slots(tree.left), _slots(tree.right)])
    if not np.array_equal(np.sort(slots, axis=None), np.arange(1, 2 * n + 1)):
        raise InvalidInput("not every node has one parent", place=tree.place)
    if (slots <= np.arange(n)).any():
        raise InvalidInput("a node stands before its parent", place=tree.place)
    counts = np.array(tree.inner_count + tree.leaf_count, np.int64)
    if n and (counts[slots].sum(axis=0) != counts[:n]).any():
        raise InvalidInput("the rows of the children are not those of their parent", place=tree.place)


def _slots(children: list[int]) -> NDArray[np.int64]:
    numbers = np.array(children, np.int64)
    return np.where(numbers >= 0, numbers, len(children) + ~numbers)


def _mean(tree: TextTree) -> float:
    if not tree.feature:
        return tree.leaf_value[0]
    shares = np.array(tree.leaf_count) / tree.inner_count[0]
    return float(shares @ np.array(tree.leaf_value))


class _Nodes(NamedTuple):
    """Columns of `Arrays` of one tree or all, and what `_steps` needs."""

    feature: NDArray[np.uint32]
    threshold: NDArray[np.float64]
    rule: NDArray[np.uint8]
    left: NDArray[np.uint32]
    right: NDArray[np.uint32]
    left_share: NDArray[np.float64]
    twin: NDArray[np.uint32]
    twin_left: NDArray[np.uint8]
    twin_share: NDArray[np.float64]


def _assembled(written: Sequence[TextTree]) -> Arrays:
    sizes = [len(tree.feature) for tree in written]
    trees, blocks, n_sets = [], [], 0
    for tree in written:
        nodes, n_distinct = _nodes(tree, n_sets)
        trees.append(nodes)
        blocks.append(-(-n_distinct // (2 * LANES)))
        n_sets += len(tree.set_sizes)
    nodes = _Nodes(*(np.concatenate(column) for column in zip(*trees, strict=True)))
    step_row, step, slope = _steps(np.repeat(blocks, sizes), nodes.twin_share, max(blocks))
    arrays = Arrays(
        roots=np.cumsum([0, *sizes]).astype(np.uint32),
        leaf_value=np.array([value for tree in written for value in tree.leaf_value], np.float64),
        set_start=np.cumsum([0] + [size for tree in written for size in tree.set_sizes]).astype(np.uint32),
        set_words=np.array([word for tree in written for word in tree.set_words], np.uint32),
        blocks=np.array(blocks, np.uint32),
        step_row=step_row,
        step=step,
        slope=slope,
        **{name: column for name, column in nodes._asdict().items() if name != "twin_share"},
    )
    for array in arrays:
        array.flags.writeable = False
    return arrays


def _nodes(tree: TextTree, n_sets: int) -> tuple[_Nodes, int]:
    """Return a tree's columns and the number of different features on its longest path.

    Args:
        tree: of proven shape.
        n_sets: category sets of the trees before.
    """
    n = len(tree.feature)
    left, right = _slots(tree.left), _slots(tree.right)
    counts = np.array(tree.inner_count + tree.leaf_count, np.float64)
    left_share = counts[left] / counts[:n]
    threshold, rule = _decisions(tree, n_sets)
    twins, n_distinct = _twins(tree, left_share.tolist())
    twin, twin_left, twin_share = zip(*twins, strict=True) if twins else ((), (), ())
    nodes = _Nodes(
        np.array(tree.feature, np.uint32), threshold, rule, left.astype(np.uint32), right.astype(np.uint32), left_share,
        np.array(twin, np.uint32), np.array(twin_left, np.uint8), np.array(twin_share, np.float64),
    )  # fmt: skip
    return nodes, n_distinct


def _decisions(tree: TextTree, n_sets: int) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    threshold, kind = np.array(tree.threshold, np.float64), np.array(tree.decision_type, np.int64)
    missing, default_left = kind >> 2, (kind & _DEFAULT_LEFT_BIT) > 0
    zero_left = np.where(missing == _MISSING_ZERO, default_left, threshold >= 0)
    nan_left = np.where(missing == _MISSING_NAN, default_left, zero_left)  # where NaN is not expected it counts as zero
    categorical = (kind & _CATEGORICAL_BIT) > 0
    if not np.isin(threshold[categorical], np.arange(len(tree.set_sizes))).all():
        raise InvalidInput("a categorical split has no set", place=tree.place)
    threshold[categorical] += n_sets
    return threshold, np.where(categorical, CATEGORICAL, zero_left * ZERO_LEFT + nan_left * NAN_LEFT).astype(np.uint8)


def _twins(tree: TextTree, left_share: list[float]) -> tuple[list[_Twin], int]:
    """Return each node's twin, and the number of different features on the longest path, by one walk down and up."""
    n = len(tree.feature)
    twins: list[_Twin] = [(NO_NODE, 1, 1.0)] * n
    latest: dict[int, _Twin] = {}  # by feature, of the path walked
    before: list[tuple[int, _Twin | None]] = []  # what to put back on the way up
    most = 0
    todo = [(_ROOT, 0)] if n else []
    while todo:
        above, side = todo.pop()
        if above == _BACK:
            feature, earlier = before.pop()
            latest.pop(feature) if earlier is None else latest.update({feature: earlier})
            continue
        node = 0
        if above != _ROOT:
            feature = tree.feature[above]
            before.append((feature, latest.get(feature)))
            share = left_share[above] if side else 1 - left_share[above]
            latest[feature] = (above, side, share * twins[above][2])
            todo.append((_BACK, 0))
            node = tree.left[above] if side else tree.right[above]
        twins[node] = latest.get(tree.feature[node], twins[node])
        most = max(most, len(latest) + (tree.feature[node] not in latest))
        todo += [(node, side) for side in (0, 1) if (tree.left if side else tree.right)[node] >= 0]
    if most > MAX_DISTINCT:
        raise InvalidInput(f"more than {MAX_DISTINCT} different features on one path", place=tree.place)
    return twins, most


def _steps(
    blocks: NDArray[np.int64], twin_share: NDArray[np.float64], most: int
) -> tuple[NDArray[np.uint32], NDArray[np.float64], NDArray[np.float64]]:
    """Return each node's first row of constants and the rows; the first `most` rows are zero, for nodes without effect.

    At a point t with weight w, below a share r of the rows that the same feature left over: s = t / ((1 - t) r + t) and
    its derivative times the weight, w r / ((1 - t) r + t)^2. Equal shares have their rows in common.
    """
    step_row = np.zeros(len(blocks), np.uint32)
    steps, slopes, n_rows = [np.zeros((most, LANES))], [np.zeros((most, LANES))], most
    for n_blocks in np.unique(blocks).tolist():
        nodes = np.flatnonzero(blocks == n_blocks)
        shares, which = np.unique(twin_share[nodes], return_inverse=True)
        step_row[nodes] = n_rows + which * n_blocks
        n_rows += len(shares) * n_blocks
        if n_rows > MAX_STEP_ROWS:
            raise InvalidInput("too many and too deep trees")
        points, weights = np.polynomial.legendre.leggauss(LANES * n_blocks)
        t, r = (points + 1) / 2, shares[:, None]
        mixed = (1 - t) * r + t
        steps.append((t / mixed).reshape(-1, LANES))
        slopes.append((weights / 2 * r / mixed**2).reshape(-1, LANES))
    return step_row, np.concatenate(steps), np.concatenate(slopes)
