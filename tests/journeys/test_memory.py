"""What a process' memory is held by: told to its operators, where it is watched."""

import json
import socket
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from threading import Thread

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from iit.api.app import create_app
from iit.bootstrap.health import make_local_token
from iit.cli.main import app as commands
from iit.domain.errors import Conflict, NotFound, Unavailable
from iit.ops.memory import Memory
from tests.journeys.conftest import Running


@pytest.fixture(scope="module")
def watched(running: Running) -> Iterator[FastAPI]:
    yield create_app(replace(running.service, memory=Memory(is_watched=True)))
    tracemalloc.stop()


@pytest.fixture(scope="module")
def port(watched: FastAPI) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = uvicorn.Server(uvicorn.Config(watched, log_config=None))
        thread = Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield door.getsockname()[1]
        server.should_exit = True
        thread.join()


def test_unless_watched_nothing_is_told(api: TestClient) -> None:
    answer = api.get("/api/v1/debug/memory")
    assert answer.status_code == 409
    assert "IIT_DEBUG_MEMORY" in answer.json()["detail"]


def test_the_line_that_holds_more_than_before_is_named(watched: FastAPI, running: Running) -> None:
    with TestClient(watched, headers={"X-API-Key": running.key}) as client:
        first = client.get("/api/v1/debug/memory").json()
        held = bytearray(30_000_000)
        second = client.get("/api/v1/debug/memory?lines=1").json()
        assert client.get("/api/v1/debug/memory?lines=0").status_code == 422
    assert (len(first["lines"]), first["growth_bytes"], first["lines"][0]["growth_bytes"]) == (10, None, None)
    assert second["growth_bytes"] >= len(held)
    (top,) = second["lines"]
    assert "test_memory.py:" in top["place"]
    assert not top["place"].startswith("/")
    assert top["growth_bytes"] >= len(held)
    assert second["resident_bytes"] > second["watched_bytes"] >= len(held)


def test_the_command_asks_the_running_service(
    running: Running, port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IIT_DATA_DIR", str(running.service.settings.data_dir))

    def said(*arguments: str) -> str:
        commands(["debug", "memory", *arguments], standalone_mode=False)
        return capsys.readouterr().out

    token = make_local_token(running.service.settings)
    told = json.loads(said("--port", str(port), "--json", "--lines", "3"))
    assert len(told["lines"]) == 3
    text = said("--port", str(port))
    assert "since the first picture" in text
    assert text.count(" blocks ") == 10
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        free = nobody.getsockname()[1]
    with pytest.raises(Unavailable, match=f"port {free}"):
        said("--port", str(free))
    token.unlink()
    with pytest.raises(NotFound, match="local_token"):
        said("--port", str(port))


def test_the_command_says_what_to_set(
    running: Running, watched: FastAPI, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IIT_DATA_DIR", str(running.service.settings.data_dir))
    monkeypatch.setattr(watched.state, "service", running.service)
    make_local_token(running.service.settings)
    with pytest.raises(Conflict, match="IIT_DEBUG_MEMORY"):
        commands(["debug", "memory", "--port", str(port)], standalone_mode=False)
