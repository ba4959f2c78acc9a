"""Who is called for what: the routes of Alertmanager, and what really arrives at PagerDuty and in the mail."""

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

FILE = Path(__file__).parents[3] / "deploy" / "alertmanager" / "alertmanager.yml"
SETTINGS = yaml.safe_load(FILE.read_text())
KEY = "R0123456789abcdefghijklmnopqrstu"

needs_amtool = pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed")
program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
needs_alertmanager = pytest.mark.skipif(program is None, reason="Alertmanager is not installed")


@needs_amtool
@pytest.mark.parametrize(
    ("severity", "receiver"),
    [("critical", "call-critical"), ("high", "call-high"), ("medium", "mail"), ("low", "mail"), ("unheard-of", "mail")],
)
def test_a_severity_goes_to_its_receiver(severity: str, receiver: str) -> None:
    done = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={FILE}", f"severity={severity}"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, receiver)


@pytest.mark.parametrize(
    ("severity", "again_after"), [("critical", "15m"), ("high", "1h"), ("medium", "4h"), ("low", "24h")]
)
def test_what_nobody_acknowledges_is_told_again_in_the_time_of_the_matrix(severity: str, again_after: str) -> None:
    (route,) = [one for one in SETTINGS["route"]["routes"] if f'severity="{severity}"' in one["matchers"]]
    assert route["repeat_interval"] == again_after


def test_no_key_stands_in_the_file() -> None:
    for receiver in SETTINGS["receivers"]:
        for one in receiver.get("pagerduty_configs", []):
            assert "routing_key" not in one
            assert one["routing_key_file"].startswith("/run/secrets/")


class Letters(Message):
    def __init__(self) -> None:
        super().__init__(EmailMessage)
        self.subjects: list[str] = []

    def handle_message(self, message: Any) -> None:
        self.subjects.append(str(message["Subject"]))


class Site:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.letters = Letters()
        self.url = ""

    def alert(self, name: str, severity: str, *, is_over: bool = False) -> None:
        now = datetime.now(UTC)
        alert = {
            "labels": {"alertname": name, "severity": severity, "job": "iit-ml-service", "instance": "a"},
            "annotations": {"summary": f"It is {name}.", "runbook_url": f"docs/runbooks/alerts.md#{name.lower()}"},
            "startsAt": (now - timedelta(minutes=5)).isoformat(),
            "endsAt": (now if is_over else now + timedelta(hours=1)).isoformat(),
        }
        httpx2.post(f"{self.url}/api/v2/alerts", json=[alert]).raise_for_status()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _pagerduty(events: list[dict[str, Any]]) -> ThreadingHTTPServer:
    class Enqueue(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Enqueue)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Alertmanager with our file; only addresses, the place of the key and the wait for company are changed."""
    made = Site()
    pagerduty = _pagerduty(made.events)
    post = Controller(made.letters, hostname="127.0.0.1", port=_free_port(), loop=asyncio.new_event_loop())
    post.start()
    (tmp_path / "key").write_text(KEY)
    settings = yaml.safe_load(FILE.read_text().replace("/run/secrets/pagerduty_routing_key", str(tmp_path / "key")))
    settings["global"] |= {
        "pagerduty_url": f"http://127.0.0.1:{pagerduty.server_address[1]}/v2/enqueue",
        "smtp_smarthost": f"127.0.0.1:{post.port}",
    }
    for route in (settings["route"], *settings["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(settings))
    port = _free_port()
    made.url = f"http://127.0.0.1:{port}"
    running = subprocess.Popen(
        [str(program), f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}/kept",
         f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _wait(lambda: httpx2.get(f"{made.url}/-/ready").status_code == 200)
    yield made
    running.terminate()
    running.wait(10)
    post.stop()
    pagerduty.shutdown()
    pagerduty.server_close()


def _wait(holds: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


@needs_alertmanager
def test_people_are_called_and_told_when_it_is_over(site: Site) -> None:
    site.alert("WalArchiveFailing", "critical")
    site.alert("DeadMessages", "medium")
    _wait(lambda: site.events and len(site.letters.subjects) == 2)
    (event,) = site.events
    assert event["routing_key"] == KEY
    assert event["event_action"] == "trigger"
    assert event["dedup_key"]
    assert event["payload"]["severity"] == "critical"
    assert event["payload"]["summary"] == "It is WalArchiveFailing."
    assert event["payload"]["custom_details"]["runbook"] == "docs/runbooks/alerts.md#walarchivefailing"
    assert set(site.letters.subjects) == {
        "[critical] WalArchiveFailing firing", "[medium] DeadMessages firing"
    }  # fmt: skip
    site.alert("WalArchiveFailing", "critical", is_over=True)
    _wait(lambda: len(site.events) > 1)
    assert (site.events[-1]["event_action"], site.events[-1]["dedup_key"]) == ("resolve", event["dedup_key"])


@needs_alertmanager
def test_what_follows_from_something_known_calls_nobody(site: Site) -> None:
    site.alert("InstanceDown", "critical")
    _wait(lambda: bool(site.events))
    site.alert("BackupTooOld", "high")
    time.sleep(3)
    assert [event["payload"]["summary"] for event in site.events] == ["It is InstanceDown."]
