"""The definition of an interruption, boundary by boundary (days are numbers; day 100 is a pick-up of 30 days)."""

import pytest

from iit.domain.interruption import (
    NEVER,
    CycleStatus,
    DaysSource,
    ExpectedPolicy,
    cycle_status,
    died_before,
    find_cycles,
    first_exit,
    interruption_day,
)
from iit.domain.landmarks import landmark_days
from iit.domain.vocabulary import TERMINATION_LTFU, TERMINATION_STOPPED, TERMINATION_TRANSFERRED_OUT, Kind

NAN = float("nan")
PICKUP, EXPECTED = 100, 130


def cycles(*facts: tuple[int, Kind, float], policy: ExpectedPolicy = ExpectedPolicy.RADET):
    """Return (start, supply, source, expected) of each cycle in facts given in order."""
    n = len(facts)
    columns = [[0] * n for _ in range(4)]
    count = find_cycles([f[0] for f in facts], [f[1] for f in facts], [f[2] for f in facts], n, policy, *columns)
    return [tuple(column[i] for column in columns) for i in range(count)]


@pytest.mark.parametrize(
    ("next_contact", "exit_day", "observed_until", "status"),
    [
        pytest.param(EXPECTED, NEVER, 999, CycleStatus.RETURNED, id="returns on the expected day"),
        pytest.param(101, NEVER, 999, CycleStatus.RETURNED, id="returns the day after the pick-up"),
        pytest.param(EXPECTED + 28, NEVER, 999, CycleStatus.RETURNED, id="day 28 is still in care"),
        pytest.param(EXPECTED + 29, NEVER, 999, CycleStatus.INTERRUPTED, id="day 29 is an interruption"),
        pytest.param(NEVER, NEVER, EXPECTED + 28, CycleStatus.INTERRUPTED, id="absence seen to the end of day 28"),
        pytest.param(NEVER, NEVER, EXPECTED + 27, CycleStatus.CENSORED, id="absence seen only to day 27"),
        pytest.param(EXPECTED + 3, NEVER, EXPECTED + 3, CycleStatus.RETURNED, id="a return is known at once"),
        pytest.param(NEVER, EXPECTED, 999, CycleStatus.COMPETING, id="dies before it could be an interruption"),
        pytest.param(NEVER, EXPECTED + 28, 999, CycleStatus.COMPETING, id="transferred out on day 28"),
        pytest.param(NEVER, EXPECTED + 29, 999, CycleStatus.INTERRUPTED, id="transferred out on day 29"),
        pytest.param(NEVER, PICKUP, 999, CycleStatus.NOT_AT_RISK, id="left on the day of the pick-up"),
        pytest.param(120, 125, 999, CycleStatus.RETURNED, id="returns, then leaves"),
        pytest.param(125, 120, 999, CycleStatus.COMPETING, id="leaves, then returns"),
        pytest.param(120, 120, 999, CycleStatus.RETURNED, id="contact on the day of the exit counts"),
        pytest.param(NEVER, EXPECTED, 0, CycleStatus.COMPETING, id="an exit is known even at a silent facility"),
    ],
)
def test_status_of_a_cycle(next_contact: int, exit_day: int, observed_until: int, status: CycleStatus) -> None:
    assert cycle_status(PICKUP, EXPECTED, next_contact, exit_day, observed_until) == status


def test_interruption_starts_on_day_29() -> None:
    assert interruption_day(EXPECTED) == EXPECTED + 29


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([(100, Kind.PICKUP, 30.0)], [(100, 30, DaysSource.RECORDED, 130)], id="recorded days"),
        pytest.param([(100, Kind.PICKUP, 365.0)], [(100, 365, DaysSource.RECORDED, 465)], id="365 days are credible"),
        pytest.param([(100, Kind.PICKUP, 366.0)], [(100, 30, DaysSource.DEFAULT, 130)], id="366 days are not"),
        pytest.param([(100, Kind.PICKUP, 0.0)], [(100, 30, DaysSource.DEFAULT, 130)], id="0 days are not"),
        pytest.param([(100, Kind.PICKUP, -5.0)], [(100, 30, DaysSource.DEFAULT, 130)], id="negative days are not"),
        pytest.param(
            [(100, Kind.PICKUP, NAN), (100, Kind.PICKUP_QUANTITY_DAYS, 60.0)],
            [(100, 60, DaysSource.QUANTITY, 160)],
            id="quantity stands in for missing days",
        ),
        pytest.param(
            [(100, Kind.PICKUP, NAN), (100, Kind.APPOINTMENT, 190.0)],
            [(100, 90, DaysSource.APPOINTMENT, 190)],
            id="the appointment stands in for both",
        ),
        pytest.param(
            [(100, Kind.PICKUP, NAN), (100, Kind.APPOINTMENT, 466.0)],
            [(100, 30, DaysSource.DEFAULT, 130)],
            id="an appointment more than a year away is not credible",
        ),
        pytest.param(
            [(100, Kind.PICKUP, 90.0), (200, Kind.PICKUP, NAN)],
            [(100, 90, DaysSource.RECORDED, 190), (200, 90, DaysSource.PREVIOUS, 290)],
            id="the previous supply is the last resort before the default",
        ),
        pytest.param(
            [(100, Kind.PICKUP, 30.0), (100, Kind.PICKUP, 90.0)],
            [(100, 90, DaysSource.RECORDED, 190)],
            id="two pick-ups of a day are one, with the longer supply",
        ),
        pytest.param(
            [(100, Kind.PICKUP, 90.0), (120, Kind.PICKUP, 30.0)],
            [(100, 90, DaysSource.RECORDED, 190), (120, 30, DaysSource.RECORDED, 150)],
            id="an early pick-up starts a new cycle with its own supply",
        ),
        pytest.param([(100, Kind.VISIT, NAN)], [], id="a visit is no pick-up"),
    ],
)
def test_cycles_of_facts(facts: list[tuple[int, Kind, float]], expected: list[tuple[int, ...]]) -> None:
    assert cycles(*facts) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(ExpectedPolicy.RADET, 130, id="by supply"),
        pytest.param(ExpectedPolicy.LATEST, 135, id="the later of both"),
        pytest.param(ExpectedPolicy.APPOINTMENT, 135, id="by appointment"),
    ],
)
def test_policy_of_the_expected_contact(policy: ExpectedPolicy, expected: int) -> None:
    (cycle,) = cycles((100, Kind.PICKUP, 30.0), (100, Kind.APPOINTMENT, 135.0), policy=policy)
    assert cycle[3] == expected


@pytest.mark.parametrize(
    ("kind", "value", "is_exit"),
    [
        pytest.param(Kind.DEATH, NAN, True, id="death"),
        pytest.param(Kind.TERMINATION, TERMINATION_TRANSFERRED_OUT, True, id="transferred out"),
        pytest.param(Kind.TERMINATION, TERMINATION_STOPPED, True, id="stopped"),
        pytest.param(Kind.TERMINATION, TERMINATION_LTFU, False, id="lost to follow-up is the outcome itself"),
        pytest.param(Kind.VISIT, NAN, False, id="a visit"),
    ],
)
def test_what_takes_a_patient_out_of_risk(kind: Kind, value: float, *, is_exit: bool) -> None:
    assert first_exit([110], [kind], [value], 1, 100) == (110 if is_exit else NEVER)


def test_an_exit_before_the_pickup_is_over() -> None:
    assert first_exit([90], [Kind.TERMINATION], [TERMINATION_TRANSFERRED_OUT], 1, 100) == NEVER


def test_a_pickup_after_death_is_not_trusted() -> None:
    assert died_before([90], [Kind.DEATH], [NAN], 1, 100)
    assert not died_before([100], [Kind.DEATH], [NAN], 1, 100)


@pytest.mark.parametrize(
    ("known", "next_known", "days"),
    [
        pytest.param(100, NEVER, [100, 116, 123, 130, 137, 144, 151], id="never returns"),
        pytest.param(100, 130, [100, 116, 123], id="returns on the expected day"),
        pytest.param(100, 138, [100, 116, 123, 130, 137], id="return known on day 8"),
        pytest.param(118, NEVER, [118, 123, 130, 137, 144, 151], id="pick-up entered late"),
        pytest.param(116, NEVER, [116, 123, 130, 137, 144, 151], id="landmark on the day it became known counts once"),
        pytest.param(140, 135, [], id="the next pick-up was known before this one"),
    ],
)
def test_landmarks_are_days_on_which_the_cycle_is_current(known: int, next_known: int, days: list[int]) -> None:
    assert landmark_days(known, EXPECTED, next_known) == days
