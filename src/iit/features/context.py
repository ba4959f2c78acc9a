"""What a facility's patients do together, told strictly after the fact.

A month's figures are those known before its first day. A row of them serves every prediction day of that month, so a
vector never holds what happened at the facility in its own month. Cycles and their expected days are those of the
records at hand; each counts from the day its facts were known.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain import interruption
from iit.domain.errors import InvalidInput
from iit.domain.interruption import GRACE_DAYS, NEVER
from iit.features import calendar
from iit.features.arrays import Floats, Ints
from iit.features.columns import Columns
from iit.features.compiled import compiled, inlined

HALF_YEAR: Final = 183
_VERSION: Final = 1
_HEADER = struct.Struct("<BiiiiifI")  # version, first month, months, known days, pairs, home city, level, lag
_CITY: Final = 63  # Kind.CITY
_PRIOR_BOUNDS: Final = (20.0, 1000.0)  # patients that the general rate weighs as many as, at least and at most


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
            months[place, : len(one.months)] = one.months
            months[place, len(one.months) :] = one.months[-1:]
        return cls(
            tuple(facilities),
            np.array([one.home_city for one in facilities], np.int64),
            (
                np.array([one.first_month for one in facilities], np.int64),
                months,
                _joined([one.known_days for one in facilities]),
                _offsets([len(one.known_days) for one in facilities]),
                _joined([one.expected for one in facilities]),
                _joined([one.expected_known for one in facilities]),
                _offsets([len(one.expected) for one in facilities]),
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


def _joined(arrays: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    return np.concatenate([np.empty(0, np.int32), *arrays]).astype(np.int32)


def _offsets(lengths: Sequence[int]) -> NDArray[np.int64]:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def find_all_cycles(
    policy: int,
    offsets: Ints,
    day: Ints,
    known: Ints,
    kind: Ints,
    value: Floats,
    owner: Ints,
    start: Ints,
    expected: Ints,
    start_known: Ints,
    exit_day: Ints,
    exit_known: Ints,
) -> int:
    """Find the cycles of all patients; return their number.

    Receives for each cycle: place of its patient, pick-up day, expected day, the day the pick-up became known, the
    first exit on or after it and the day that became known (NEVER for none).
    """
    total = 0
    longest = 1
    for p in range(len(offsets) - 1):
        longest = max(longest, offsets[p + 1] - offsets[p])
    room = np.empty((4, longest), np.int64)
    for p in range(len(offsets) - 1):
        a, b = offsets[p], offsets[p + 1]
        n = b - a
        count = interruption.find_cycles(day[a:b], kind[a:b], value[a:b], n, policy, room[0], room[1], room[2], room[3])
        fact = a
        for i in range(count):
            owner[total] = p
            start[total] = room[0, i]
            expected[total] = room[3, i]
            while not (day[fact] == room[0, i] and kind[fact] == 1):  # Kind.PICKUP
                fact += 1
            start_known[total] = known[fact]
            exit_day[total] = NEVER
            exit_known[total] = NEVER
            for j in range(fact, b):
                if interruption.is_exit(kind[j], value[j]):
                    exit_day[total] = day[j]
                    exit_known[total] = known[j]
                    break
            total += 1
    return total


def first_at_least(days: Ints, a: int, b: int, wanted: int) -> int:
    """Return the first of the sorted days [a, b) that is not before `wanted`, or NEVER."""
    place = a + np.searchsorted(days[a:b], wanted)
    return days[place] if place < b else NEVER


def count_months(
    owner: Ints,
    start: Ints,
    expected: Ints,
    start_known: Ints,
    exit_day: Ints,
    exit_known: Ints,
    facility: Ints,
    known_days: Ints,
    known_at: Ints,
    month_days: Ints,
    sums: Floats,
) -> None:
    """Add each cycle to the months in which it tells something.

    `sums` (f, months, 5): resolved cycles and interruptions, returns and their days late, all of the six months before
    the month and known before it; patients on treatment as known before it.
    """
    n_months = len(month_days)
    for c in range(len(owner)):
        place = facility[owner[c]]
        if place < 0:
            continue
        has_next = c + 1 < len(owner) and owner[c + 1] == owner[c]
        back = start[c + 1] if has_next else NEVER
        back_known = start_known[c + 1] if has_next else NEVER
        missed = expected[c] + GRACE_DAYS + 1
        missed_known = first_at_least(known_days, known_at[place], known_at[place + 1], missed)
        first = np.searchsorted(month_days, start_known[c] + 1)
        for m in range(first, n_months):
            t = month_days[m]
            if t > expected[c] + GRACE_DAYS + HALF_YEAR and t > back_known + HALF_YEAR:
                break
            if t > missed_known + HALF_YEAR and back_known == NEVER:
                break
            gone = exit_known[c] < t and exit_day[c] <= expected[c] + GRACE_DAYS and exit_day[c] < back
            if t <= expected[c] + GRACE_DAYS and t <= back_known and not gone:
                sums[place, m, 4] += 1
            if gone:
                continue
            if back_known < t and t - back_known <= HALF_YEAR:
                sums[place, m, 2] += 1
                sums[place, m, 3] += max(back - expected[c], 0)
            returned_in_time = back_known < t and back < missed
            if returned_in_time:
                if t - back_known <= HALF_YEAR:
                    sums[place, m, 0] += 1
            elif missed_known < t and t - missed_known <= HALF_YEAR:
                sums[place, m, 0] += 1
                sums[place, m, 1] += 1


for _function in (
    interruption.is_valid_supply, interruption.expected_contact, interruption.is_exit, interruption.find_cycles,
    first_at_least,
):  # fmt: skip
    inlined(_function)
_find_all_cycles = compiled(find_all_cycles)
_count_months = compiled(count_months)


def shrunk(interrupted: NDArray[np.float64], resolved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return facilities' interruption rates drawn toward the general rate (empirical Bayes, beta-binomial).

    The prior's weight comes from the spread between facilities by moments, bounded to 20 to 1000 cycles.

    Args:
        interrupted: (f,) interruptions of a month row.
        resolved: (f,) cycles they are of.

    Returns:
        (f,) rates; the general rate where a facility has no cycle, NaN where nobody has.
    """
    total = resolved.sum()
    if total == 0:
        return np.full(len(resolved), np.nan)
    rate = interrupted.sum() / total
    own = np.divide(interrupted, resolved, out=np.full(len(resolved), rate), where=resolved > 0)
    chance = rate * (1 - rate)
    between = (resolved * (own - rate) ** 2).sum() / total - chance * (resolved > 0).sum() / total
    weight = chance / between - 1 if between > 0 else _PRIOR_BOUNDS[1]
    weight = float(np.clip(weight, *_PRIOR_BOUNDS))
    rates: NDArray[np.float64] = (interrupted + weight * rate) / (resolved + weight)
    return rates


def build_contexts(
    columns: Columns,
    facility: NDArray[np.int32],
    n_facilities: int,
    *,
    policy: int = 0,
    levels: NDArray[np.float32] | None = None,
) -> Contexts:
    """Return the contexts of all facilities from their patients' records.

    Args:
        columns: records of m patients.
        facility: (m,) int32, place of each patient's facility, -1 for none.
        n_facilities: how many facilities there are.
        policy: an `ExpectedPolicy`.
        levels: (f,) level of each, NaN unknown.
    """
    n = len(columns.day)
    owner, start, expected, start_known, exit_day, exit_known = (np.empty(n, np.int64) for _ in range(6))
    total = _find_all_cycles(
        policy, columns.offsets, columns.day, columns.known, columns.kind, columns.value,
        owner, start, expected, start_known, exit_day, exit_known,
    )  # fmt: skip
    owner, start, expected, start_known, exit_day, exit_known = (
        array[:total] for array in (owner, start, expected, start_known, exit_day, exit_known)
    )
    of_fact = np.repeat(facility, np.diff(columns.offsets))
    known_days = [np.unique(columns.known[of_fact == place]) for place in range(n_facilities)]
    month_days, first_month = _months(columns)
    sums = np.zeros((n_facilities, len(month_days), 5))
    _count_months(
        owner, start, expected, start_known, exit_day, exit_known, facility,
        _joined(known_days), _offsets([len(days) for days in known_days]), month_days, sums,
    )  # fmt: skip
    months = _figures(sums)
    of_cycle = facility[owner]
    contexts = []
    for place in range(n_facilities):
        pairs = np.flatnonzero(of_cycle == place)
        pairs = pairs[np.lexsort((start_known[pairs], expected[pairs]))]
        mine = of_fact == place
        contexts.append(
            FacilityContext(
                first_month,
                months[place],
                known_days[place],
                expected[pairs].astype(np.int32),
                start_known[pairs].astype(np.int32),
                _home_city(columns, mine),
                float("nan") if levels is None else float(levels[place]),
                _reporting_lag(columns, mine),
            )
        )
    return Contexts.of(contexts)


def _months(columns: Columns) -> tuple[NDArray[np.int64], int]:
    """Return each month's first day, first pick-up to the month after the last known day; and the first month."""
    pickups = columns.day[columns.kind == 1]
    if not len(pickups):
        return np.empty(0, np.int64), 0
    first = calendar.month_index(int(pickups.min()))
    last = calendar.month_index(int(columns.known.max())) + 1
    start = np.datetime64("1970-01", "M") + (first - 1970 * 12)
    days = (start + np.arange(last - first + 1)).astype("datetime64[D]").astype(np.int64)
    return days, first


def _figures(sums: NDArray[np.float64]) -> NDArray[np.float32]:
    months = np.full((*sums.shape[:2], 3), np.nan, np.float32)
    for m in range(sums.shape[1]):
        months[:, m, 0] = shrunk(sums[:, m, 1], sums[:, m, 0])
    np.divide(sums[..., 3], sums[..., 2], out=months[..., 1], where=sums[..., 2] > 0, casting="same_kind")
    months[..., 2] = sums[..., 4]
    return months


def _home_city(columns: Columns, mine: NDArray[np.bool_]) -> int:
    cities = columns.value[mine & (columns.kind == _CITY)]
    if not len(cities):
        return -1
    names, counts = np.unique(cities, return_counts=True)
    return int(names[counts.argmax()])


def _reporting_lag(columns: Columns, mine: NDArray[np.bool_]) -> int:
    """Return the 95th percentile of known less happened over pick-ups that happened in the last 12 months."""
    days, known = columns.day[mine & (columns.kind == 1)], columns.known[mine & (columns.kind == 1)]
    if not len(days):
        return 0
    recent = days > days.max() - 365
    return int(np.percentile((known - days)[recent], 95, method="higher"))


inlined(calendar.civil)
