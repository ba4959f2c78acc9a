"""Wrong passwords: each costs more time, and never somebody else's."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.integration.conftest import PASSWORD, SECRET

from iit.bootstrap import Service
from iit.domain.access import Role
from iit.domain.errors import NotAuthenticated, RateLimited
from iit.services.keyring import Keyring
from iit.services.logins import FREE_GUESSES, Logins, Origin
from iit.store.database import Database
from iit.testing import TESTER

HOME, ELSEWHERE = Origin("192.0.2.1"), Origin("198.51.100.7")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def go(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logins(database: Database, clock: Clock, service: Service) -> Logins:
    with database.transaction() as tx:
        tx.execute(text("DELETE FROM login_attempts"))
    return Logins(database, Keyring((SECRET.encode(),)), clock)


@pytest.fixture(scope="module", autouse=True)
def people(service: Service) -> None:
    for name in ("ada", "grace"):
        service.access.users.save(name, PASSWORD, Role.VIEWER, who=TESTER)


def wrong(logins: Logins, n: int, origin: Origin = HOME, name: str = "ada") -> None:
    for _ in range(n):
        with pytest.raises(NotAuthenticated):
            logins.check(name, "wrong", origin)


def test_the_right_password_is_taken_after_a_few_wrong_ones(logins: Logins) -> None:
    wrong(logins, FREE_GUESSES - 1)
    assert logins.check("ada", PASSWORD, HOME).row.user_name == "ada"
    wrong(logins, FREE_GUESSES - 1)


@pytest.mark.parametrize("typed", [PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper(), PASSWORD + "\0x", f" {PASSWORD}"])
def test_a_password_counts_to_its_last_character(logins: Logins, typed: str) -> None:
    with pytest.raises(NotAuthenticated):
        logins.check("ada", typed, HOME)


def test_each_further_guess_waits_twice_as_long(logins: Logins, clock: Clock) -> None:
    wrong(logins, FREE_GUESSES)
    waits = []
    for _ in range(12):
        with pytest.raises(RateLimited) as refused:
            logins.check("ada", PASSWORD, HOME)
        waits.append(refused.value.retry_after_seconds)
        clock.go(seconds=refused.value.retry_after_seconds)
        wrong(logins, 1)
    assert waits == [2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 901, 901]


def test_after_an_hour_all_is_forgotten(logins: Logins, clock: Clock) -> None:
    wrong(logins, FREE_GUESSES)
    clock.go(hours=1, seconds=1)
    wrong(logins, FREE_GUESSES)


def test_guesses_from_elsewhere_lock_nobody_out(logins: Logins) -> None:
    wrong(logins, FREE_GUESSES, ELSEWHERE)
    with pytest.raises(RateLimited):
        logins.check("ada", "wrong", ELSEWHERE)
    assert logins.check("ada", PASSWORD, HOME)


def test_guesses_behind_the_same_address_do_not_lock_a_known_device_out(logins: Logins) -> None:
    device = Origin(HOME.address, logins.device_token("ada"))
    wrong(logins, FREE_GUESSES)
    with pytest.raises(RateLimited):
        logins.check("ada", PASSWORD, HOME)
    assert logins.check("ada", PASSWORD, device)


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"), id="altered"),
        pytest.param(lambda token: "x." + token.partition(".")[2], id="another nonce"),
        pytest.param(lambda _token: "", id="empty"),
        pytest.param(lambda _token: "é", id="not ASCII"),
    ],
)
def test_a_forged_device_counts_as_none(logins: Logins, forge: Callable[[str], str]) -> None:
    wrong(logins, FREE_GUESSES)
    with pytest.raises(RateLimited):
        logins.check("ada", PASSWORD, Origin(HOME.address, forge(logins.device_token("ada"))))


def test_a_device_is_of_one_user(logins: Logins) -> None:
    wrong(logins, FREE_GUESSES)
    with pytest.raises(RateLimited):
        logins.check("ada", PASSWORD, Origin(HOME.address, logins.device_token("grace")))


def test_a_stolen_device_has_few_guesses_too(logins: Logins) -> None:
    device = Origin(HOME.address, logins.device_token("ada"))
    wrong(logins, FREE_GUESSES, device)
    with pytest.raises(RateLimited):
        logins.check("ada", PASSWORD, device)


def test_an_address_that_guesses_many_names_waits_but_those_known_there_do_not(
    logins: Logins, database: Database
) -> None:
    logins.check("grace", PASSWORD, HOME)
    with database.transaction() as tx:
        tx.execute(
            text("UPDATE login_attempts SET failures = 60, last_failure_at = now() WHERE last_success_at IS NULL")
        )
    with pytest.raises(RateLimited):
        logins.check("ada", PASSWORD, HOME)
    assert logins.check("grace", PASSWORD, HOME)


def test_a_refused_attempt_does_not_lengthen_the_wait(logins: Logins, clock: Clock) -> None:
    wrong(logins, FREE_GUESSES)
    for _ in range(5):
        with pytest.raises(RateLimited):
            logins.check("ada", PASSWORD, HOME)
    clock.go(seconds=2)
    assert logins.check("ada", PASSWORD, HOME)


def test_failures_are_on_the_trail_without_the_name_of_nobody(logins: Logins, database: Database) -> None:
    wrong(logins, 1, name="hunter2")
    wrong(logins, 1)
    with database.transaction() as tx:
        rows = tx.execute(
            text("SELECT * FROM audit_logs WHERE event_type = 'login_failure' ORDER BY seq DESC LIMIT 2")
        ).all()
    assert [(row.target, row.outcome, row.detail["address"]) for row in rows] == [
        ("user:ada", "refused", HOME.address), ("login", "refused", HOME.address),
    ]  # fmt: skip
    assert "hunter2" not in str(rows)
