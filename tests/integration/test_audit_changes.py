"""Changes of who may do what, and of how the service runs, are on the trail: with what they were and what they are."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.integration.conftest import PASSWORD, SECRET

from iit.bootstrap import Service
from iit.bootstrap.secrets import setting_marks
from iit.config import Settings
from iit.domain.access import Role, Scope
from iit.domain.errors import NotAuthenticated, RateLimited
from iit.services.logins import FREE_GUESSES, Origin
from iit.store.audit import AuditFilter, AuditRow, head, search
from iit.testing import TESTER

Told = Callable[[], list[AuditRow]]


@pytest.fixture
def told(service: Service) -> Told:
    """Return the rows of the trail since the test began."""
    with service.database.transaction() as tx:
        end = head(tx)
    before = 0 if end is None else end.seq

    def since() -> list[AuditRow]:
        with service.database.transaction() as tx:
            return [row for row in search(tx, AuditFilter(), newest=False) if row.seq > before]

    return since


def types(rows: Sequence[AuditRow]) -> list[str]:
    return [row.event_type for row in rows]


def test_another_role_is_told_with_the_former_one(service: Service, told: Told) -> None:
    service.access.users.save("mary", PASSWORD, Role.VIEWER, who=TESTER)
    service.access.users.save("mary", PASSWORD + "!", Role.VIEWER, who=TESTER)
    service.access.users.save("mary", PASSWORD, Role.OPERATOR, who=TESTER)
    assert types(told()) == ["user_saved", "user_saved", "role_changed", "user_saved"]
    row = told()[2]
    assert (row.actor, row.target) == (TESTER.name, "user:mary")
    assert row.detail == {"former": "viewer", "role": "operator"}


def test_a_disabled_user_who_may_come_back_is_told_of(service: Service, told: Told) -> None:
    service.access.users.save("joan", PASSWORD, Role.VIEWER, who=TESTER)
    service.access.users.disable("joan", who=TESTER)
    service.access.users.save("joan", PASSWORD, Role.VIEWER, who=TESTER)
    assert types(told()) == ["user_saved", "user_disabled", "user_enabled", "user_saved"]


def test_whom_a_user_may_see_is_told(service: Service, told: Told) -> None:
    service.access.users.save("edith", PASSWORD, Role.VIEWER, who=TESTER)
    service.access.users.set_scope("edith", Scope(facilities=frozenset({"B", "A"})), who=TESTER)
    assert told()[-1].detail == {"everyone": False, "facilities": "A,B", "states": ""}


def test_an_account_is_told_to_be_locked_once_when_its_free_guesses_are_used_up(service: Service, told: Told) -> None:
    service.access.users.save("rosa", PASSWORD, Role.VIEWER, who=TESTER)
    for _ in range(FREE_GUESSES):
        assert "account_locked" not in types(told())
        with pytest.raises(NotAuthenticated):
            service.access.sessions.logins.check("rosa", "wrong", Origin("192.0.2.77"))
    with pytest.raises(RateLimited):
        service.access.sessions.logins.check("rosa", "wrong", Origin("192.0.2.77"))
    (row,) = [one for one in told() if one.event_type == "account_locked"]
    assert (row.target, row.outcome, row.detail["address"]) == ("user:rosa", "refused", "192.0.2.77")


def test_only_changed_settings_are_told_and_no_value_of_any(service: Service, told: Told, tmp_path: Path) -> None:
    def start(**given: object) -> None:
        settings = {"data_dir": tmp_path, "secret_key": SECRET, **given}
        service.audit.note_start(setting_marks(Settings(**settings)))  # type: ignore[arg-type]

    start(log_level="ERROR")
    start(log_level="ERROR")
    assert types(told()) == ["service_started"] * 2
    start(log_level="WARNING", session_hours=3)
    assert types(told()[2:]) == ["service_started", "settings_changed"]
    assert told()[-1].detail == {"settings": "IIT_LOG_LEVEL,IIT_SESSION_HOURS"}
    start(secret_key=f"another-one-{SECRET} {SECRET}")
    assert told()[-1].detail == {"settings": "IIT_LOG_LEVEL,IIT_SECRET_KEY,IIT_SESSION_HOURS"}
    assert not any(word in str(told()) for word in ("WARNING", SECRET, str(tmp_path)))
