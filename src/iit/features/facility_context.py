"""What is known of each facility: one facility as it is stored, and many side by side as the kernels read them.

Training builds them in memory and serving unpacks them: the property tests hold both to the same vectors.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import InvalidInput

_VERSION: Final = 1
_HEADER = struct.Struct("<BiiiiifI")  # version, first month, months, known days, pairs, home city, level, lag


@dataclass(frozen=True, repr=False)
class FacilityContext:
    """One facility.

    Attributes:
        first_month: months since year 0 of the first row of `months`.
        months: (k, 3) float32: shrunk interruption rate, mean days late, patients on treatment.
        known_days: ascending int32 days on which anything became known.
        expected: (e,) int32 expected days of its pick-ups, ascending.
        expected_known: (e,) int32 day each pick-up became known, ascending within an expected day.
        home_city: most common `city_hash` of its patients, -1 unknown.
        level: 1 primary to 3 tertiary; NaN unknown.
        reporting_lag_days: 95th percentile of known less happened over its last 12 months.
    """

    first_month: int
    months: NDArray[np.float32]
    known_days: NDArray[np.int32]
    expected: NDArray[np.int32]
    expected_known: NDArray[np.int32]
    home_city: int
    level: float
    reporting_lag_days: int

    @property
    def last_known_day(self) -> int:
        """The last day on which anything became known, -1 for none."""
        return int(self.known_days[-1]) if len(self.known_days) else -1

    def pack(self) -> bytes:
        """Return the context as bytes, little-endian."""
        header = _HEADER.pack(
            _VERSION, self.first_month, len(self.months), len(self.known_days), len(self.expected),
            self.home_city, self.level, self.reporting_lag_days,
        )  # fmt: skip
        arrays = (self.months, self.known_days, self.expected, self.expected_known)
        return header + b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays)

    @classmethod
    def unpack(cls, packed: bytes) -> "FacilityContext":
        """Return the context of `pack`ed bytes.

        Raises:
            InvalidInput: cut off or of another version.
        """
        if len(packed) < _HEADER.size or packed[0] != _VERSION:
            raise InvalidInput(
                "a facility context is of another version: compute it anew with `iit facilities refresh`"
            )
        _, first, n_months, n_known, n_pairs, home, level, lag = _HEADER.unpack_from(packed)
        if len(packed) != _HEADER.size + 12 * n_months + 4 * n_known + 8 * n_pairs:
            raise InvalidInput("a facility context is cut off")
        at = _HEADER.size
        months = np.frombuffer(packed, "<f4", 3 * n_months, at).reshape(n_months, 3)
        at += 12 * n_months
        known = np.frombuffer(packed, "<i4", n_known, at)
        at += 4 * n_known
        expected = np.frombuffer(packed, "<i4", n_pairs, at)
        return cls(
            first, months, known, expected, np.frombuffer(packed, "<i4", n_pairs, at + 4 * n_pairs), home, level, lag
        )


@dataclass(frozen=True, repr=False)
class Contexts:
    """Many facilities' contexts side by side, as the kernels read them.

    Attributes:
        facilities: the contexts, by place.
        home_city: (f,) int64.
        arrays: what `iit.features.facility` reads.
    """

    facilities: tuple[FacilityContext, ...]
    home_city: NDArray[np.int64]
    arrays: tuple[NDArray[np.generic], ...]

    @classmethod
    def of(cls, facilities: Sequence[FacilityContext]) -> "Contexts":
        """Return the contexts of facilities, in their order. Months after a facility's last repeat it."""
        height = max((len(one.months) for one in facilities), default=0)
        months = np.full((len(facilities), height, 3), np.nan, np.float32)
        for place, one in enumerate(facilities):
            if len(one.months):
                months[place, : len(one.months)] = one.months
                months[place, len(one.months) :] = one.months[-1]
        return cls(
            tuple(facilities),
            np.array([one.home_city for one in facilities], np.int64),
            (
                np.array([one.first_month for one in facilities], np.int64),
                months,
                joined([one.known_days for one in facilities]),
                offsets_of([len(one.known_days) for one in facilities]),
                joined([one.expected for one in facilities]),
                joined([one.expected_known for one in facilities]),
                offsets_of([len(one.expected) for one in facilities]),
                np.array([one.level for one in facilities], np.float64),
            ),
        )

    @property
    def n_facilities(self) -> int:
        """The number of facilities."""
        return len(self.facilities)

    def facility(self, place: int) -> FacilityContext:
        """Return one facility's context."""
        return self.facilities[place]

    @property
    def last_known_day(self) -> NDArray[np.int32]:
        """(f,) last day on which anything became known at each facility, -1 for none."""
        return np.array([one.last_known_day for one in self.facilities], np.int32)

    @property
    def reporting_lag_days(self) -> NDArray[np.int32]:
        """(f,) days each facility's reports run late."""
        return np.array([one.reporting_lag_days for one in self.facilities], np.int32)


def joined(arrays: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Return arrays behind one another, as a new int32 array."""
    return np.concatenate([np.empty(0, np.int32), *arrays]).astype(np.int32)


def offsets_of(lengths: Sequence[int]) -> NDArray[np.int64]:
    """Return where each part of joined arrays begins, and the end of the last."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
