"""Calling people, against a PagerDuty of our own that accepts, refuses, fails and is away."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from iit.domain.errors import InvalidInput, Unavailable
from iit.ops.alerts import Pager


class FakePagerDuty(ThreadingHTTPServer):
    """Answers with the statuses given, then 202; refuses what the real one would."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.events: list[dict[str, object]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v2/enqueue"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, FakePagerDuty)
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_right = self.headers["Content-Type"] == "application/json" and {
            "routing_key", "event_action", "payload",
        } <= set(event)  # fmt: skip
        status = self.server.statuses.pop(0) if self.server.statuses else 202 if is_right else 400
        if status == 202:
            self.server.events.append(event)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def pagerduty() -> Iterator[FakePagerDuty]:
    with FakePagerDuty() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def a_pager(url: str, spool: Path, waits: list[float] | None = None) -> Pager:
    return Pager(routing_key="CANARY-KEY", url=url, spool=spool, sleep=(waits if waits is not None else []).append)


def test_a_page_is_an_event_with_all_that_pagerduty_asks_for(pagerduty: FakePagerDuty, tmp_path: Path) -> None:
    key = a_pager(pagerduty.url, tmp_path).page("the disk is full", severity="critical")
    (event,) = pagerduty.events
    assert event["event_action"] == "trigger"
    assert event["dedup_key"] == key
    payload = event["payload"]
    assert isinstance(payload, dict)
    assert {payload["summary"], payload["severity"], payload["component"]} == {
        "the disk is full", "critical", "iit-ml-service",
    }  # fmt: skip


def test_the_same_trouble_is_one_incident(pagerduty: FakePagerDuty, tmp_path: Path) -> None:
    pager = a_pager(pagerduty.url, tmp_path)
    assert pager.page("x", severity="error") == pager.page("x", severity="error") != pager.page("y", severity="error")


@pytest.mark.parametrize("statuses", [[500], [429, 503]])
def test_passing_trouble_is_waited_out(pagerduty: FakePagerDuty, tmp_path: Path, statuses: list[int]) -> None:
    pagerduty.statuses = list(statuses)
    waits: list[float] = []
    a_pager(pagerduty.url, tmp_path, waits).page("x", severity="info")
    assert waits == [2.0, 4.0][: len(statuses)]
    assert len(pagerduty.events) == 1


def test_a_refused_event_is_not_tried_again(pagerduty: FakePagerDuty, tmp_path: Path) -> None:
    pagerduty.statuses = [400]
    with pytest.raises(InvalidInput, match="refuses the event with status 400"):
        a_pager(pagerduty.url, tmp_path).page("x", severity="info")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_sent_is_kept_once_and_sent_later(pagerduty: FakePagerDuty, tmp_path: Path) -> None:
    away = a_pager("http://127.0.0.1:9/v2/enqueue", tmp_path / "spool")
    for _ in range(2):
        with pytest.raises(Unavailable, match="kept"):
            away.page("x", severity="critical")
    (kept,) = (tmp_path / "spool").iterdir()
    assert "CANARY" not in kept.read_text()
    back = a_pager(pagerduty.url, tmp_path / "spool")
    assert back.flush() == 1
    assert back.flush() == 0
    assert len(pagerduty.events) == 1
    assert "CANARY" not in repr(back)


def test_while_it_stays_away_all_is_kept(tmp_path: Path) -> None:
    away = a_pager("http://127.0.0.1:9/v2/enqueue", tmp_path)
    with pytest.raises(Unavailable):
        away.page("x", severity="critical")
    with pytest.raises(Unavailable):
        away.flush()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", ""])
def test_only_http_is_spoken(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidInput, match="IIT_PAGERDUTY_URL"):
        a_pager(url, tmp_path).page("x", severity="info")


def test_an_unknown_severity_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="severity"):
        a_pager("http://x", tmp_path).page("x", severity="warn")
