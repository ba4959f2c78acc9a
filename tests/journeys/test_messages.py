"""Messages over HTTP and the commands, as an integrator uses them."""

import pytest
from fastapi.testclient import TestClient

from tests.hl7_messages import a_message, a_person
from tests.journeys.conftest import Running

RXD = "RXD|1|1^Tenofovir/Lamivudine/Dolutegravir^L|20250601|90|TAB||RX1"


def a_dispense(control_id: str) -> bytes:
    return a_message(a_person("J-1"), "ORC|RE|P|F1", RXD, "TQ1|1|||||90^d", kind="RDS^O13", control_id=control_id,
                     at="20250601")  # fmt: skip


def lines(answer: bytes) -> list[list[str]]:
    return [line.split("|") for line in answer.decode().strip("\r").split("\r")]


def test_a_message_over_http_becomes_a_record_that_can_be_scored(api: TestClient, running: Running) -> None:
    answer = api.post("/api/v1/hl7", content=a_dispense("H1"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/hl7-v2")
    assert lines(answer.content)[1][:3] == ["MSA", "AA", "H1"]
    assert running.service.inbox.work().n_done == 1
    found = api.get("/api/v1/patients", params={"facility": "SYN000001"}).json()["patients"]
    (patient,) = [row for row in found if row["facility"] == "SYN000001"]
    told = api.post("/api/v1/predictions", json={"patient_uuid": patient["patient_uuid"], "as_of": "2025-06-20"})
    assert told.status_code == 200
    assert told.json()["expected_date"] == "2025-08-30"


def test_a_message_at_fault_is_told_so(api: TestClient) -> None:
    told = lines(api.post("/api/v1/hl7", content=a_message(control_id="H2")).content)
    assert (told[1][1:3], told[2][2]) == (["AE", "H2"], "PID^1")


def test_messages_need_a_key(api: TestClient) -> None:
    assert api.post("/api/v1/hl7", content=a_dispense("H3"), headers={"X-API-Key": "none"}).status_code == 401


def test_strict_validation_refuses_what_tolerance_takes(api: TestClient) -> None:
    pytest.importorskip("hl7apy")
    loose = a_dispense("H4").replace(b"RXD|1|", b"RXD|one|")
    assert lines(api.post("/api/v1/hl7?validate=strict", content=loose).content)[1][1] == "AE"
    assert lines(api.post("/api/v1/hl7", content=loose).content)[1][1] == "AA"
    running_fine = api.post("/api/v1/hl7?validate=careful", content=loose)
    assert running_fine.status_code == 422


def test_the_inbox_is_measured(api: TestClient) -> None:
    told = api.get("/metrics").text
    assert 'iit_messages_total{result="AA",type="RDS^O13"}' in told
    assert 'iit_inbox_depth{state="waiting"}' in told
    assert "iit_inbox_oldest_seconds" in told
