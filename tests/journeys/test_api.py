"""What an integrator sees."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from iit.api.app import create_app
from iit.features.registry import FEATURE_NAMES
from iit.services.keys import KeyWish
from iit.testing import TESTER
from tests.documents import a_document, encoded
from tests.journeys.conftest import Running


@pytest.fixture(scope="module")
def document(running: Running) -> Path:
    """The document of a patient who is at risk on the day of the export."""
    with running.service.database.transaction() as tx:
        uuid = tx.execute(
            text("SELECT patient_uuid FROM patients WHERE risk_score IS NOT NULL ORDER BY 1 LIMIT 1")
        ).scalar()
    (found,) = running.cohort.glob(f"*/*{uuid}.json")
    return found


def uuid_of(path: Path) -> str:
    return str(json.loads(path.read_bytes())["messageData"]["demographics"]["patientUuid"])


def test_ready(api: TestClient) -> None:
    answer = api.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


@pytest.mark.parametrize("path", ["/api/v1/patients", "/api/v1/models", "/api/v1/worklist", "/health/detailed"])
def test_without_a_key_nothing_is_told(api: TestClient, path: str) -> None:
    answer = api.get(path, headers={"X-API-Key": ""})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        pytest.param("nonsense", "Invalid API key format", id="another form"),
        pytest.param("iit_abcdefghjkmn_" + "0" * 72, "Invalid API key format", id="wrong checksum"),
    ],
)
def test_a_malformed_key_is_called_so(api: TestClient, key: str, reason: str) -> None:
    answer = api.get("/api/v1/models", headers={"X-API-Key": key})
    assert (answer.status_code, answer.json()["detail"]) == (401, reason)


def test_a_revoked_key_is_refused(api: TestClient, running: Running) -> None:
    access = running.service.access
    key = access.keys.create(KeyWish(label="short"), who=TESTER)
    assert api.get("/api/v1/models", headers={"X-API-Key": key}).status_code == 200
    access.keys.revoke(key.split("_")[1], who=TESTER)
    assert api.get("/api/v1/models", headers={"X-API-Key": key}).status_code == 401


def test_a_document_and_the_stored_patient_get_the_same_risk(api: TestClient, document: Path) -> None:
    by_document = api.post("/api/v1/predictions", content=document.read_bytes()).json()
    stored = api.post(
        "/api/v1/predictions", json={"patient_uuid": uuid_of(document), "as_of": by_document["as_of"]}
    ).json()
    assert by_document["iit_risk_score"] == stored["iit_risk_score"]
    assert by_document["reasons"] == stored["reasons"]


def test_the_answer_has_the_promised_form(api: TestClient, document: Path) -> None:
    told = api.post("/api/v1/predictions", content=document.read_bytes(), params={"explain": 3}).json()
    assert set(told) >= {
        "prediction_id", "patient_uuid", "as_of", "expected_date", "interruption_date", "iit_risk_score", "risk_level",
        "reasons", "model_version", "source", "degraded", "stored", "data_quality", "warnings",
    }  # fmt: skip
    assert 0 < told["iit_risk_score"] < 1
    assert told["risk_level"] in ("low", "medium", "high")
    assert len(told["reasons"]) == 3
    assert set(told["reasons"][0]) == {"feature", "value", "contribution", "text"}
    assert (told["stored"], told["degraded"], told["source"]) == (True, False, "champion")


def test_a_prediction_is_kept_with_its_features(api: TestClient, running: Running, document: Path) -> None:
    told = api.post("/api/v1/predictions", content=document.read_bytes()).json()
    again = api.get(f"/api/v1/predictions/{told['prediction_id']}").json()
    assert again["iit_risk_score"] == pytest.approx(told["iit_risk_score"], abs=1e-6)
    with running.service.database.transaction() as tx:
        row = tx.execute(text("SELECT * FROM features WHERE prediction_id = :id"), {"id": told["prediction_id"]}).one()
    reason = told["reasons"][0]
    assert row._mapping[reason["feature"]] == pytest.approx(reason["value"])


def test_ready_features_score_as_the_record_they_come_from(api: TestClient, running: Running, document: Path) -> None:
    told = api.post("/api/v1/predictions", content=document.read_bytes()).json()
    with running.service.database.transaction() as tx:
        row = tx.execute(text("SELECT * FROM features WHERE prediction_id = :id"), {"id": told["prediction_id"]}).one()
    features = {name: row._mapping[name] for name in FEATURE_NAMES}
    features = {name: None if value != value else value for name, value in features.items()}
    by_features = api.post("/api/v1/predictions", json={"features": features}).json()
    assert by_features["iit_risk_score"] == told["iit_risk_score"]


def test_contributions_add_up_to_the_raw_score(api: TestClient, running: Running, document: Path) -> None:
    scorer = running.service.champion.current().scorer
    scored = running.service.predictor.score_document(document.read_bytes(), as_of=None, explain=98, who=TESTER)
    vector = np.array([scored.features], np.float32)
    contributions = scorer.contributions(vector)
    assert contributions.sum() == pytest.approx(float(scorer.raw(vector)[0]), abs=1e-9)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param(b"{", "body", id="no JSON"),
        pytest.param(b"[]", "body", id="a list"),
        pytest.param(b"{}", "body", id="none of the forms"),
        pytest.param(b'{"features": {}}', "features", id="no features"),
        pytest.param(b'{"features": {"CANARY-VALUE": 1}}', "features", id="an unknown feature"),
        pytest.param(b'{"features": {"age": 1e300}}', "features.age", id="a number too large"),
        pytest.param(b'{"patient_uuid": "x", "as_of": "2999-01-01"}', "patient_uuid", id="an unknown patient"),
        pytest.param(b'{"patient_uuid": "a\\u0000b"}', "text", id="a NUL"),
        pytest.param(b'{"patient_uuid": "a\\ud800b"}', "body", id="half a surrogate pair"),
        pytest.param(b"[" * 100_000, "body", id="deep"),
        pytest.param(b"\xff\xfe", "body", id="no UTF-8"),
    ],
)
def test_bad_input_gets_a_problem_that_names_the_place(api: TestClient, body: bytes, place: str) -> None:
    answer = api.post("/api/v1/predictions", content=body)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["place"] == place
    assert "CANARY" not in answer.text


def test_a_day_in_the_future_is_refused(api: TestClient, document: Path) -> None:
    answer = api.post("/api/v1/predictions", json={"patient_uuid": uuid_of(document), "as_of": "2999-01-01"})
    assert (answer.status_code, answer.json()["errors"][0]["place"]) == (422, "as_of")


def test_an_interrupted_cycle_is_no_longer_predicted(api: TestClient, document: Path) -> None:
    answer = api.post("/api/v1/predictions", json={"patient_uuid": uuid_of(document), "as_of": "2026-11-01"})
    assert answer.status_code == 409
    assert "already interrupted" in answer.json()["detail"]


def test_a_batch_answers_in_order(api: TestClient, document: Path) -> None:
    asked = [{"patient_uuid": uuid_of(document)}, {"patient_uuid": "nobody"}, {"features": {"age": 30}}]
    results = api.post("/api/v1/predictions/batch", json=asked).json()["results"]
    assert results[0]["patient_uuid"] == uuid_of(document)
    assert results[1]["problem"]["status"] == 404
    assert results[2]["stored"] is True


def test_a_batch_without_an_answer_keeps_nothing(api: TestClient) -> None:
    for asked in ([], [{"patient_uuid": "nobody"}]):
        answer = api.post("/api/v1/predictions/batch", json=asked)
        assert (answer.status_code, len(answer.json()["results"])) == (200, len(asked))


def test_more_than_a_thousand_in_a_batch_are_refused(api: TestClient) -> None:
    assert api.post("/api/v1/predictions/batch", json=[{}] * 1001).status_code == 422


def test_a_patient_is_kept_once(api: TestClient) -> None:
    document = encoded(a_document("api"))
    first, second = api.post("/api/v1/patients", content=document), api.post("/api/v1/patients", content=document)
    assert (first.status_code, first.json()["added"], second.json()["unchanged"]) == (201, 1, 1)
    timeline = api.get(
        f"/api/v1/patients/{first.json()['patient_uuid']}/timeline", params={"as_of": "2024-02-20"}
    ).json()
    assert [cycle["label"] for cycle in timeline["cycles"]] == [0, None]


def test_pages_of_patients_meet_everyone_once(api: TestClient, running: Running) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = api.get("/api/v1/patients", params={"limit": 500, **({"cursor": cursor} if cursor else {})}).json()
        seen += [one["patient_uuid"] for one in page["patients"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    with running.service.database.transaction() as tx:
        assert len(seen) == len(set(seen)) == tx.execute(text("SELECT count(*) FROM patients")).scalar()


def test_an_unknown_patient_is_not_found(api: TestClient) -> None:
    for path in ("", "/timeline", "/predictions"):
        assert api.get(f"/api/v1/patients/nobody{path}").status_code == 404


def test_models_are_listed_and_shown(api: TestClient) -> None:
    assert api.get("/api/v1/models").json()["champion"] == "v0.1"
    shown = api.get("/api/v1/models/v0.1").json()
    assert shown["window"]["synthetic"] is True
    assert api.get("/api/v1/models/nothing").status_code == 404


@pytest.mark.parametrize("cursor", ["é", "a b", "%%%%"])
@pytest.mark.parametrize("path", ["/api/v1/patients", "/fhir/RiskAssessment"])
def test_a_damaged_cursor_begins_no_list_anew(api: TestClient, path: str, cursor: str) -> None:
    name = "cursor" if path.startswith("/api") else "_cursor"
    assert api.get(path, params={name: cursor}).status_code in (400, 422)


def test_the_host_that_a_request_names_is_told_to_nobody(running: Running, document: Path) -> None:
    settings = running.service.settings.model_copy(update={"public_url": "https://iit.example.org/"})
    with TestClient(create_app(replace(running.service, settings=settings))) as client:
        evil = {"X-API-Key": running.key, "Host": "evil.example"}
        person = uuid_of(document)
        for path in (f"RiskAssessment?subject={person}", f"Flag?subject={person}", f"Patient/{person}/$everything"):
            told = client.get(f"/fhir/{path}", headers=evil)
            assert told.status_code == 200
            assert "evil.example" not in told.text
            assert "https://iit.example.org/fhir" in told.text
        assert client.get("/api/v1/patients/", headers=evil, follow_redirects=False).status_code == 404


def test_the_worklist_is_sorted_by_risk(api: TestClient) -> None:
    rows = api.get("/api/v1/worklist", params={"limit": 30}).json()["worklist"]
    assert len(rows) == 30
    assert [row["risk_score"] for row in rows] == sorted((row["risk_score"] for row in rows), reverse=True)


def test_a_prediction_asked_for_a_later_day_leaves_the_others_on_the_list(api: TestClient) -> None:
    before = api.get("/api/v1/worklist", params={"limit": 1000}).json()["worklist"]
    asked = before[-1]
    later = (date.fromisoformat(asked["as_of"]) + timedelta(days=1)).isoformat()
    told = api.post("/api/v1/predictions", json={"patient_uuid": asked["patient_uuid"], "as_of": later})
    assert told.status_code == 200, told.text
    after = {row["patient_uuid"]: row for row in api.get("/api/v1/worklist", params={"limit": 1000}).json()["worklist"]}
    assert after.keys() == {row["patient_uuid"] for row in before}
    assert after[asked["patient_uuid"]]["as_of"] == later
    of_that_day = api.get("/api/v1/worklist", params={"limit": 1000, "as_of": later}).json()["worklist"]
    assert [row["patient_uuid"] for row in of_that_day] == [asked["patient_uuid"]]


def test_every_reading_is_on_the_audit_trail(api: TestClient, running: Running, document: Path) -> None:
    uuid = uuid_of(document)
    api.get(f"/api/v1/patients/{uuid}")
    with running.service.database.transaction() as tx:
        row = tx.execute(text("SELECT event_type, actor, target FROM audit_logs ORDER BY seq DESC LIMIT 1")).one()
    assert (row.event_type, row.target) == ("patient_read", f"patient:{uuid}")
    assert row.actor.startswith("key:")


def test_metrics_count_by_route_and_never_by_patient(api: TestClient, document: Path) -> None:
    api.get(f"/api/v1/patients/{uuid_of(document)}")
    figures = api.get("/metrics").text
    assert 'handler="/api/v1/patients/{patient_uuid}"' in figures
    assert uuid_of(document) not in figures


def test_a_body_too_large_is_refused(api: TestClient, running: Running) -> None:
    body = b" " * (running.service.settings.max_body_bytes + 1)
    assert api.post("/api/v1/predictions", content=body).status_code == 413


def test_the_description_names_every_route(api: TestClient) -> None:
    paths = set(api.get("/openapi.json").json()["paths"])
    assert {"/api/v1/predictions", "/api/v1/predictions/batch", "/api/v1/patients", "/api/v1/worklist"} <= paths
