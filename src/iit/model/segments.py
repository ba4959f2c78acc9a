"""The segments in which a model is judged: who is in which, and what they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain.vocabulary import NIGERIAN_STATES
from iit.features.registry import INDEX
from iit.model.dataset import Dataset

LANDMARKS: Final = (
    "pick-up",
    "14 days before",
    "7 days before",
    "expected day",
    "7 days after",
    "14 days after",
    "21 days after",
)
FAIRNESS: Final = ("sex", "age band", "state", "facility size")
"""Families in which nobody is to fare worse for who they are or where they live."""

_CODED: Final[Mapping[str, tuple[str, Mapping[int, str]]]] = {
    "sex": ("sex", {1: "male", 2: "female"}),
    "age band": ("age_band", {0: "under 15", 1: "15 to 24", 2: "25 to 49", 3: "50 and over"}),
    "state": ("state_code", dict(enumerate(NIGERIAN_STATES, start=1))),
    "supply length": ("mmd_band", {0: "under 3 months", 1: "3 to 5 months", 2: "6 months or more"}),
}
_CUT: Final[Mapping[str, tuple[str, tuple[float, ...], tuple[str, ...]]]] = {
    "facility size": ("fac_tx_curr", (500, 2000), ("under 500", "500 to 1999", "2000 or more")),
    "time on treatment": (
        "months_on_art",
        (6, 12, 60),
        ("under 6 months", "6 to 11 months", "1 to 4 years", "5 years or more"),
    ),
}
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, repr=False)
class Segments:
    """Rows by segment.

    Attributes:
        names: of the g segments, as `family: group`.
        places: (r, f) place of each row's segment in each family.
    """

    names: tuple[str, ...]
    places: NDArray[np.uint16]


def segments_of(dataset: Dataset, features: NDArray[np.float32]) -> Segments:
    """Return the segments of r rows: every family of who, where and when, with a group for what is not known.

    Args:
        dataset: r rows.
        features: (r, 98).
    """
    names: list[str] = []
    columns = []
    for family, (feature, words) in _CODED.items():
        values = np.nan_to_num(features[:, INDEX[feature]], nan=-1).astype(np.int64)
        columns.append(_numbered(names, family, values, words))
    for family, (feature, cuts, groups) in _CUT.items():
        known = features[:, INDEX[feature]]
        values = np.where(np.isnan(known), -1, np.searchsorted(cuts, known, side="right"))
        columns.append(_numbered(names, family, values, dict(enumerate(groups))))
    columns.append(_numbered(names, "landmark", dataset.landmark, dict(enumerate(LANDMARKS))))
    return Segments(tuple(names), np.column_stack(columns).astype(np.uint16))


def family_of(segment: str) -> str:
    """Return the family of a segment's name."""
    return segment.partition(": ")[0]


def _numbered(names: list[str], family: str, values: NDArray[np.int64], words: Mapping[int, str]) -> NDArray[np.int64]:
    """Return the places of values among all segments, whose names are added; codes without a word are unknown."""
    keys: Sequence[int] = sorted(words)
    first = len(names)
    names += [*(f"{family}: {words[key]}" for key in keys), f"{family}: {_UNKNOWN}"]
    place = np.searchsorted(keys, values)
    is_known = np.isin(values, keys)
    return np.where(is_known, first + place, first + len(keys))
