"""What a case manager sees, without JavaScript."""

import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from iit.api.app import create_app
from iit.testing import TESTER
from iit.web.pages import add_pages
from tests.journeys.conftest import Running

PASSWORD = "correct horse battery"


@pytest.fixture
def browser(running: Running) -> Iterator[TestClient]:
    running.service.access.users.save("nurse", PASSWORD, "case_manager", who=TESTER)
    app = create_app(running.service)
    add_pages(app)
    with TestClient(app, follow_redirects=False) as client:
        yield client


def log_in(browser: TestClient, *, next_page: str = "/") -> None:
    answer = browser.post("/login", data={"user_name": "nurse", "password": PASSWORD, "next_page": next_page})
    assert answer.status_code == 303


def test_a_stranger_is_asked_to_log_in(browser: TestClient) -> None:
    answer = browser.get("/patients/someone")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/patients/someone")


def test_a_wrong_password_is_refused_and_on_the_audit_trail(browser: TestClient, running: Running) -> None:
    answer = browser.post("/login", data={"user_name": "nurse", "password": "wrong"})
    assert answer.status_code == 401
    with running.service.database.transaction() as tx:
        assert (
            tx.execute(text("SELECT event_type FROM audit_logs ORDER BY seq DESC LIMIT 1")).scalar() == "login_failure"
        )


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_logging_in_leads_nowhere_else(browser: TestClient, target: str) -> None:
    answer = browser.post("/login", data={"user_name": "nurse", "password": PASSWORD, "next_page": target})
    assert answer.headers["location"] == "/"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: TestClient) -> None:
    answer = browser.post("/login", data={"user_name": "nurse", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_worklist_and_patient(browser: TestClient) -> None:
    log_in(browser)
    page = browser.get("/").text
    first = re.search(r'href="(/patients/[0-9a-f-]+)"', page)
    assert first is not None
    patient = browser.get(first[1])
    assert patient.status_code == 200
    assert "<svg" in patient.text
    assert "Pick-ups, supply and gaps" in patient.text
    assert "CANARY" not in patient.text


def test_every_facility_can_be_chosen(browser: TestClient, running: Running) -> None:
    log_in(browser)
    for code, _name, _n in running.service.patients.facilities(who=TESTER):
        assert f'value="{code}" selected' in browser.get("/", params={"facility": code}).text


def test_an_unknown_patient_has_a_page_that_says_so(browser: TestClient) -> None:
    log_in(browser)
    answer = browser.get("/patients/nobody")
    assert (answer.status_code, "There is no such patient" in answer.text) == (404, True)


def test_logging_out_needs_the_form_of_this_session(browser: TestClient) -> None:
    log_in(browser)
    assert browser.post("/logout", data={"csrf": "forged"}).status_code == 403
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', browser.get("/").text)
    assert token is not None
    assert browser.post("/logout", data={"csrf": token[1]}).status_code == 303
    assert browser.get("/").status_code == 303


def test_no_page_runs_scripts_or_asks_elsewhere(browser: TestClient) -> None:
    log_in(browser)
    answer = browser.get("/")
    assert "<script" not in answer.text
    assert "http" not in answer.text.replace("http-equiv", "")
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_first_page_is_light(browser: TestClient) -> None:
    assert len(browser.get("/login").content) + len(browser.get("/static/style.css").content) < 30_000
