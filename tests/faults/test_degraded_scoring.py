"""Scoring goes on while PostgreSQL is away, read-only or full; nothing is lost and nothing stored twice."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.documents import a_document, uuid_of
from tests.fault_site import Site
from tests.predictions import a_prediction

from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import ReadOnly, Unavailable
from iit.services.answers import LOST_FIGURES, audit_of
from iit.services.predictions import OLD_FIGURES
from iit.store import audit as audit_trail
from iit.store import predictions as prediction_store
from iit.store.spool import Spool
from iit.store.spooled import Act
from iit.testing import TESTER

DOCUMENT = a_document("stored", days=("2024-01-10", "2024-02-09"))
DOCUMENT_DAY = date(2024, 2, 20)
FEATURES = {"features": {"last_late_days": 3.0}}


@pytest.fixture
def away(site: Site, client: TestClient) -> Iterator[None]:
    """PostgreSQL has stopped while the service runs and knows its client."""
    assert predict(client, FEATURES)["stored"] is True
    site.stop()
    yield
    site.start()
    recover(site)


@pytest.fixture
def read_only(site: Site, client: TestClient) -> Iterator[None]:
    """The database takes no writes."""
    assert predict(client, FEATURES)["stored"] is True
    site.set_read_only(to=True)
    yield
    site.set_read_only(to=False)
    recover(site)


def recover(site: Site) -> None:
    for _ in range(3):
        try:
            site.service.spooling.drain()
        except Unavailable:
            continue
    site.service.database.breaker.succeeded()
    assert site.service.spooling.state().n_waiting == 0


def predict(client: TestClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/api/v1/predictions", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def stored_times(site: Site, prediction_id: str) -> tuple[int, int]:
    """Return how often a prediction and its audit event are stored."""
    return (
        site.count("SELECT count(*) FROM predictions WHERE prediction_id = %s", prediction_id),
        site.count("SELECT count(*) FROM audit_logs WHERE detail->>'prediction_id' = %s", prediction_id),
    )


@pytest.mark.parametrize("body", [DOCUMENT, FEATURES], ids=["document", "features"])
def test_what_the_request_brings_is_scored_while_the_database_is_away(
    site: Site, client: TestClient, body: dict[str, Any]
) -> None:
    as_before = predict(client, body)
    site.stop()
    try:
        told = predict(client, body)
        assert told["stored"] is False
        assert told["iit_risk_score"] == as_before["iit_risk_score"]
        assert stored_before_recovery(site) == 1
    finally:
        site.start()
    recover(site)
    assert stored_times(site, told["prediction_id"]) == (1, 1)
    again = client.get(f"/api/v1/predictions/{told['prediction_id']}").json()
    again["iit_risk_score"] = pytest.approx(again["iit_risk_score"])  # kept as float4
    assert {**told, "stored": True, "created_at": again["created_at"]} == again


def stored_before_recovery(site: Site) -> int:
    return site.service.spooling.state().n_waiting


def test_figures_known_last_are_used_and_told_of(client: TestClient, site: Site, away: None) -> None:
    held = site.service.predictor.contexts._held
    for facility, (_, known) in list(held.items()):
        held[facility] = (float("-inf"), known)
    told = predict(client, DOCUMENT)
    assert (OLD_FIGURES in told["warnings"], told["degraded"]) == (True, False)


def test_figures_that_nobody_knows_make_the_risk_degraded(client: TestClient, site: Site, away: None) -> None:
    site.service.predictor.contexts._held.clear()
    told = predict(client, DOCUMENT)
    assert (LOST_FIGURES in told["warnings"], told["degraded"]) == (True, True)
    site.service.predictor.contexts._held.clear()


def test_a_stored_patient_has_to_wait(client: TestClient, away: None) -> None:
    answer = client.post("/api/v1/predictions", json={"patient_uuid": uuid_of(DOCUMENT)})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_batch_is_scored_and_kept_as_one(site: Site, client: TestClient, away: None) -> None:
    body = [DOCUMENT, FEATURES, {"patient_uuid": uuid_of(DOCUMENT)}]
    results = client.post("/api/v1/predictions/batch", json=body).json()["results"]
    assert [one.get("stored") for one in results] == [False, False, None]
    assert results[2]["problem"]["status"] == 503
    assert stored_before_recovery(site) == 1


def test_without_room_in_the_spool_nothing_is_given_out(site: Site, client: TestClient, away: None) -> None:
    full = replace(site.service.spooling, spool=Spool(site.settings.spool_folder, 10))
    client.app.state.service = replace(  # type: ignore[attr-defined]
        site.service, predictor=replace(site.service.predictor, spooling=full)
    )
    try:
        answer = client.post("/api/v1/predictions", json=FEATURES)
    finally:
        client.app.state.service = site.service  # type: ignore[attr-defined]
    assert (answer.status_code, "iit_risk_score" in answer.text) == (503, False)
    assert answer.json()["errors"] == [{"place": "spool", "reason": "is full"}]
    assert "Retry-After" in answer.headers


def test_a_commit_whose_answer_was_lost_is_not_stored_again(site: Site) -> None:
    row = a_prediction(None, DOCUMENT_DAY)
    with site.service.database.transaction() as tx:
        prediction_store.save(tx, [row], audit=[audit_of(row)])
    site.service.spooling.keep([Act(audit_of(row), row)])
    recover(site)
    assert stored_times(site, str(row.prediction_id)) == (1, 1)


def test_an_entry_that_is_handed_over_twice_is_stored_once(site: Site) -> None:
    row = a_prediction(None, DOCUMENT_DAY)
    site.service.spooling.keep([Act(audit_of(row), row), Act(a_read(row.prediction_id))])
    (segment,) = site.settings.spool_folder.glob("*.spool")
    content = segment.read_bytes()
    recover(site)
    segment.write_bytes(content)  # as after a crash between the commit and the removal
    recover(site)
    assert stored_times(site, str(row.prediction_id)) == (1, 2)


def a_read(prediction_id: object) -> AuditEvent:
    return AuditEvent(event_type=EventType.PREDICTION_READ, actor="test", action="read", target="prediction",
                      detail={"prediction_id": str(prediction_id)})  # fmt: skip


def test_one_entry_that_cannot_be_stored_does_not_hold_up_the_others(site: Site) -> None:
    rows = [a_prediction(None, DOCUMENT_DAY), a_prediction(None, DOCUMENT_DAY, risk_band=None)]
    for row in reversed(rows):
        site.service.spooling.keep([Act(audit_of(row), row)])
    recover(site)
    assert [stored_times(site, str(row.prediction_id)) for row in rows] == [(1, 1), (0, 0)]
    (aside,) = site.settings.spool_folder.glob("*.aside")
    aside.unlink()


def test_read_only_the_service_reads_scores_and_refuses_to_write(
    site: Site, client: TestClient, read_only: None
) -> None:
    assert predict(client, DOCUMENT)["stored"] is False
    assert predict(client, {"patient_uuid": uuid_of(DOCUMENT)})["stored"] is False
    assert client.get(f"/api/v1/patients/{uuid_of(DOCUMENT)}").status_code == 200
    refused = client.post("/api/v1/patients", json=a_document("new"))
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:iit:problem:read_only")
    assert "Retry-After" in refused.headers


def test_what_was_read_while_nothing_could_be_written_comes_onto_the_trail_once(
    site: Site, client: TestClient, read_only: None
) -> None:
    request_id = client.get(f"/api/v1/patients/{uuid_of(DOCUMENT)}").headers["X-Request-ID"]
    query = "SELECT count(*) FROM audit_logs WHERE request_id = %s AND detail->>'spooled_at' IS NOT NULL"
    assert site.count(query, request_id) == 0
    site.set_read_only(to=False)
    recover(site)
    assert site.count(query, request_id) == 1


def test_an_act_that_changes_something_is_not_done_while_it_cannot_be_written_down(site: Site, read_only: None) -> None:
    event = AuditEvent(event_type=EventType.MODEL_PROMOTED, actor=TESTER.name, action="update", target="model:v1")
    with pytest.raises(ReadOnly), site.service.database.transaction() as tx:
        audit_trail.write(tx, event)
    assert stored_before_recovery(site) == 0


def test_the_trail_is_sound_after_all_of_it(site: Site) -> None:
    assert site.service.audit.verify(who=TESTER).findings == []
