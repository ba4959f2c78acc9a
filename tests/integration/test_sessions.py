"""Sessions of the pages: cookies, idle time, and forms that other sites send."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy import text
from tests.integration.conftest import PASSWORD

from iit.bootstrap.secrets import rotate_secret, secrets_of
from iit.bootstrap.serving import Service
from iit.config import Settings
from iit.domain.access import Role
from iit.domain.errors import InvalidInput, NotAuthenticated
from iit.services.keyring import Keyring
from iit.services.logins import Origin
from iit.testing import TESTER
from iit.web.rules import OWN_FORM, SAME_SITE

FORM = {"user_name": "nurse", "password": PASSWORD}


@pytest.fixture(scope="module", autouse=True)
def nurse(service: Service) -> None:
    service.access.users.save("nurse", PASSWORD, Role.CASE_MANAGER, who=TESTER)


@pytest.fixture
def browser(client: TestClient) -> Iterator[TestClient]:
    assert client.post("/login", data=FORM).status_code == 303
    yield client


def test_cookies_are_out_of_reach_and_over_tls_only_where_there_is_tls(app: FastAPI, client: TestClient) -> None:
    plain = client.post("/login", data=FORM).headers.get_list("set-cookie")
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as secured:
        secure = secured.post("/login", data=FORM).headers.get_list("set-cookie")
    for cookies, over_tls in ((plain, False), (secure, True)):
        assert {cookie.split("=")[0] for cookie in cookies} == {"iit_session", "iit_device"}
        for cookie in cookies:
            assert "httponly" in cookie.lower()
            assert "samesite=strict" in cookie.lower()
            assert ("secure" in cookie.lower().split("; ")) is over_tls


def test_a_new_login_ends_the_session_before(browser: TestClient) -> None:
    former = browser.cookies["iit_session"]
    assert browser.post("/login", data=FORM).status_code == 303
    latest = browser.cookies["iit_session"]
    assert latest != former
    assert browser.get("/").status_code == 200
    browser.cookies.set("iit_session", former, domain="testserver.local")
    assert browser.get("/").status_code == 303


def test_a_session_is_random_and_kept_as_a_hash_only(browser: TestClient, service: Service) -> None:
    token = browser.cookies["iit_session"]
    assert len(urlsafe_b64decode(token + "=")) == 32
    with service.database.transaction() as tx:
        kept = [bytes(row[0]) for row in tx.execute(text("SELECT token_hash FROM sessions"))]
    assert service.access.keyring.hash("session", token) in kept
    assert all(token.encode() not in one for one in kept)


def test_what_is_typed_is_hidden_and_may_be_filled_in(client: TestClient) -> None:
    (field,) = re.findall(r'<input name="password"[^>]*>', client.get("/login").text)
    assert 'type="password"' in field
    assert 'autocomplete="current-password"' in field


def test_a_session_that_lay_idle_has_ended(browser: TestClient, service: Service) -> None:
    assert browser.get("/").status_code == 200
    with service.database.transaction() as tx:
        tx.execute(text("UPDATE sessions SET last_used_at = now() - interval '29 minutes 50 seconds'"))
    service.access.cache.forget()
    assert browser.get("/").status_code == 200
    with service.database.transaction() as tx:
        assert tx.execute(text("SELECT min(now() - last_used_at) FROM sessions")).scalar() < timedelta(minutes=1)
        tx.execute(text("UPDATE sessions SET last_used_at = now() - interval '30 minutes 1 second'"))
    service.access.cache.forget()
    assert browser.get("/").status_code == 303


def test_a_session_ends_after_its_hours_however_busy(browser: TestClient, service: Service) -> None:
    with service.database.transaction() as tx:
        tx.execute(text("UPDATE sessions SET expires_at = now() - interval '1 second'"))
    service.access.cache.forget()
    assert browser.get("/").status_code == 303


def test_the_session_of_a_disabled_user_has_ended(browser: TestClient, service: Service) -> None:
    service.access.users.disable("nurse", who=TESTER)
    assert browser.get("/").status_code == 303
    service.access.users.save("nurse", PASSWORD, Role.CASE_MANAGER, who=TESTER)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="the browser says another site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="a neighbour"),
        pytest.param({"Origin": "https://evil.example"}, id="another origin"),
        pytest.param({"Origin": "null"}, id="no origin that it would tell"),
    ],
)
def test_a_form_of_another_site_is_refused(browser: TestClient, headers: dict[str, str]) -> None:
    csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', browser.get("/").text)
    assert csrf is not None
    assert browser.post("/login", data=FORM, headers=headers).status_code == 403
    assert browser.post("/logout", data={"csrf": csrf[1]}, headers=headers).status_code == 403
    assert browser.get("/").status_code == 200


def test_every_form_of_the_pages_is_guarded(app: FastAPI) -> None:
    """A page that takes a form without `OWN_FORM` or `SAME_SITE` would take it from any site."""
    guards = {OWN_FORM.dependency, SAME_SITE.dependency}
    for route in iter_route_contexts(app.routes):
        path, methods = getattr(route, "path", ""), getattr(route, "methods", None) or set()
        if "POST" in methods and not path.startswith(("/api/", "/health", "/fhir", "/cds-services")):
            assert guards & {one.call for one in route.dependant.dependencies}, path


def test_after_too_many_wrong_passwords_the_page_says_to_wait(client: TestClient) -> None:
    service_form = {"user_name": "stranger", "password": "wrong"}
    answers = [client.post("/login", data=service_form) for _ in range(6)]
    assert [one.status_code for one in answers] == [401] * 5 + [429]
    assert "Too many wrong passwords" in answers[-1].text
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_a_secret_is_rotated_and_the_old_one_forgotten(service: Service, settings: Settings) -> None:
    own = settings.model_copy(update={"secret_key": None})
    first = secrets_of(own).accepted
    assert rotate_secret(own, forget=False) == 2
    second = secrets_of(own).accepted
    assert second[1:] == first
    assert (own.data_dir / "secret_key").stat().st_mode & 0o777 == 0o600
    sessions = replace(service.access.sessions, keyring=Keyring(first))
    token = sessions.open("nurse", PASSWORD, Origin("192.0.2.50"))
    assert replace(sessions, keyring=Keyring(second)).look_up(token)
    assert rotate_secret(own, forget=True) == 1
    with pytest.raises(NotAuthenticated):
        replace(sessions, keyring=Keyring(secrets_of(own).accepted)).look_up(token)


def test_a_secret_that_is_given_is_not_rotated_here(settings: Settings) -> None:
    with pytest.raises(InvalidInput, match="IIT_SECRET_KEY"):
        rotate_secret(settings, forget=False)
