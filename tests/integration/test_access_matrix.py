"""Every route and every role, as the one table says it; and no route without an entry."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text
from tests.integration.conftest import PASSWORD

from iit.api.app import create_app
from iit.api.rules import PUBLIC, Public, Rule, rules
from iit.bootstrap import Service
from iit.domain.access import RIGHTS, Action, Role
from iit.services.keys import KeyWish
from iit.testing import TESTER
from iit.web.rules import Sees

FILLED = {
    "prediction_id": "00000000-0000-4000-8000-000000000000",
    "patient_uuid": "nobody",
    "version": "v0.1",
    "key_id": "nothing",
    "report_id": "nothing",
    "job_id": "00000000-0000-4000-8000-000000000000",
    "kind": "Observation",
    "resource_id": "nothing",
    "service_id": "iit-risk",
    "batch_id": "00000000-0000-4000-8000-000000000000",
}


def ruled(app: FastAPI) -> list[tuple[str, str, Rule]]:
    found = []
    for path, methods, rule in rules(app):
        assert rule is not None, path
        found += [(method, path, rule) for method in sorted(methods - {"HEAD"})]
    return found


def test_the_description_and_the_rules_speak_of_the_same_routes(app: FastAPI) -> None:
    described = {(method.upper(), path) for path, operations in app.openapi()["paths"].items() for method in operations}
    ruled_routes = {(method, path) for method, path, rule in ruled(app) if not isinstance(rule, Sees)}
    assert described <= ruled_routes
    assert len(described) >= 14


@pytest.mark.parametrize("role", Role)
def test_each_role_may_use_the_routes_of_its_rights_and_no_other(
    app: FastAPI, client: TestClient, key_of: Callable[[Role], str], role: Role
) -> None:
    wrong = []
    for method, path, rule in ruled(app):
        if rule.action is None or isinstance(rule, Sees):
            continue
        answer = client.request(method, path.format(**FILLED), headers={"X-API-Key": key_of(role)})
        refused = answer.status_code in (401, 403)
        if refused is (role in RIGHTS[rule.action]):
            wrong.append((method, path, answer.status_code))
    assert wrong == []


def test_without_a_credential_every_route_that_is_not_public_is_closed(app: FastAPI, client: TestClient) -> None:
    for method, path, rule in ruled(app):
        if isinstance(rule, Public):
            continue
        answer = client.request(method, path.format(**FILLED))
        asked_in = 303 if isinstance(rule, Sees) else 401
        assert answer.status_code == asked_in, path


@pytest.mark.parametrize("role", Role)
def test_each_role_sees_the_pages_of_its_rights_and_no_other(
    service: Service, app: FastAPI, client: TestClient, role: Role
) -> None:
    name = f"matrix.{role.replace('_', '-')}"
    service.access.users.save(name, PASSWORD, role, who=TESTER)
    client.post("/login", data={"user_name": name, "password": PASSWORD})
    for method, path, rule in ruled(app):
        if isinstance(rule, Sees):
            answer = client.request(method, path.format(**FILLED))
            assert (answer.status_code == 403) is (role not in RIGHTS[rule.action]), path
    client.cookies.clear()


def test_a_refusal_is_on_the_audit_trail(service: Service, client: TestClient, key_of: Callable[[Role], str]) -> None:
    answer = client.get("/api/v1/patients", headers={"X-API-Key": key_of(Role.OPERATOR)})
    assert answer.json()["type"] == "urn:iit:problem:not_allowed"
    with service.database.transaction() as tx:
        row = tx.execute(text("SELECT * FROM audit_logs ORDER BY seq DESC LIMIT 1")).one()
    assert (row.event_type, row.outcome, row.target) == ("unauthorized_access", "refused", "action:patients:read")


def test_an_application_with_a_route_without_a_rule_does_not_start(service: Service) -> None:
    app = create_app(service)
    app.get("/forgotten")(lambda: "open to all")
    with pytest.raises(RuntimeError, match="/forgotten"), TestClient(app):
        pass


def test_a_route_may_be_public_if_it_says_so(service: Service) -> None:
    app = create_app(service)
    app.get("/open", dependencies=[PUBLIC])(lambda: "open to all")
    with TestClient(app) as client:
        assert client.get("/open").status_code == 200


def test_a_narrowed_key_may_do_its_actions_only(service: Service, client: TestClient) -> None:
    wish = KeyWish(label="narrow", actions=frozenset({Action.READ_MODELS}))
    headers = {"X-API-Key": service.access.keys.create(wish, who=TESTER)}
    assert client.get("/api/v1/models", headers=headers).status_code == 200
    assert client.get("/api/v1/patients", headers=headers).status_code == 403
