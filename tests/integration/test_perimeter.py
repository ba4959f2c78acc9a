"""Blocked addresses and the emergency lock-down, in a running worker."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from tests.integration.conftest import PASSWORD

from iit.api.addresses import take_forwarded
from iit.api.app import create_app
from iit.bootstrap import Service
from iit.config import Settings
from iit.domain.access import Role
from iit.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from iit.services.credentials import CredentialCache, Found
from iit.services.perimeter import Perimeter
from iit.testing import TESTER
from iit.web.pages import add_pages

PROXY = "127.0.0.1"


@pytest.fixture
def proxied(service: Service, settings: Settings) -> Iterator[TestClient]:
    """A worker behind a proxy that it trusts."""
    changed = settings.model_copy(update={"trusted_proxies": f"{PROXY}, 10.0.0.0/8"})
    app = create_app(replace(service, settings=changed))
    add_pages(app)
    with TestClient(app, client=(PROXY, 1), raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture(autouse=True)
def open_again(service: Service) -> Iterator[None]:
    yield
    with service.database.transaction() as tx:
        tx.execute(text("DELETE FROM blocked_addresses"))
        tx.execute(text("DELETE FROM lockdown"))
    service.access.perimeter.refresh()


@pytest.mark.parametrize(
    ("block", "forwarded", "status"),
    [
        pytest.param("203.0.113.9", "203.0.113.9", 403, id="the address"),
        pytest.param("203.0.113.0/24", "203.0.113.9", 403, id="its network"),
        pytest.param("203.0.113.9", "203.0.113.10", 200, id="its neighbour"),
        pytest.param("203.0.113.9", "192.0.2.1, 203.0.113.9", 403, id="hidden behind an invented one"),
        pytest.param("203.0.113.9", "203.0.113.9, 10.1.2.3", 403, id="through two proxies"),
        pytest.param("192.0.2.1", "192.0.2.1, 203.0.113.9", 200, id="invented, to have another blocked"),
        pytest.param("2001:db8::/32", "2001:db8::7", 403, id="IPv6"),
        pytest.param("203.0.113.9", "::ffff:203.0.113.9", 403, id="IPv4 written as IPv6"),
        pytest.param("203.0.113.9", "nonsense", 200, id="no address"),
    ],
)
def test_a_blocked_address_gets_nothing(
    service: Service, proxied: TestClient, block: str, forwarded: str, status: int
) -> None:
    service.access.perimeter.block(block, "attack", who=TESTER)
    for path in ("/health/live", "/login"):
        assert proxied.get(path, headers={"X-Forwarded-For": forwarded}).status_code == status


def test_what_a_stranger_says_of_addresses_is_not_believed(service: Service, client: TestClient) -> None:
    service.access.perimeter.block("203.0.113.9", "attack", who=TESTER)
    assert client.get("/health/live", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 200


def test_https_is_believed_of_a_trusted_proxy_only(settings: Settings) -> None:
    networks = settings.model_copy(update={"trusted_proxies": PROXY}).trusted_networks
    for peer, scheme in ((PROXY, "https"), ("192.0.2.1", "http")):
        scope = {"client": (peer, 1), "scheme": "http", "headers": [(b"x-forwarded-proto", b"https")]}
        take_forwarded(scope, networks)
        assert scope["scheme"] == scheme


def test_blocks_are_listed_and_lifted(service: Service) -> None:
    perimeter = service.access.perimeter
    perimeter.block("192.0.2.77/24", "scan", who=TESTER)
    assert [(one.network, one.reason) for one in perimeter.state().blocks] == [("192.0.2.0/24", "scan")]
    assert perimeter.unblock("192.0.2.0/24", who=TESTER) == "192.0.2.0/24"
    with pytest.raises(NotFound):
        perimeter.unblock("192.0.2.0/24", who=TESTER)


@pytest.mark.parametrize("text_of", ["suspicious_ip", "", "1.2.3", "0.0.0.0/0", "::/0", "192.0.2.0/33"])
def test_what_is_no_address_is_refused(service: Service, text_of: str) -> None:
    with pytest.raises(InvalidInput):
        service.access.perimeter.block(text_of, "x", who=TESTER)


def test_running_workers_follow_within_seconds(service: Service, proxied: TestClient) -> None:
    other = Perimeter(service.database, service.access.cache)
    headers = {"X-Forwarded-For": "203.0.113.9"}
    assert proxied.get("/health/live", headers=headers).status_code == 200
    other.block("203.0.113.9", "attack", who=TESTER)
    until = time.monotonic() + 10
    while proxied.get("/health/live", headers=headers).status_code != 403:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_while_locked_only_administrators_may_do_anything(
    service: Service, client: TestClient, key_of: Callable[[Role], str]
) -> None:
    service.access.users.save("ada", PASSWORD, Role.CLINICIAN, who=TESTER)
    form = {"username": "ada", "password": PASSWORD}
    pair = client.post("/api/v1/auth/token", data=form).json()
    client.post("/login", data={"user_name": "ada", "password": PASSWORD})
    bearer = {"Authorization": f"Bearer {pair['access_token']}"}
    assert client.get("/api/v1/models", headers=bearer).status_code == 200
    assert client.get("/").status_code == 200

    service.access.perimeter.lock("a key was stolen", who=TESTER)
    assert client.get("/api/v1/models", headers=bearer).status_code == 401
    assert client.post("/api/v1/auth/refresh", data={"refresh_token": pair["refresh_token"]}).status_code == 401
    assert client.get("/").status_code == 303
    for role in Role:
        answer = client.get("/api/v1/models", headers={"X-API-Key": key_of(role)})
        assert answer.status_code == (200 if role == Role.ADMINISTRATOR else 403), role
    new = {"Authorization": f"Bearer {client.post('/api/v1/auth/token', data=form).json()['access_token']}"}
    assert client.get("/api/v1/models", headers=new).json()["detail"] == "the service is locked by its administrators"
    assert client.get("/health/live").status_code == 200

    service.access.perimeter.unlock(who=TESTER)
    assert client.get("/api/v1/models", headers=new).status_code == 200
    assert client.get("/api/v1/models", headers=bearer).status_code == 401
    with pytest.raises(Conflict):
        service.access.perimeter.unlock(who=TESTER)


def test_a_known_credential_counts_while_the_database_is_away() -> None:
    """Nothing can be revoked then, and documents are still scored; what was never seen waits."""
    now = [0.0]
    cache = CredentialCache(lambda: datetime.now(UTC), lambda: now[0])

    def away() -> Found:
        raise Unavailable("away", place="database")

    cache.resolve(b"seen", lambda: Found(TESTER, None))
    now[0] = 899.0
    assert cache.resolve(b"seen", away) is TESTER
    for fingerprint, at in ((b"unseen", 899.0), (b"seen", 900.0)):
        now[0] = at
        with pytest.raises(Unavailable):
            cache.resolve(fingerprint, away)
