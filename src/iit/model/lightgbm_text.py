"""Reading LightGBM's text form of a model (versions v3 and v4), whoever wrote it: all fields in number and range.

What the numbers mean together is proven in `iit.model.trees`.
"""

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from iit.domain.errors import InvalidInput

MAX_CHARACTERS = 2**26  # 64 MiB: thousands of trees; bounds the memory that reading takes
MAX_LEAVES = 131_072  # LightGBM's own limit of num_leaves
MAX_LEAF_VALUE = 1e30  # keeps every sum finite
_INFINITE = float("inf")
_MAX_COUNT = 2**31 - 1
_TREE_PREFIX = "\nTree="
_END = "\nend of trees"
_INTEGER = re.compile(r"-?[0-9]{1,10}")

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True, repr=False)
class TextTree:
    """One tree as it stands in the text, n inner nodes and n + 1 leaves, each list in the text's order.

    Attributes:
        place: where it stands, for messages.
        feature: column that a node asks about.
        threshold: may be infinite (a split of known from unknown values), never NaN.
        decision_type: bit 0 categorical, bit 1 default left, from bit 2 what counts as missing (LightGBM's tree.h).
        left, right: children; a negative one is the leaf ~child.
        inner_count, leaf_count: training rows.
        leaf_value: shrinkage included.
        set_sizes, set_words: category sets behind one another, 32 categories a word.
    """

    place: str
    feature: list[int]
    threshold: list[float]
    decision_type: list[int]
    left: list[int]
    right: list[int]
    inner_count: list[int]
    leaf_count: list[int]
    leaf_value: list[float]
    set_sizes: list[int]
    set_words: list[int]


def read_model_text(text: str) -> tuple[tuple[str, ...], list[TextTree]]:
    """Return the names of the features, and the trees. Time and memory are in proportion to the text.

    Raises:
        InvalidInput: not such a text, cut off, or of a kind that is not supported: several classes, averaged (random
            forest) or linear trees, no tree.
    """
    header, blocks = _split(text)
    names = _feature_names(header)
    return names, [_tree(_tree_fields(i, block), len(names), f"Tree={i}") for i, block in enumerate(blocks)]


def _split(text: str) -> tuple[dict[str, str], list[str]]:
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(f"the model text is longer than {MAX_CHARACTERS} characters")
    body, end, _ = text.partition(_END)
    if not end:
        raise InvalidInput("the model text has no end of trees: it is cut off or no LightGBM model")
    head, *blocks = body.split(_TREE_PREFIX)
    first, _, rest = head.partition("\n")
    if first != "tree":
        raise InvalidInput("the model text does not start with the line `tree`", place="header")
    header = _fields(rest.split("\n"), "header")
    _check_kind(header)
    sizes = [len(_TREE_PREFIX) + len(block) for block in blocks]  # the line break before counts for the one behind
    if not blocks or _integers(header, "tree_sizes", len(blocks), (0, MAX_CHARACTERS), "header") != sizes:
        raise InvalidInput("the trees are not those that tree_sizes announces", place="header")
    return header, blocks


def _fields(lines: Iterable[str], place: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition("=")
        if key and key in found:
            raise InvalidInput(f"{key[:40]!r} is given twice", place=place)
        found[key] = value
    return found


def _check_kind(header: Fields) -> None:
    if header.get("version") not in {"v3", "v4"}:
        raise InvalidInput("only versions v3 and v4 of the format are supported", place="header.version")
    for key in ("num_class", "num_tree_per_iteration"):
        if header.get(key) != "1":
            raise InvalidInput("only models with one output are supported", place=f"header.{key}")
    if "average_output" in header:
        raise InvalidInput("averaged trees (random forest) are not supported", place="header.average_output")


def _feature_names(header: Fields) -> tuple[str, ...]:
    names = tuple(header.get("feature_names", "").split(" "))
    last = _integers(header, "max_feature_idx", 1, (0, MAX_CHARACTERS), "header")[0]
    if len(names) != last + 1 or not all(names) or len(set(names)) != len(names):
        raise InvalidInput("there must be max_feature_idx + 1 different names", place="header.feature_names")
    return names


def _tree_fields(i: int, block: str) -> dict[str, str]:
    number, _, rest = block.partition("\n")
    filled, _, beyond = rest.partition("\n\n")
    if number != str(i) or not block.isascii() or beyond.strip("\n"):
        raise InvalidInput("the tree is not written as LightGBM writes it", place=f"Tree={i}")
    return _fields(filled.split("\n"), f"Tree={i}")


def _tree(fields: Fields, n_features: int, place: str) -> TextTree:
    n_leaves = _integers(fields, "num_leaves", 1, (1, MAX_LEAVES), place)[0]
    if fields.get("is_linear", "0") != "0":
        raise InvalidInput("linear trees are not supported", place=f"{place}.is_linear")
    leaf_value = _numbers(fields, "leaf_value", n_leaves, MAX_LEAF_VALUE, place)
    n = n_leaves - 1
    if n == 0:  # a constant: LightGBM writes no more of it
        return TextTree(place, [], [], [], [], [], [], [], leaf_value, [], [])
    child = (-n_leaves, n - 1)
    set_sizes, set_words = _sets(fields, n, place)
    return TextTree(
        place=place,
        feature=_integers(fields, "split_feature", n, (0, n_features - 1), place),
        threshold=_numbers(fields, "threshold", n, _INFINITE, place),
        decision_type=_integers(fields, "decision_type", n, (0, 11), place),
        left=_integers(fields, "left_child", n, child, place),
        right=_integers(fields, "right_child", n, child, place),
        inner_count=_integers(fields, "internal_count", n, (1, _MAX_COUNT), place),
        leaf_count=_integers(fields, "leaf_count", n_leaves, (0, _MAX_COUNT), place),
        leaf_value=leaf_value,
        set_sizes=set_sizes,
        set_words=set_words,
    )


def _sets(fields: Fields, n: int, place: str) -> tuple[list[int], list[int]]:
    n_sets = _integers(fields, "num_cat", 1, (0, n), place)[0]
    if n_sets == 0:
        return [], []
    bounds = _integers(fields, "cat_boundaries", n_sets + 1, (0, MAX_CHARACTERS), place)
    sizes = [after - before for before, after in itertools.pairwise(bounds)]
    if bounds[0] != 0 or min(sizes) < 0:
        raise InvalidInput("the bounds must start at 0 and grow", place=f"{place}.cat_boundaries")
    return sizes, _integers(fields, "cat_threshold", bounds[-1], (0, 2**32 - 1), place)


def _words(fields: Fields, key: str, n: int, place: str) -> list[str]:
    words = fields.get(key, "").split()
    if len(words) != n:
        raise InvalidInput(f"{len(words)} numbers where {n} are needed", place=f"{place}.{key}")
    return words


def _integers(fields: Fields, key: str, n: int, bounds: tuple[int, int], place: str) -> list[int]:
    words = _words(fields, key, n, place)
    if not all(map(_INTEGER.fullmatch, words)):
        raise InvalidInput("not all are whole numbers", place=f"{place}.{key}")
    values = [int(word) for word in words]
    if values and not (bounds[0] <= min(values) and max(values) <= bounds[1]):
        raise InvalidInput(f"not all are in {bounds[0]} to {bounds[1]}", place=f"{place}.{key}")
    return values


def _numbers(fields: Fields, key: str, n: int, limit: float, place: str) -> list[float]:
    words = _words(fields, key, n, place)
    try:
        values = [float(word) for word in words]
    except ValueError as cause:
        raise InvalidInput("not all are numbers", place=f"{place}.{key}") from cause
    if "_" in fields[key] or not all(abs(value) <= limit for value in values):  # false for NaN; Python reads 1_0 as 10
        raise InvalidInput(f"not all are numbers within {limit:g}", place=f"{place}.{key}")
    return values
