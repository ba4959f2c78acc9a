"""Whoever guesses passwords stays one and the same, whatever they say of their address, and locks nobody else out."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from tests.integration.conftest import PASSWORD

from iit.api.app import create_app
from iit.bootstrap import Service, assemble
from iit.config import Settings
from iit.domain.access import Role
from iit.services.logins import FREE_GUESSES
from iit.store.database import Database
from iit.testing import TESTER

PROXY, TRUSTED = ("10.0.0.1", 443), "10.0.0.0/8"
TRIES = 3 * FREE_GUESSES


@pytest.fixture
def owner(service: Service, request: pytest.FixtureRequest) -> str:
    name = f"owner.{abs(hash(request.node.name)) % 10**9}"
    service.access.users.save(name, PASSWORD, Role.VIEWER, who=TESTER)
    return name


def reached(service: Service, peer: tuple[str, int]) -> TestClient:
    return TestClient(create_app(service), client=peer, raise_server_exceptions=False)


@pytest.fixture
def proxied(settings: Settings, database: Database) -> Iterator[Service]:
    yield assemble(settings.model_copy(update={"trusted_proxies": TRUSTED}), database)


def statuses(client: TestClient, name: str, forwarded: list[str], password: str) -> list[int]:
    return [
        client.post(
            "/api/v1/auth/token", data={"username": name, "password": password}, headers={"X-Forwarded-For": told}
        ).status_code
        for told in forwarded
    ]


def assert_held_up(found: list[int]) -> None:
    """The free guesses are looked at, and of the others hardly any: a pause may end while a slow machine counts."""
    assert set(found[:FREE_GUESSES]) == {401}
    assert found[FREE_GUESSES:].count(429) >= len(found) - FREE_GUESSES - 2
    assert set(found) == {401, 429}


def test_without_a_trusted_proxy_a_told_address_is_nothing(service: Service, owner: str) -> None:
    client = reached(service, ("198.51.100.1", 1))
    found = statuses(client, owner, [f"203.0.113.{n}" for n in range(TRIES)], "wrong")
    assert_held_up(found)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(lambda n: f"203.0.113.{n}, 198.51.100.2", id="addresses of others in front"),
        pytest.param(lambda n: f"198.51.100.3:{4000 + n}", id="a port behind"),
        pytest.param(lambda n: f"10.9.9.{n}, 198.51.100.4", id="trusted addresses in front"),
        pytest.param(lambda n: f"203.0.113.{n}, nonsense-{n}", id="what is no address"),
        pytest.param(lambda n: f"2001:db8:1:1::{n:x}", id="all of one network of IPv6"),
        pytest.param(lambda n: f"[2001:db8:1:2::{n:x}]:{4000 + n}", id="such with a port"),
    ],
)
def test_behind_a_trusted_proxy_nobody_becomes_many(proxied: Service, owner: str, told) -> None:  # type: ignore[no-untyped-def]
    client = reached(proxied, PROXY)
    found = statuses(client, owner, [told(n) for n in range(1, TRIES + 1)], "wrong")
    assert_held_up(found)


def test_an_attacker_from_many_networks_locks_the_owner_not_out(proxied: Service, owner: str) -> None:
    client = reached(proxied, PROXY)
    statuses(client, owner, [f"2001:db8:2:{n:x}::1" for n in range(60)], "wrong")
    assert statuses(client, owner, ["192.0.2.77"], PASSWORD) == [200]
