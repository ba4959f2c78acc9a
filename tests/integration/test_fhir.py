"""`POST /fhir`: stored before it is answered, merged with the answer, each resource once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from tests.documents import a_document, uuid_of
from tests.documents import encoded as as_document
from tests.fhir_mutations import mutations
from tests.fhir_resources import a_bundle, a_dispense, a_patient, an_id, an_observation, encoded
from tests.hl7_messages import a_dispense as a_message_of_hl7

from iit.api.app import create_app
from iit.bootstrap import Service
from iit.domain.access import Role, Scope
from iit.domain.errors import Unavailable
from iit.services.inbox import Frame
from iit.services.keys import KeyWish
from iit.testing import TESTER

FHIR = "application/fhir+json"


@pytest.fixture(scope="module")
def api(service: Service) -> Iterator[TestClient]:
    key = service.access.keys.create(KeyWish(label="test", role=Role.ADMINISTRATOR), who=TESTER)
    with TestClient(create_app(service), headers={"X-API-Key": key}, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_left(service: Service) -> Iterator[None]:
    """Start each test with an empty record, and end it with nothing left to do."""
    with service.database.transaction() as tx:
        tx.execute(text("DELETE FROM patients"))
        tx.execute(text("UPDATE inbox SET state = 'discarded', raw = NULL, sender = sender || id::text"))
    yield
    service.inbox.work()


def rows(service: Service, statement: str) -> list[Any]:
    with service.database.transaction() as tx:
        return list(tx.execute(text(statement)).all())


def codes(service: Service) -> list[str]:
    return sorted(row[0] for row in rows(service, "SELECT code FROM events"))


def sent(api: TestClient, resource: object, **more: Any) -> Any:
    answer = api.post("/fhir", content=encoded(resource), **more)
    assert answer.headers["content-type"].startswith(FHIR)
    return answer


def statuses(answer: Any) -> list[str]:
    return [entry["response"]["status"] for entry in answer.json()["entry"]]


def test_a_transaction_is_merged_with_its_answer(api: TestClient, service: Service) -> None:
    answer = sent(api, a_bundle(a_patient(), a_dispense(), an_observation()))
    assert (answer.status_code, answer.json()["type"]) == (200, "transaction-response")
    assert statuses(answer) == ["201 Created"] * 3
    first = answer.json()["entry"][0]["response"]
    assert first["location"].startswith(f"Patient/{an_id('one')}/_history/")
    assert first["etag"].startswith('W/"')
    assert codes(service) == [
        "BIRTH", "CITY", "PHONE", "PICKUP", "REGIMEN//165681", "SEX", "STATE", "VIRAL_LOAD",
    ]  # fmt: skip
    (patient,) = api.get("/api/v1/patients").json()["patients"]
    assert (patient["facility"], patient["sex"], patient["birthdate"]) == ("SYN000001", "F", "1991-05-14")


def test_what_is_taken_lies_in_the_inbox_until_it_is_merged(api: TestClient, service: Service) -> None:
    sent(api, a_bundle(a_patient(), a_dispense()))
    assert rows(service, "SELECT message_type, state, raw FROM inbox WHERE state <> 'discarded'") == [
        ("FHIR^Bundle", "done", None)
    ]


def test_the_same_again_changes_nothing(api: TestClient, service: Service) -> None:
    body = a_bundle(a_patient(), a_dispense(), an_observation())
    first = sent(api, body)
    before = rows(service, "SELECT * FROM events ORDER BY source_id")
    again = sent(api, body)
    assert statuses(again) == ["200 OK"] * 3
    etags = [[entry["response"]["etag"] for entry in answer.json()["entry"]] for answer in (first, again)]
    assert etags[0] == etags[1]
    assert rows(service, "SELECT * FROM events ORDER BY source_id") == before


def test_a_nightly_repetition_does_not_move_the_day_on_which_a_fact_became_known(service: Service) -> None:
    bare = [{name: part for name, part in one.items() if name != "meta"} for one in (a_patient(), an_observation())]
    for day in (3, 4):
        nightly = replace(service.fhir, clock=lambda day=day: datetime(2024, 6, day, tzinfo=UTC))
        nightly.receive(encoded(a_bundle(*bare, timestamp=f"2024-06-0{day}T00:00:00Z")), who=TESTER)
    known = rows(service, "SELECT known_at::date::text FROM events WHERE code = 'VIRAL_LOAD'")
    assert known == [("2024-06-03",)]


def test_a_correction_replaces_and_one_that_is_late_does_not(api: TestClient, service: Service) -> None:
    corrected = an_observation(value=900, status="corrected", meta={"lastUpdated": "2024-01-12T12:00:00+01:00"})
    sent(api, a_bundle(a_patient(), corrected))
    assert statuses(sent(api, a_bundle(an_observation(value=50)))) == ["200 OK"]
    assert rows(service, "SELECT numeric_value FROM events WHERE code = 'VIRAL_LOAD'") == [(900.0,)]


def test_entered_in_error_takes_back(api: TestClient, service: Service) -> None:
    sent(api, a_bundle(a_patient(), a_dispense()))
    wrong = a_dispense(status="entered-in-error", meta={"lastUpdated": "2024-02-01T12:00:00+01:00"})
    sent(api, a_bundle(wrong))
    assert "PICKUP" not in codes(service)
    assert "RETRACTED" in codes(service)


def test_a_transaction_with_one_wrong_entry_stores_nothing(api: TestClient, service: Service) -> None:
    answer = sent(api, a_bundle(a_patient(), a_dispense(daysSupply={"value": "thirty"}, days=None)))
    assert answer.status_code == 422
    (issue,) = answer.json()["issue"]
    assert issue["expression"] == ["Bundle.entry[1].resource.daysSupply.value"]
    assert "thirty" not in answer.text
    assert codes(service) == []
    assert rows(service, "SELECT 1 FROM inbox WHERE state <> 'discarded'") == []


def test_a_batch_takes_each_entry_by_itself(api: TestClient, service: Service) -> None:
    stranger = a_dispense("nobody")
    body = a_bundle(a_patient(), stranger, a_dispense(), {"resourceType": "Organization", "id": "x"}, kind="batch")
    answer = sent(api, body)
    assert (answer.status_code, answer.json()["type"]) == (200, "batch-response")
    assert [one.split()[0] for one in statuses(answer)] == ["201", "422", "201", "200"]
    entries = [one["response"] for one in answer.json()["entry"]]
    assert entries[1]["outcome"]["issue"][0]["expression"] == ["Bundle.entry[1].resource"]
    assert entries[3]["outcome"]["issue"][0]["severity"] == "warning"
    assert "location" not in entries[3]
    assert "PICKUP" in codes(service)


def test_a_single_resource_is_answered_with_its_location(api: TestClient) -> None:
    answer = sent(api, a_patient())
    assert (answer.status_code, answer.json()["resourceType"]) == (201, "OperationOutcome")
    assert answer.headers["location"].startswith(f"Patient/{an_id('one')}")
    assert sent(api, an_observation()).status_code == 201
    assert sent(api, an_observation()).status_code == 200


def test_somebody_unknown_is_refused_and_taken_once_known(api: TestClient, service: Service) -> None:
    assert sent(api, a_bundle(a_dispense())).status_code == 422
    assert sent(api, a_bundle(a_patient())).status_code == 200
    assert statuses(sent(api, a_bundle(a_dispense()))) == ["201 Created"]


def test_conditional_create_makes_one_and_finds_it_again(api: TestClient, service: Service) -> None:
    patient = {key: value for key, value in a_patient().items() if key != "id"}
    weight = {key: value for key, value in an_observation("29463-7", 61).items() if key != "id"}
    weight |= {"valueQuantity": {"value": 61, "unit": "kg"}, "subject": {"reference": "urn:uuid:p"}}
    request = {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:iit:test|N-one"}
    other = {"method": "POST", "url": "Observation", "ifNoneExist": "identifier=urn:lab|7"}
    body = a_bundle(entry=[
        {"fullUrl": "urn:uuid:p", "resource": patient, "request": request},
        {"fullUrl": "urn:uuid:w", "resource": weight, "request": other},
    ])  # fmt: skip
    assert statuses(sent(api, body)) == ["201 Created"] * 2
    weight["valueQuantity"]["value"] = 99
    assert statuses(sent(api, body)) == ["200 OK"] * 2
    assert rows(service, "SELECT numeric_value FROM events WHERE code = 'WEIGHT_KG'") == [(61.0,)]
    assert len(api.get("/api/v1/patients").json()["patients"]) == 1


def test_a_version_that_passed_is_refused(api: TestClient, service: Service) -> None:
    etag = sent(api, a_bundle(a_patient(), an_observation())).json()["entry"][1]["response"]["etag"]
    changed = an_observation(value=700, meta={"lastUpdated": "2024-02-01T00:00:00Z"})
    body = a_bundle(changed)
    body["entry"][0]["request"]["ifMatch"] = etag
    assert statuses(sent(api, body)) == ["200 OK"]
    changed["valueQuantity"] = {"value": 800, "unit": "copies/mL"}
    answer = sent(api, body)
    assert answer.status_code == 412
    assert answer.json()["issue"][0]["code"] == "conflict"
    assert rows(service, "SELECT numeric_value FROM events WHERE code = 'VIRAL_LOAD'") == [(700.0,)]


def test_records_of_one_person_become_one(api: TestClient, service: Service) -> None:
    sent(api, a_bundle(a_patient(), a_patient("two"), a_dispense("two")))
    link = [{"other": {"reference": f"Patient/{an_id('two')}"}, "type": "replaces"}]
    sent(api, a_bundle(a_patient(link=link, meta={"lastUpdated": "2024-03-01T00:00:00Z"})))
    assert rows(service, "SELECT patient_uuid FROM patients") == [(an_id("one"),)]
    assert rows(service, "SELECT patient_uuid FROM events WHERE code = 'PICKUP'") == [(an_id("one"),)]


def test_an_erased_person_stays_erased(api: TestClient, service: Service) -> None:
    sent(api, a_bundle(a_patient("gone")))
    service.privacy.erase(an_id("gone"), who=TESTER)
    assert sent(api, a_bundle(a_patient("gone"))).status_code == 409
    assert rows(service, "SELECT 1 FROM patients") == []


@pytest.fixture(scope="module")
def scoped(service: Service) -> dict[str, str]:
    scope = Scope(facilities=frozenset({"SYN000001"}))
    return {"X-API-Key": service.access.keys.create(KeyWish(label="scoped", scope=scope), who=TESTER)}


def test_a_facility_tells_of_its_own_patients_only(api: TestClient, service: Service, scoped: dict[str, str]) -> None:
    elsewhere = {"identifier": {"system": "urn:iit:datim", "value": "SYN000002"}}
    assert sent(api, a_bundle(a_patient()), headers=scoped).status_code == 200
    other = a_patient("two", managingOrganization=elsewhere, address=[])
    assert sent(api, a_bundle(other), headers=scoped).status_code == 403
    sent(api, a_bundle(other))
    assert sent(api, a_bundle(a_dispense("two")), headers=scoped).status_code == 403
    stolen = a_patient("one", link=[{"other": {"reference": f"Patient/{an_id('two')}"}, "type": "replaces"}])
    assert sent(api, a_bundle(stolen), headers=scoped).status_code == 403
    assert rows(service, "SELECT count(*) FROM patients") == [(2,)]
    told = rows(service, "SELECT event_type FROM audit_logs ORDER BY seq DESC LIMIT 1")
    assert told == [("unauthorized_access",)]


@pytest.fixture
def of_elsewhere(service: Service) -> str:
    """A patient of another facility whom no message has named yet."""
    document = a_document("victim")
    document["messageData"]["demographics"]["datimId"] = "SYN000002"
    service.intake.take_one(as_document(document), who=TESTER)
    return uuid_of(document)


def a_link(kind: str, other: str) -> dict[str, Any]:
    return {"link": [{"other": {"reference": f"Patient/{other}"}, "type": kind}]}


@pytest.mark.parametrize("way", ["id", "number", "replaces", "replaced-by", "replaced"])
@pytest.mark.parametrize("may", [True, False])
def test_a_patient_that_is_stored_is_no_alias_of_another(
    api: TestClient, service: Service, scoped: dict[str, str], of_elsewhere: str, way: str, may: bool
) -> None:
    own = a_patient()
    assert sent(api, own, headers=scoped).status_code == 201
    told = {
        "id": {**own, "id": of_elsewhere},
        "number": {**own, "identifier": [*own["identifier"], {"system": "urn:x", "value": of_elsewhere}]},
        "replaces": {**own, **a_link("replaces", of_elsewhere)},
        "replaced-by": {**own, **a_link("replaced-by", of_elsewhere)},
        "replaced": {**own, "id": of_elsewhere, **a_link("replaced-by", own["id"])},
    }[way]
    answer = sent(api, told, headers=None if may else scoped)
    is_merge = way.startswith("replace")
    assert answer.status_code == (403 if not may else 200 if is_merge else 409)
    assert of_elsewhere not in answer.text or (may and is_merge)
    dispense = a_dispense(subject={"reference": f"Patient/{of_elsewhere}"})
    assert sent(api, dispense).status_code == 201
    lands = own["id"] if may and way in ("replaces", "replaced") else of_elsewhere
    stored = "SELECT patient_uuid FROM events WHERE code = 'PICKUP' AND source = 'fhir'"
    assert rows(service, stored) == [(lands,)]


def test_a_record_that_replaces_another_may_carry_its_number(api: TestClient, service: Service) -> None:
    old, new = a_patient("two"), a_patient()
    sent(api, a_bundle(new, old, a_dispense("two")))
    assert sent(api, {**new, "identifier": new["identifier"] + old["identifier"]}).status_code == 409
    both = {**new, "identifier": old["identifier"] + new["identifier"], **a_link("replaces", old["id"])}
    assert sent(api, both).status_code == 200
    assert rows(service, "SELECT patient_uuid FROM patients") == [(new["id"],)]


def test_a_killed_request_is_finished_by_the_workers(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after kill -9 between the commit of the inbox and the merge."""
    monkeypatch.setattr(type(service.fhir), "_work", lambda *_: None)
    reply = service.fhir.receive(encoded(a_bundle(a_patient(), a_dispense())), who=TESTER)
    assert [one["response"]["status"] for one in reply.body["entry"]] == ["202 Accepted"] * 2
    service.inbox.receive([Frame(a_message_of_hl7("K1"))], actor="test")
    assert service.inbox.work().n_done == 1  # the other message: this request may still be at work
    later = replace(service.inbox, clock=lambda: datetime(2100, 1, 1, tzinfo=UTC))
    assert later.work().n_done == 1
    assert "PICKUP" in codes(service)


def test_without_the_database_nothing_is_acknowledged(service: Service) -> None:
    class Away:
        def transaction(self) -> None:
            raise Unavailable("the database cannot be reached")

    with pytest.raises(Unavailable):
        replace(service.fhir, database=Away()).receive(encoded(a_patient()), who=TESTER)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 422, id="nothing"),
        pytest.param(b"{", 422, id="no JSON"),
        pytest.param(b"[]", 422, id="a list"),
        pytest.param(b'{"resourceType": "Bundle"}', 422, id="a bundle without a type"),
        pytest.param(b'{"resourceType": "Bundle", "type": "transaction"}', 200, id="an empty transaction"),
        pytest.param(b'{"resourceType": "Practitioner"}', 200, id="a type that is not read"),
        pytest.param(b'{"resourceType": "Patient"}', 422, id="nobody"),
    ],
)
def test_bodies_at_fault_are_told_so(api: TestClient, body: bytes, status: int) -> None:
    answer = api.post("/fhir", content=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith(FHIR)


def test_strict_validation_refuses_what_tolerance_takes(api: TestClient) -> None:
    loose = a_patient(gender="woman")
    answer = sent(api, a_bundle(a_patient(extra=1)), params={"validate": "strict"})
    assert answer.status_code == 422
    assert sent(api, a_bundle(loose)).status_code == 200
    assert api.post("/fhir?validate=careful", content=encoded(loose)).status_code == 422


def test_resources_need_a_key(api: TestClient) -> None:
    answer = api.post("/fhir", content=encoded(a_patient()), headers={"X-API-Key": "none"})
    assert (answer.status_code, answer.json()["resourceType"]) == (401, "OperationOutcome")


def test_resources_are_made_by_the_route_of_their_type(api: TestClient, service: Service) -> None:
    assert api.put(f"/fhir/Patient/{an_id('one')}", content=encoded(a_patient())).status_code == 201
    bare = {key: value for key, value in an_observation().items() if key != "id"}
    header = {"If-None-Exist": "identifier=urn:lab|9"}
    assert api.post("/fhir/Observation", content=encoded(bare), headers=header).status_code == 201
    assert api.post("/fhir/Observation", content=encoded(bare), headers=header).status_code == 200
    assert rows(service, "SELECT count(*) FROM events WHERE code = 'VIRAL_LOAD'") == [(1,)]


def test_a_route_takes_its_own_type_only(api: TestClient) -> None:
    assert api.post("/fhir/Observation", content=encoded(a_patient())).status_code == 422
    assert api.put("/fhir/Patient/other", content=encoded(a_patient())).status_code == 422
    assert api.put(f"/fhir/Group/{an_id('one')}", content=encoded(a_patient())).status_code == 422


def test_an_update_of_a_version_that_passed_is_refused(api: TestClient) -> None:
    sent(api, a_bundle(a_patient(), an_observation()))
    path = f"/fhir/Observation/{an_observation()['id']}"
    again = an_observation(value=70, meta={"lastUpdated": "2024-02-01T00:00:00Z"})
    assert api.put(path, content=encoded(again), headers={"If-Match": 'W/"1"'}).status_code == 412
    etag = api.put(path, content=encoded(an_observation())).headers["etag"]
    assert api.put(path, content=encoded(again), headers={"If-Match": etag}).status_code == 200


def test_spoilt_bodies_are_answered_and_leave_nothing_half_done(api: TestClient, service: Service) -> None:
    for raw in mutations(11, 150):
        answer = api.post("/fhir", content=raw)
        assert answer.status_code in (200, 201, 409, 412, 422), (answer.status_code, raw)
        assert answer.headers["content-type"].startswith(FHIR)
        assert answer.json()["resourceType"] in ("OperationOutcome", "Bundle")
        statuses = [one["response"]["status"] for one in answer.json().get("entry", [])]
        assert not [one for one in statuses if one.startswith(("202", "5"))], raw
    assert rows(service, "SELECT state, count(*) FROM inbox WHERE state IN ('waiting', 'dead') GROUP BY state") == []
