"""A message that becomes a record that can be scored."""

from fastapi.testclient import TestClient

from tests.hl7_messages import a_dispense, lines
from tests.journeys.conftest import Running


def of_facility(api: TestClient) -> set[str]:
    found = api.get("/api/v1/patients", params={"facility": "SYN000001", "limit": 1000}).json()["patients"]
    return {row["patient_uuid"] for row in found}


def test_a_message_over_http_becomes_a_record_that_can_be_scored(api: TestClient, running: Running) -> None:
    before = of_facility(api)
    answer = api.post("/api/v1/hl7", content=a_dispense("H1"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/hl7-v2")
    assert lines(answer.content)[1][:3] == ["MSA", "AA", "H1"]
    assert running.service.inbox.work().n_done == 1
    (patient_uuid,) = of_facility(api) - before
    told = api.post("/api/v1/predictions", json={"patient_uuid": patient_uuid, "as_of": "2025-06-20"})
    assert told.status_code == 200
    assert told.json()["expected_date"] == "2025-08-30"
