"""What Prometheus is told: every promised name, with one worker and with many, and nothing of patients."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from iit.api.app import create_app
from iit.bootstrap import assemble, audit_keys
from iit.store.database import open_database
from tests.journeys.conftest import Running
from tests.metrics import ON_OCCASION, PROMISED, total, values


def _predict(api: TestClient) -> None:
    assert api.post("/api/v1/predictions", json={"features": {"age": 30.0}}).status_code == 200


def test_every_promised_figure_is_told(api: TestClient) -> None:
    _predict(api)
    told = {one.name for one in values(api.get("/metrics").text)}
    assert told >= PROMISED - ON_OCCASION


def test_a_prediction_is_counted_in_all_its_stages(api: TestClient, running: Running) -> None:
    with running.service.database.transaction() as tx:
        uuid = tx.exec_driver_sql("SELECT patient_uuid FROM patients WHERE risk_as_of IS NOT NULL LIMIT 1").scalar_one()
    before = api.get("/metrics").text
    assert api.post("/api/v1/predictions", json={"patient_uuid": uuid}).status_code == 200
    after = api.get("/metrics").text
    for stage in ("read", "features", "score", "explain", "keep"):
        name = "iit_prediction_stage_seconds_count"
        assert total(after, name, stage=stage) == total(before, name, stage=stage) + 1, stage
    assert total(after, "iit_predictions_total") == total(before, "iit_predictions_total") + 1
    assert total(after, "iit_model_fallback") == 0
    assert total(after, "iit_audit_chain_intact") == 1


def test_senders_cannot_make_new_labels(api: TestClient) -> None:
    for path in ("/a-path-of-nobody", "/api/v1/patients/a-patient-of-nobody"):
        api.request("BREW", path)
    told = api.get("/metrics").text
    assert "BREW" not in told
    assert "of-nobody" not in told


def test_one_figure_has_few_lines(api: TestClient) -> None:
    lines: dict[str, int] = {}
    for one in values(api.get("/metrics").text):
        if not one.name.startswith("http_"):  # by route, of which there is a fixed number
            lines[one.name] = lines.get(one.name, 0) + 1
    assert {name: n for name, n in lines.items() if n > 120} == {}


def test_figures_are_told_without_the_database(running: Running) -> None:
    settings = running.service.settings
    gone = open_database(
        "postgresql+psycopg://nobody@127.0.0.1:1/none", time_zone=settings.time_zone, audit_keys=audit_keys(settings)
    )
    with TestClient(create_app(assemble(settings, gone))) as client:
        began = time.perf_counter()
        told = client.get("/metrics")
        assert time.perf_counter() - began < 3
    assert told.status_code == 200
    assert total(told.text, "iit_figures_up", source="database") == 0
    assert total(told.text, "iit_figures_up", source="disks") == 1


@pytest.fixture(scope="module")
def two_workers(running: Running) -> Iterator[tuple[str, int]]:
    """A real server of two processes over the same data; its address and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IIT_")}
    server = subprocess.Popen(
        [sys.executable, "-m", "iit", "serve", "--workers", "2", "--port", str(port)],
        env={**environment, **running.service.settings.as_environment(), "IIT_DB_POOL_SIZE": "3"},
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        with suppress(httpx2.TransportError):
            if total(_get(f"{address}/metrics"), "iit_db_pool_limit") == 2 * 33:  # both are up
                break
        time.sleep(0.3)
    yield address, server.pid
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(60)
    finally:
        server.kill()
        server.wait()


def _get(url: str) -> str:
    return httpx2.get(url, timeout=10).text  # a new connection each time: any worker may take it


def test_many_workers_tell_one_truth(two_workers: tuple[str, int]) -> None:
    address, _ = two_workers
    for _ in range(40):
        _get(f"{address}/health/live")
    told = [_get(f"{address}/metrics") for _ in range(6)]
    assert {total(one, "http_requests_total", handler="/health/live", status="200") for one in told} == {40}
    assert {total(one, "http_requests_in_progress") for one in told} == {1}  # the scrape itself
    assert {one.name for one in values(told[-1])} >= PROMISED - ON_OCCASION - {
        "iit_predictions_total", "iit_prediction_stage_seconds_bucket",  # from the first prediction
    }  # fmt: skip
    assert total(told[0], "process_resident_memory_bytes") > 100e6


def test_a_killed_worker_leaves_no_request_under_way(two_workers: tuple[str, int]) -> None:
    address, server = two_workers
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    workers = [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    before = total(_get(f"{address}/metrics"), "http_requests_total", handler="/health/live")
    os.kill(workers[0], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(httpx2.TransportError):
            told = _get(f"{address}/metrics")
            if total(told, "iit_db_pool_limit") == 2 * 33:
                break
        time.sleep(0.3)
    assert total(told, "http_requests_total", handler="/health/live") >= before
    assert total(told, "http_requests_in_progress") == 1
