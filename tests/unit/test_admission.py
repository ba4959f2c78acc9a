"""Admission: a bounded number at once, a bounded wait, 503 for the rest; health always; slow bodies are cut off."""

import time
from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from iit.api.admission import Admission
from iit.store.modes import ModesRow


async def slow_app(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await anyio.sleep(0.2)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def admission(*, places: int = 2, wait_seconds: float = 0.05, body_seconds: float = 0.1) -> Admission:
    return Admission(
        slow_app,
        standing=lambda: ModesRow(is_read_only=False, maintenance=None),
        places=places,
        wait_seconds=wait_seconds,
        body_seconds=body_seconds,
    )


async def ask(app: Admission, path: str = "/api", parts: Sequence[bytes] = (), pause: float = 0.0) -> dict[str, Any]:
    headers = [(b"transfer-encoding", b"chunked")] if parts else []
    waiting = list(parts)
    told: dict[str, Any] = {"body": b""}

    async def receive() -> Message:
        await anyio.sleep(pause)
        body = waiting.pop(0) if waiting else b""
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        told.update(message, body=told["body"] + message.get("body", b""))

    await app({"type": "http", "path": path, "headers": headers, "method": "POST"}, receive, send)
    return told


def together(app: Admission, n: int, path: str = "/api") -> list[int]:
    statuses: list[int] = []

    async def one() -> None:
        statuses.append((await ask(app, path))["status"])

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(n):
                tasks.start_soon(one)

    anyio.run(run)
    return sorted(statuses)


def test_who_finds_no_place_in_time_is_told_to_come_again() -> None:
    began = time.monotonic()
    assert together(admission(), 5) == [200, 200, 503, 503, 503]
    assert time.monotonic() - began < 1.0


def test_who_waits_shorter_than_the_limit_gets_the_next_place() -> None:
    assert together(admission(wait_seconds=1.0), 4) == [200] * 4


def test_more_than_could_ever_be_served_are_not_even_queued() -> None:
    statuses = together(admission(places=1, wait_seconds=3.0), 10)
    assert statuses.count(503) == 1  # one is served, eight wait


def test_places_are_free_again_afterwards() -> None:
    app = admission()
    together(app, 6)
    assert (app.in_flight, app.waiting) == (0, 0)
    assert together(app, 2) == [200, 200]


@pytest.mark.parametrize("path", ["/health/live", "/health", "/metrics"])
def test_health_and_figures_are_always_answered(path: str) -> None:
    assert together(admission(places=1, wait_seconds=0.0), 5, path) == [200] * 5


def test_the_refusal_says_when_to_come_again() -> None:
    app = admission(places=1, wait_seconds=0.0)

    async def run() -> dict[str, Any]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, app)
            await anyio.sleep(0.05)
            return await ask(app)

    told = anyio.run(run)
    assert dict(told["headers"])[b"retry-after"] == b"1"
    assert b"urn:iit:problem:busy" in told["body"]


def test_a_body_in_parts_arrives_whole() -> None:
    told = anyio.run(ask, admission(), "/api", [b"one ", b"two ", b"three"])
    assert (told["status"], told["body"]) == (200, b"one two three")


def test_a_body_that_comes_too_slowly_is_cut_off_and_takes_no_place() -> None:
    app = admission(places=1)
    told = anyio.run(ask, app, "/api", [b"x"] * 10, 0.05)
    assert (told["status"], dict(told["headers"])[b"connection"], app.in_flight) == (408, b"close", 0)
