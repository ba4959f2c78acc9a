"""`POST /api/v1/hl7`: the acknowledgement alone tells whether a message was taken."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from tests.hl7_messages import a_dispense, a_message, lines

from iit.api.app import create_app
from iit.bootstrap import Service
from iit.domain.access import Role
from iit.services.keys import KeyWish
from iit.testing import TESTER


@pytest.fixture(scope="module")
def api(service: Service) -> Iterator[TestClient]:
    key = service.access.keys.create(KeyWish(label="test", role=Role.ADMINISTRATOR), who=TESTER)
    with TestClient(create_app(service), headers={"X-API-Key": key}) as client:
        yield client


def test_a_message_is_acknowledged_and_then_merged(api: TestClient, service: Service) -> None:
    answer = api.post("/api/v1/hl7", content=a_dispense("H1"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/hl7-v2")
    assert lines(answer.content)[1][:3] == ["MSA", "AA", "H1"]
    assert service.inbox.work().n_done == 1
    (patient,) = api.get("/api/v1/patients").json()["patients"]
    assert (patient["facility"], patient["sex"], patient["status"]) == ("SYN000001", "F", "active")


def test_a_message_at_fault_is_told_so(api: TestClient) -> None:
    told = lines(api.post("/api/v1/hl7", content=a_message(control_id="H2")).content)
    assert (told[1][1:3], told[2][2]) == (["AE", "H2"], "PID^1")


def test_a_message_does_not_bring_an_erased_person_back(api: TestClient, service: Service) -> None:
    (patient,) = api.get("/api/v1/patients").json()["patients"]
    service.privacy.erase(patient["patient_uuid"], who=TESTER)
    assert lines(api.post("/api/v1/hl7", content=a_dispense("H9")).content)[1][1] == "AA"
    assert service.inbox.work().n_done == 1
    assert api.get("/api/v1/patients").json()["patients"] == []
    service.privacy.readmit(patient["patient_uuid"], who=TESTER)


def test_messages_need_a_key(api: TestClient) -> None:
    assert api.post("/api/v1/hl7", content=a_dispense("H3"), headers={"X-API-Key": "none"}).status_code == 401


def test_strict_validation_refuses_what_tolerance_takes(api: TestClient) -> None:
    pytest.importorskip("hl7apy")
    loose = a_dispense("H4").replace(b"RXD|1|", b"RXD|one|")
    assert lines(api.post("/api/v1/hl7?validate=strict", content=loose).content)[1][1] == "AE"
    assert lines(api.post("/api/v1/hl7", content=loose).content)[1][1] == "AA"
    assert api.post("/api/v1/hl7?validate=careful", content=loose).status_code == 422


def test_the_inbox_is_measured(api: TestClient) -> None:
    told = api.get("/metrics").text
    assert 'iit_messages_total{result="AA",type="RDS^O13"}' in told
    assert 'iit_inbox_depth{state="waiting"}' in told
    assert "iit_inbox_oldest_seconds" in told
