"""What goes back out as FHIR: risks, marks and whole records; valid, in scope, by pages."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from fastapi.testclient import TestClient
from fhir.resources.R4B import get_fhir_model_class
from sqlalchemy import text

from iit.api.app import create_app
from iit.api.fhir import Kind
from iit.api.rules import rules
from iit.domain.access import Scope
from iit.domain.record import day_number, make_record
from iit.features.columns import columns_of, unpack
from iit.features.context import Contexts
from iit.features.vector import matrix
from iit.ingest.fhir.bundle import read_contents
from iit.ingest.fhir.map import fhir_mapper
from iit.services.keys import KeyWish
from iit.testing import TESTER, a_patient
from tests.journeys.conftest import UNTIL, Running


def rows(running: Running, statement: str, **values: object) -> list[Any]:
    with running.service.database.transaction() as tx:
        return list(tx.execute(text(statement), values).all())


def valid(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource that is as R4 defines it."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return resource


def asked(api: TestClient, path: str, **more: Any) -> dict[str, Any]:
    answer = api.get(path, **more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    return valid(answer.json())


def resources(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    return [one["resource"] for one in bundle.get("entry", [])]


@pytest.fixture(scope="module")
def at_risk(running: Running) -> str:
    found = rows(running, "SELECT patient_uuid FROM patients WHERE risk_band = 'high' ORDER BY 1 LIMIT 1")
    return str(found[0][0])


def test_the_risk_of_a_patient_is_the_one_that_was_told(api: TestClient, at_risk: str) -> None:
    (found, *_) = resources(asked(api, f"/fhir/RiskAssessment?subject=Patient/{at_risk}"))
    told = api.get(f"/api/v1/predictions/{found['id']}").json()
    prediction = found["prediction"][0]
    assert prediction["probabilityDecimal"] == pytest.approx(told["iit_risk_score"], abs=1e-6)
    assert prediction["qualitativeRisk"]["coding"][0]["code"] == "high"
    assert prediction["whenPeriod"]["end"] == told["interruption_date"]
    assert prediction["rationale"].startswith(told["reasons"][0]["text"])
    assert found["subject"]["reference"] == f"Patient/{at_risk}"
    assert asked(api, f"/fhir/RiskAssessment/{found['id']}") == found


@pytest.mark.parametrize("risk", ["low", "moderate", "medium", "high", "high,low"])
def test_risks_are_searched_by_band(api: TestClient, risk: str) -> None:
    found = resources(asked(api, f"/fhir/RiskAssessment?risk={risk}&_count=20"))
    wanted = {"moderate" if one == "medium" else one for one in risk.split(",")}
    codes = {one["prediction"][0]["qualitativeRisk"]["coding"][0]["code"] for one in found}
    assert codes
    assert codes <= wanted


@pytest.mark.parametrize(
    ("condition", "holds"),
    [("eq", lambda day, on: day == on), ("ge", lambda day, on: day >= on), ("gt", lambda day, on: day > on),
     ("le", lambda day, on: day <= on), ("lt", lambda day, on: day < on)],
)  # fmt: skip
def test_risks_are_searched_by_day(api: TestClient, running: Running, condition: str, holds: Any) -> None:
    on = str(rows(running, "SELECT max(as_of) FROM predictions WHERE patient_uuid IS NOT NULL")[0][0])
    found = resources(asked(api, f"/fhir/RiskAssessment?date={condition}{on}&_count=30"))
    assert all(holds(one["occurrenceDateTime"], on) for one in found)
    assert bool(found) is (condition not in ("gt", "lt")) or condition == "lt"


def test_pages_hold_everything_once(api: TestClient, running: Running) -> None:
    n_told = rows(running, "SELECT count(*) FROM predictions WHERE patient_uuid IS NOT NULL AND risk_band = 'high'")
    path, seen = "/fhir/RiskAssessment?risk=high&_count=40", []
    while path:
        page = asked(api, path)
        seen += [one["id"] for one in resources(page)]
        links = {one["relation"]: one["url"] for one in page["link"]}
        path = links.get("next", "").removeprefix("http://testserver")
    assert len(seen) == len(set(seen)) == n_told[0][0]


def test_high_risk_is_a_flag(api: TestClient, running: Running, at_risk: str) -> None:
    (found,) = resources(asked(api, f"/fhir/Flag?subject=Patient/{at_risk}"))
    assert found["subject"]["reference"] == f"Patient/{at_risk}"
    low = rows(running, "SELECT patient_uuid FROM patients WHERE risk_band = 'low' LIMIT 1")[0][0]
    assert resources(asked(api, f"/fhir/Flag?subject={low}")) == []


def test_everything_given_out_gives_the_same_features_where_it_is_taken_in(
    api: TestClient, running: Running, at_risk: str
) -> None:
    answer = api.get(f"/fhir/Patient/{at_risk}/$everything")
    bundle = valid(answer.json())
    for one in resources(bundle):
        valid(one)
    zone = ZoneInfo("Africa/Lagos")
    told = fhir_mapper(zone).map(read_contents(answer.content), received=datetime(2025, 7, 1, tzinfo=zone))
    events = [fact.event for one in told for fact in one.facts if not fact.is_retracted]
    facts = rows(running, "SELECT facts FROM records WHERE patient_uuid = :u", u=at_risk)[0][0]
    day = np.array([day_number(UNTIL)], np.int32)
    nowhere, first = np.full(1, -1, np.int32), np.zeros(1, np.int64)
    mine, other = (
        matrix(columns, nowhere, first, day, Contexts.of([]))
        for columns in (unpack([bytes(facts)]), columns_of([make_record(a_patient(), events)]))
    )
    np.testing.assert_array_equal(mine, other)
    last = rows(running, "SELECT event_type, target FROM audit_logs ORDER BY seq DESC LIMIT 1")
    assert last == [("patient_exported", f"patient:{at_risk}")]


@pytest.fixture(scope="module")
def elsewhere(running: Running, at_risk: str) -> dict[str, str]:
    """The key of a facility that is not the patient's."""
    other = rows(running, "SELECT facility FROM patients WHERE facility <> "
                          "(SELECT facility FROM patients WHERE patient_uuid = :u) LIMIT 1", u=at_risk)  # fmt: skip
    wish = KeyWish(label="scoped", scope=Scope(facilities=frozenset({other[0][0]})))
    return {"X-API-Key": running.service.access.keys.create(wish, who=TESTER)}


def test_a_patient_outside_looks_like_one_that_does_not_exist(
    api: TestClient, running: Running, at_risk: str, elsewhere: dict[str, str]
) -> None:
    mine = resources(asked(api, f"/fhir/RiskAssessment?subject={at_risk}"))[0]["id"]
    for kind in ("RiskAssessment", "Flag"):
        for uuid in (at_risk, "nobody"):
            found = asked(api, f"/fhir/{kind}?subject={uuid}", headers=elsewhere)
            assert resources(found) == []
    for path in (f"RiskAssessment/{mine}", f"Patient/{at_risk}/$everything"):
        answer = api.get(f"/fhir/{path}", headers=elsewhere)
        assert (answer.status_code, valid(answer.json())["issue"][0]["code"]) == (404, "not-found")
        last = rows(running, "SELECT event_type FROM audit_logs ORDER BY seq DESC LIMIT 1")
        assert last == [("unauthorized_access",)]


def test_a_search_without_a_subject_stays_in_scope(
    api: TestClient, running: Running, elsewhere: dict[str, str]
) -> None:
    found = resources(asked(api, "/fhir/RiskAssessment?_count=1000", headers=elsewhere))
    uuids = {one["subject"]["reference"].removeprefix("Patient/") for one in found}
    facilities = rows(running, "SELECT DISTINCT facility FROM patients WHERE patient_uuid = ANY(:u)", u=list(uuids))
    assert len(facilities) == 1


@pytest.mark.parametrize(
    "query",
    [
        "date=yesterday",
        "date=2025-13-01",
        "date=gt9999-12-31",
        "risk=grave",
        "subject=Group/1",
        "_cursor=x",
        "_count=0",
    ],
)
def test_a_search_at_fault_is_told_so(api: TestClient, query: str) -> None:
    answer = api.get(f"/fhir/RiskAssessment?{query}")
    assert answer.status_code == 422
    assert valid(answer.json())["resourceType"] == "OperationOutcome"


def test_the_statement_is_true_of_the_routes(api: TestClient, running: Running) -> None:
    statement = asked(api, "/fhir/metadata")
    routes = {
        (method, path) for path, methods, _ in rules(create_app(running.service)) for method in methods
        if path.startswith("/fhir")
    }  # fmt: skip
    claimed = {("GET", "/fhir/metadata"), ("POST", "/fhir")}
    (rest,) = statement["rest"]
    assert {one["type"] for one in rest["resource"] if {"code": "create"} in one["interaction"]} == set(Kind)
    for one in rest["resource"]:
        codes = {interaction["code"] for interaction in one["interaction"]}
        claimed |= {("POST", "/fhir/{kind}"), ("PUT", "/fhir/{kind}/{resource_id}")} if "create" in codes else set()
        claimed |= {("GET", f"/fhir/{one['type']}")} if "search-type" in codes else set()
        claimed |= {("GET", f"/fhir/{one['type']}/{{prediction_id}}")} if "read" in codes else set()
        claimed |= {("GET", f"/fhir/Patient/{{patient_uuid}}/${op['name']}") for op in one.get("operation", [])}
    assert claimed == routes
    described = create_app(running.service).openapi()["paths"]
    for one in rest["resource"]:
        if "searchParam" in one:
            told = {parameter["name"] for parameter in described[f"/fhir/{one['type']}"]["get"]["parameters"]}
            assert {parameter["name"] for parameter in one["searchParam"]} <= told
            assert {name for name in told if not name.startswith("_") and name != "X-API-Key"} == {
                parameter["name"] for parameter in one["searchParam"]
            }
