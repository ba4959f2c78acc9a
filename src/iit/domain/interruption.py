"""What a refill cycle is, when it is interrupted, and what its label is.

Sources: PEPFAR MER 2.x (TX_ML, TX_RTT: "no clinical contact or ARV drug pick-up for greater than 28 days since the last
expected contact"); NMRS production rule (last pick-up + days supplied + 28 >= day: active).

All times are days since 1970-01-01. The functions are plain loops over sequences of numbers, so that the feature
kernels compile the very same code (see `iit.features.compiled`).
"""

from enum import IntEnum
from typing import Any, Final, Protocol

GRACE_DAYS: Final = 28  # PEPFAR MER 2.x, TX_ML
MIN_DAYS_SUPPLIED: Final = 1
MAX_DAYS_SUPPLIED: Final = 365
DEFAULT_DAYS_SUPPLIED: Final = 30
NEVER: Final = 2_000_000_000  # a day after every real one


class Numbers(Protocol):
    """A list or an array of numbers."""

    def __getitem__(self, place: int, /) -> Any: ...


class Room(Numbers, Protocol):
    """A list or an array that receives numbers."""

    def __setitem__(self, place: int, number: int, /) -> None: ...


class DaysSource(IntEnum):
    """Where the days supplied of a cycle come from. From APPOINTMENT on they are imputed."""

    RECORDED = 0
    QUANTITY = 1
    APPOINTMENT = 2
    PREVIOUS = 3
    DEFAULT = 4


class ExpectedPolicy(IntEnum):
    """How the expected contact is set: by supply (RADET), the later of supply and appointment, or the appointment."""

    RADET = 0
    LATEST = 1
    APPOINTMENT = 2


class CycleStatus(IntEnum):
    """What became of a cycle."""

    RETURNED = 0  # label 0
    INTERRUPTED = 1  # label 1
    COMPETING = 2  # death, transfer or documented stop came first: no label
    CENSORED = 3  # not yet knowable: no label
    NOT_AT_RISK = 4  # dead, transferred out or stopped on the day of the pick-up: no label


def is_valid_supply(days: float) -> bool:
    """Return whether days supplied are credible: 1 to 365, both included."""
    return days >= MIN_DAYS_SUPPLIED and days <= MAX_DAYS_SUPPLIED


def interruption_day(expected: int) -> int:
    """Return the first day with more than 28 days without contact: day 28 is in care, day 29 interrupted."""
    return expected + GRACE_DAYS + 1


def expected_contact(pickup: int, days: int, appointment: int, policy: int) -> int:
    """Return the expected day of the next contact.

    Args:
        pickup: day of the pick-up.
        days: days supplied, 1 to 365.
        appointment: day of the next appointment given on that day, or a day not after the pick-up if none.
        policy: an `ExpectedPolicy`.
    """
    expected = pickup + days
    if appointment > pickup and appointment <= pickup + MAX_DAYS_SUPPLIED:
        if policy == 1:  # ExpectedPolicy.LATEST
            return max(expected, appointment)
        if policy == 2:  # ExpectedPolicy.APPOINTMENT
            return appointment
    return expected


def find_cycles(
    day: Numbers,
    kind: Numbers,
    value: Numbers,
    n: int,
    policy: int,
    start: Room,
    supply: Room,
    source: Room,
    expected: Room,
) -> int:
    """Find the refill cycles in a record: one for each day with an ARV pick-up.

    Days supplied of a day are the largest valid number recorded that day; else by quantity; else until the appointment
    given that day; else the previous cycle's; else 30.

    Args:
        day: (n,) day of each fact, ascending.
        kind: (n,) `Kind` of each fact.
        value: (n,) value of each fact, NaN where it has none.
        n: how many facts to read.
        policy: an `ExpectedPolicy`.
        start: receives the day of each pick-up. Room for n.
        supply: receives the days supplied, 1 to 365.
        source: receives the `DaysSource`.
        expected: receives the day of expected contact.

    Returns:
        The number of cycles.
    """
    count = 0
    i = 0
    while i < n:
        today = day[i]
        recorded = 0.0
        quantity = 0.0
        appointment = 0
        has_pickup = False
        while i < n and day[i] == today:
            fact = kind[i]
            amount = value[i]
            if fact == 1:  # Kind.PICKUP
                has_pickup = True
                if is_valid_supply(amount) and amount > recorded:
                    recorded = amount
            elif fact == 2:  # Kind.PICKUP_QUANTITY_DAYS
                if is_valid_supply(amount) and amount > quantity:
                    quantity = amount
            elif fact == 11 and is_valid_supply(amount - today):  # Kind.APPOINTMENT
                appointment = int(amount)
            i += 1
        if not has_pickup:
            continue
        if recorded > 0:
            days, days_source = int(recorded), 0
        elif quantity > 0:
            days, days_source = int(quantity), 1
        elif appointment > 0:
            days, days_source = appointment - today, 2
        elif count > 0:
            days, days_source = supply[count - 1], 3
        else:
            days, days_source = DEFAULT_DAYS_SUPPLIED, 4
        start[count] = today
        supply[count] = days
        source[count] = days_source
        expected[count] = expected_contact(today, days, appointment, policy)
        count += 1
    return count


def is_exit(kind: int, value: float) -> bool:
    """Return whether a fact takes the patient out of risk: death, transfer out or a documented stop.

    A termination as lost to follow-up (5240) is not one: it is the outcome itself.
    """
    if kind == 53:  # Kind.DEATH
        return True
    return kind == 52 and (value == 159492.0 or value == 165889.0 or value == 165916.0)  # Kind.TERMINATION


def first_exit(day: Numbers, kind: Numbers, value: Numbers, n: int, since: int) -> int:
    """Return the first day, not before `since`, on which the patient died, was transferred out or stopped; or NEVER."""
    for i in range(n):
        if day[i] >= since and is_exit(kind[i], value[i]):
            return int(day[i])
    return NEVER


def died_before(day: Numbers, kind: Numbers, value: Numbers, n: int, on: int) -> bool:
    """Return whether a death is recorded before the day: later pick-ups of such a record cannot be trusted."""
    for i in range(n):
        if day[i] >= on:
            return False
        if kind[i] == 53 or (kind[i] == 52 and value[i] == 165889.0):
            return True
    return False


def cycle_status(start: int, expected: int, next_contact: int, exit_day: int, observed_until: int) -> int:
    """Return what became of a cycle (a `CycleStatus`), T1 of the domain.

    The window is (start, expected + 28], open at the pick-up and closed at day 28. What comes first in it decides; a
    contact on the day of an exit counts as a return.

    Args:
        start: day of the pick-up.
        expected: day of expected contact.
        next_contact: day of the next pick-up, or NEVER.
        exit_day: first death, transfer out or stop on or after the pick-up, or NEVER.
        observed_until: last day the facility's reports can be trusted to be complete: the smaller of the day of
            judgement and the facility's last report, less its reporting lag.
    """
    if exit_day == start:
        return 4  # CycleStatus.NOT_AT_RISK
    last = expected + GRACE_DAYS
    if next_contact <= last and next_contact <= exit_day:
        return 0  # CycleStatus.RETURNED
    if exit_day <= last:
        return 2  # CycleStatus.COMPETING
    if observed_until >= last:
        return 1  # CycleStatus.INTERRUPTED
    return 3  # CycleStatus.CENSORED
