"""The breaker: opens after failures in a row, lets single probes through, closes at a success."""

from dataclasses import dataclass

import pytest

from iit.breaker import NEVER, Breaker, State
from iit.domain.errors import Unavailable
from iit.telemetry import circuit_breaker_state


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("a dependency", clock, failures=3, rest_seconds=2.0)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def told() -> float:
    return circuit_breaker_state.labels("a dependency")._value.get()


def test_it_opens_at_the_last_of_the_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert breaker.admits()
    breaker.failed()
    assert (breaker.admits(), breaker.state, told()) == (False, State.OPEN, 2)


def test_a_success_between_failures_counts_them_anew(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.state == State.CLOSED


def test_an_open_one_says_when_to_come_again(breaker: Breaker) -> None:
    fail(breaker, 3)
    with pytest.raises(Unavailable, match="a dependency: keeps failing") as told:
        breaker.admit()
    assert told.value.retry_after_seconds == 1


@pytest.mark.parametrize(("seconds", "admitted"), [(1.99, [False, False]), (2.0, [True, False])])
def test_one_probe_goes_through_after_the_pause(
    breaker: Breaker, clock: Clock, seconds: float, admitted: list[bool]
) -> None:
    fail(breaker, 3)
    clock.now += seconds
    assert [breaker.admits(), breaker.admits()] == admitted


def test_a_probe_that_never_comes_back_does_not_keep_it_open_for_good(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 2.0
    assert breaker.admits()
    clock.now += 2.0
    assert breaker.admits()


def test_a_good_probe_closes_it_and_a_bad_one_opens_it_again(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 2.0
    breaker.admit()
    assert (breaker.state, told()) == (State.HALF_OPEN, 1)
    breaker.failed()
    assert breaker.state == State.OPEN
    clock.now += 2.0
    breaker.admit()
    breaker.succeeded()
    assert (breaker.state, breaker.admits(), told()) == (State.CLOSED, True, 0)


def test_one_that_is_turned_off_never_opens(clock: Clock) -> None:
    breaker = Breaker("a dependency", clock, failures=NEVER)
    fail(breaker, 1000)
    assert breaker.admits()
