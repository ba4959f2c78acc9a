"""Whom somebody may see: every reading route, for those inside and outside of a scope."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from iit.domain.access import Scope
from iit.domain.errors import NotAllowed
from iit.services.keys import KeyWish
from iit.services.scoring import ScoringWish
from iit.testing import TESTER
from tests.journeys.conftest import Running


@dataclass(frozen=True)
class Place:
    """A facility or a state as a scope, with a scored patient inside it and one outside of it."""

    headers: dict[str, str]
    inside: str
    outside: str
    covered: set[str]


@pytest.fixture(scope="module", params=["facility", "state"])
def place(running: Running, request: pytest.FixtureRequest) -> Place:
    column = {"facility": "facility", "state": "state_province"}[request.param]
    with running.service.database.transaction() as tx:
        rows = tx.execute(
            text(f"SELECT {column}, patient_uuid FROM patients WHERE risk_score IS NOT NULL AND {column} IS NOT NULL")  # noqa: S608
        ).all()
        chosen = max({row[0] for row in rows}, key=lambda one: sum(row[0] == one for row in rows))
        covered = set(
            tx.execute(text(f"SELECT patient_uuid FROM patients WHERE {column} = :c"), {"c": chosen}).scalars()  # noqa: S608
        )
    inside = sorted(uuid for of, uuid in rows if of == chosen)[0]
    outside = sorted(uuid for of, uuid in rows if of != chosen)[0]
    scope = Scope(**{"facilities" if request.param == "facility" else "states": frozenset({chosen})})
    key = running.service.access.keys.create(KeyWish(label="scoped", scope=scope), who=TESTER)
    return Place({"X-API-Key": key}, inside, outside, covered)


def document_of(running: Running, uuid: str) -> bytes:
    (found,) = running.cohort.glob(f"*/*{uuid}.json")
    return found.read_bytes()


@pytest.mark.parametrize("path", ["", "/timeline", "/predictions"])
def test_a_patient_outside_looks_like_one_that_does_not_exist(api: TestClient, place: Place, path: str) -> None:
    assert api.get(f"/api/v1/patients/{place.inside}{path}", headers=place.headers).status_code == 200
    outside = api.get(f"/api/v1/patients/{place.outside}{path}", headers=place.headers)
    nobody = api.get(f"/api/v1/patients/{uuid4()}{path}", headers=place.headers)
    assert outside.status_code == nobody.status_code == 404
    assert outside.json() == nobody.json()


def test_the_attempt_is_on_the_audit_trail(api: TestClient, running: Running, place: Place) -> None:
    api.get(f"/api/v1/patients/{place.outside}", headers=place.headers)
    with running.service.database.transaction() as tx:
        row = tx.execute(text("SELECT * FROM audit_logs ORDER BY seq DESC LIMIT 1")).one()
    assert (row.event_type, row.outcome, row.target) == (
        "unauthorized_access", "refused", f"patient:{place.outside}",
    )  # fmt: skip


def test_lists_hold_only_those_inside(api: TestClient, place: Place) -> None:
    patients = api.get("/api/v1/patients", params={"limit": 1000}, headers=place.headers).json()["patients"]
    worklist = api.get("/api/v1/worklist", params={"limit": 1000}, headers=place.headers).json()["worklist"]
    assert {one["patient_uuid"] for one in patients} == place.covered
    assert worklist
    assert {one["patient_uuid"] for one in worklist} <= place.covered


def test_a_facility_outside_has_an_empty_list(api: TestClient, running: Running, place: Place) -> None:
    facility = api.get(f"/api/v1/patients/{place.outside}").json()["facility"]
    for path in ("patients", "worklist"):
        answer = api.get(f"/api/v1/{path}", params={"facility": facility, "limit": 1000}, headers=place.headers)
        assert {one["patient_uuid"] for one in answer.json()[path]} <= place.covered


def test_a_prediction_outside_is_not_found(api: TestClient, place: Place) -> None:
    told = {}
    for uuid in (place.inside, place.outside):
        told[uuid] = api.get(f"/api/v1/patients/{uuid}/predictions").json()["predictions"][0]["prediction_id"]
    assert api.get(f"/api/v1/predictions/{told[place.inside]}", headers=place.headers).status_code == 200
    assert api.get(f"/api/v1/predictions/{told[place.outside]}", headers=place.headers).status_code == 404


def test_a_prediction_of_nobody_is_for_who_asked(api: TestClient, place: Place) -> None:
    body = {"features": {"age": 30}}
    own = api.post("/api/v1/predictions", json=body, headers=place.headers).json()["prediction_id"]
    other = api.post("/api/v1/predictions", json=body).json()["prediction_id"]
    assert api.get(f"/api/v1/predictions/{own}", headers=place.headers).status_code == 200
    assert api.get(f"/api/v1/predictions/{other}", headers=place.headers).status_code == 404


def test_only_those_inside_are_scored(api: TestClient, running: Running, place: Place) -> None:
    asked = [{"patient_uuid": place.inside}, {"patient_uuid": place.outside}]
    results = api.post("/api/v1/predictions/batch", json=asked, headers=place.headers).json()["results"]
    assert results[0]["patient_uuid"] == place.inside
    assert results[1]["problem"]["status"] == 404
    for uuid, status in ((place.inside, 200), (place.outside, 403)):
        document = document_of(running, uuid)
        assert api.post("/api/v1/predictions", content=document, headers=place.headers).status_code == status


def test_a_document_cannot_claim_a_patient_of_another_facility(api: TestClient, running: Running, place: Place) -> None:
    """It would take the patient over: the record of the one outside, said to be of the one inside's place."""
    stolen = document_of(running, place.inside).replace(place.inside.encode(), place.outside.encode())
    before = api.get(f"/api/v1/patients/{place.outside}").json()
    for path in ("/api/v1/predictions", "/api/v1/patients"):
        assert api.post(path, content=stolen, headers=place.headers).status_code == 403
    assert api.get(f"/api/v1/patients/{place.outside}").json() == before


def test_a_new_patient_of_elsewhere_is_not_kept(api: TestClient, running: Running, place: Place) -> None:
    document = document_of(running, place.outside).replace(place.outside.encode(), str(uuid4()).encode())
    answer = api.post("/api/v1/patients", content=document, headers=place.headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:iit:problem:not_allowed")


@pytest.fixture
def narrow() -> Iterator[Scope]:
    yield Scope(facilities=frozenset({"elsewhere"}))


def test_scoring_in_bulk_needs_a_facility_of_the_scope(running: Running, narrow: Scope) -> None:
    who = replace(TESTER, scope=narrow)
    for facility in (None, "SYN00000001"):
        with pytest.raises(NotAllowed):
            running.service.scoring.score(ScoringWish(facility=facility), who=who)


def test_the_pages_choose_among_the_facilities_of_the_scope(running: Running, place: Place) -> None:
    facilities = running.service.patients.facilities(who=TESTER)
    scope = Scope(facilities=frozenset({facilities[0][0]}))
    shown = running.service.patients.facilities(who=replace(TESTER, scope=scope))
    assert [one[0] for one in shown] == [facilities[0][0]]
