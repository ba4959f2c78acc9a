"""CDS Hooks: what a clinician is shown where they look, in time, and what became of it."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from fhir.resources.R4B import get_fhir_model_class
from sqlalchemy import text

from iit.api import cds
from iit.api.app import create_app
from iit.domain.access import Scope
from iit.domain.errors import Unavailable
from iit.services.cds import HOOKS, Hooks
from iit.services.cds_cards import REASONS
from iit.services.keys import KeyWish
from iit.testing import TESTER
from tests.fhir_resources import a_dispense, a_patient, an_id
from tests.journeys.conftest import Running


def rows(running: Running, statement: str, **values: object) -> list[Any]:
    with running.service.database.transaction() as tx:
        return list(tx.execute(text(statement), values).all())


@pytest.fixture(scope="module")
def at_risk(running: Running) -> str:
    found = rows(running, "SELECT patient_uuid FROM patients WHERE risk_band = 'high' ORDER BY 1 LIMIT 1")
    return str(found[0][0])


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is shared may be slow; the deadline has tests of its own."""
    monkeypatch.setattr(cds, "DEADLINE_SECONDS", 20.0)


def a_call(patient_id: str, hook: str = "patient-view", **more: Any) -> dict[str, Any]:
    context = {"userId": "Practitioner/1", "patientId": patient_id, **more.pop("context", {})}
    return {"hook": hook, "hookInstance": str(uuid4()), "context": context, **more}


def cards(api: TestClient, call: dict[str, Any], service_id: str = "iit-risk", **more: Any) -> list[dict[str, Any]]:
    answer = api.post(f"/cds-services/{service_id}", json=call, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()["cards"]


def test_the_services_are_found_without_a_credential(api: TestClient) -> None:
    told = api.get("/cds-services", headers={"X-API-Key": ""}).json()["services"]
    assert {one["id"]: one["hook"] for one in told} == HOOKS
    assert {one.value for one in cds.ServiceId} == set(HOOKS)


def test_the_card_tells_the_risk_in_words_with_its_reasons(api: TestClient, at_risk: str) -> None:
    (card,) = cards(api, a_call(at_risk))
    told = api.get(f"/api/v1/predictions/{card['uuid']}").json()
    assert f"high ({round(100 * told['iit_risk_score'])} %)" in card["summary"]
    assert len(card["summary"]) <= 140
    assert card["indicator"] == "warning"
    assert told["reasons"][0]["text"] in card["detail"]
    assert told["expected_date"] in card["detail"]
    (link,) = card["links"]
    assert link["url"] == f"http://testserver/patients/{at_risk}"
    assert told["model_version"] in card["source"]["label"]
    assert {one["code"] for one in card["overrideReasons"]} == set(REASONS)
    (suggestion,) = card["suggestions"]
    get_fhir_model_class("Task").model_validate(suggestion["actions"][0]["resource"])


@pytest.mark.parametrize("patient_id", ["nobody", "17", "5f1b0c52-8a5e-4a0e-9a30-6a8a4d1c7e11"])
def test_of_somebody_unknown_nothing_is_said(api: TestClient, patient_id: str) -> None:
    assert cards(api, a_call(patient_id)) == []


def test_of_somebody_outside_the_scope_nothing_is_said(api: TestClient, running: Running, at_risk: str) -> None:
    wish = KeyWish(label="scoped", scope=Scope(facilities=frozenset({"elsewhere"})))
    headers = {"X-API-Key": running.service.access.keys.create(wish, who=TESTER)}
    assert cards(api, a_call(at_risk), headers=headers) == []
    last = rows(running, "SELECT event_type, target FROM audit_logs ORDER BY seq DESC LIMIT 1")
    assert last == [("unauthorized_access", f"patient:{at_risk}")]


def of_today(api: TestClient, running: Running, days: int = 30) -> dict[str, Any]:
    """Return what an EMR sends of a patient who came ten days ago, and every month before."""
    today = running.service.today()
    on = [today - timedelta(days=10 + 30 * n) for n in range(6)]
    dispenses = [a_dispense("sent", one.isoformat(), days) for one in on]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in dispenses]}
    return {"patient": a_patient("sent"), "dispenses": bundle, "observations": None}


def test_what_the_emr_sends_is_scored_without_being_kept(api: TestClient, running: Running) -> None:
    call = a_call(an_id("sent"), prefetch=of_today(api, running))
    (card,) = cards(api, call)
    expected = running.service.today() + timedelta(days=20)
    assert expected.isoformat() in card["detail"]
    assert "links" not in card
    assert rows(running, "SELECT 1 FROM patients WHERE patient_uuid = :u", u=an_id("sent")) == []


def test_others_that_come_along_are_left_alone(api: TestClient, running: Running) -> None:
    sent = of_today(api, running) | {"patient": None}
    assert cards(api, a_call(an_id("somebody else"), prefetch=sent)) == []


def test_a_patient_is_found_by_the_server_and_its_own_number(api: TestClient, running: Running) -> None:
    sent = of_today(api, running)
    server = "https://emr.example/fhir"
    sent["patient"]["id"] = "17"
    for one in sent["dispenses"]["entry"]:
        one["resource"]["subject"] = {"reference": "Patient/17"}
    assert len(cards(api, a_call("17", prefetch=sent, fhirServer=server))) == 1


def test_an_appointment_after_the_medicine_ends_is_told(api: TestClient, running: Running) -> None:
    def booking(after_days: int) -> dict[str, Any]:
        day = running.service.today() + timedelta(days=20 + after_days)
        entry = {"resource": {"resourceType": "Appointment", "status": "proposed", "start": f"{day}T09:00:00Z"}}
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
        call = a_call(an_id("sent"), "appointment-book", prefetch=of_today(api, running))
        call["context"]["appointments"] = bundle
        return call

    (late,) = cards(api, booking(9), "iit-risk-appointment")
    assert late["summary"].startswith("The medicine runs out before the appointment.")
    assert "9 days before the proposed appointment" in late["detail"]
    assert late["indicator"] == "warning"
    (good,) = cards(api, booking(0), "iit-risk-appointment")
    assert "runs out" not in good["summary"] + good["detail"]


def test_a_call_of_another_hook_or_form_is_refused(api: TestClient, at_risk: str) -> None:
    for call in (a_call(at_risk, "order-sign"), {"hook": "patient-view"}, a_call(""), a_call("x" * 300)):
        assert api.post("/cds-services/iit-risk", json=call).status_code == 422
    assert api.post("/cds-services/other", json=a_call(at_risk)).status_code == 422
    assert api.post("/cds-services/iit-risk", json=a_call(at_risk), headers={"X-API-Key": "no"}).status_code == 401


def test_what_takes_too_long_is_an_empty_answer_in_time(
    api: TestClient, at_risk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cds, "DEADLINE_SECONDS", 0.2)
    monkeypatch.setattr(Hooks, "cards", lambda *_, **__: time.sleep(1.5))
    began = time.monotonic()
    assert cards(api, a_call(at_risk)) == []
    assert time.monotonic() - began < 1.0
    assert 'iit_cds_requests_total{result="late",service="iit-risk"}' in api.get("/metrics").text


def test_without_the_database_there_are_no_cards(
    api: TestClient, at_risk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise Unavailable("the database cannot be reached")

    monkeypatch.setattr(Hooks, "cards", away)
    assert cards(api, a_call(at_risk)) == []
    assert 'iit_cds_requests_total{result="failed",service="iit-risk"}' in api.get("/metrics").text


def told_of(card: dict[str, Any], outcome: str, **more: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"feedback": [{"card": card["uuid"], "outcome": outcome, "outcomeTimestamp": now, **more}]}


def test_feedback_is_kept_once_without_its_comment(api: TestClient, running: Running, at_risk: str) -> None:
    (card,) = cards(api, a_call(at_risk))
    reason = {"reason": {"code": "will-come", "system": "urn:iit:override-reason"}, "userComment": "CANARY-FREE-TEXT"}
    body = told_of(card, "overridden", overrideReason=reason)
    path = "/cds-services/iit-risk/feedback"
    assert api.post(path, json=body).json() == {"kept": 1}
    assert api.post(path, json=body).json() == {"kept": 0}
    assert api.post(path, json=told_of(card, "accepted", acceptedSuggestions=[{"id": "x"}])).json() == {"kept": 1}
    found = rows(running, "SELECT patient_uuid, kind, reason, source FROM outreach ORDER BY outreach_id")
    assert found == [
        (at_risk, "overridden", "will-come", "cds:iit-risk"), (at_risk, "accepted", None, "cds:iit-risk"),
    ]  # fmt: skip
    exported = running.service.privacy.export(at_risk, who=TESTER)
    assert len(exported["outreach"]) == 2
    assert "CANARY" not in str(exported)


def test_feedback_on_a_card_that_was_not_given_is_refused(api: TestClient, running: Running) -> None:
    path = "/cds-services/iit-risk/feedback"
    assert api.post(path, json=told_of({"uuid": str(uuid4())}, "accepted")).status_code == 404
    assert api.post(path, json=told_of({"uuid": str(uuid4())}, "ignored")).status_code == 422
    assert api.post(path, json={"feedback": "all good"}).status_code == 422


def test_cards_come_within_the_deadline(running: Running, at_risk: str) -> None:
    """Not through the deadline itself: how long the work takes here when it is warm, the best of some."""
    app = create_app(replace(running.service))
    with TestClient(app, headers={"X-API-Key": running.key}) as client:
        took = []
        for _ in range(8):
            began = time.monotonic()
            assert cards(client, a_call(at_risk))
            took.append(time.monotonic() - began)
    assert min(took) < 0.2
