"""Traces tell where the time of a request goes, across processes, and nothing of patients; off, they cost nothing."""

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from fastapi.testclient import TestClient

from iit import traces
from iit.bootstrap.tracing import carried_on, tracing
from iit.config import Settings
from tests.journeys.conftest import Running

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

TRACE, SENDER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SENDER}-01"


@pytest.fixture
def told() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    stop = traces.start(exporter, version="test")
    yield exporter
    stop()


def _after(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    traces._tracer.span_processor.force_flush()  # what a batch still holds
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_prediction_is_traced_below_its_sender(api: TestClient, running: Running, told: InMemorySpanExporter) -> None:
    with running.service.database.transaction() as tx:
        uuid = tx.exec_driver_sql("SELECT patient_uuid FROM patients WHERE risk_as_of IS NOT NULL LIMIT 1").scalar_one()
    answer = api.post("/api/v1/predictions", json={"patient_uuid": uuid}, headers={"traceparent": PARENT})
    assert answer.status_code == 200
    spans = _after(told)
    whole = spans["POST /api/v1/predictions"]
    assert f"{whole.context.trace_id:032x}" == TRACE
    assert whole.parent is not None
    assert f"{whole.parent.span_id:016x}" == SENDER
    for stage in ("read", "features", "score", "explain", "keep"):
        assert spans[stage].context.trace_id == whole.context.trace_id, stage
    assert spans["transaction"].parent is not None
    written = " ".join(span.to_json() for span in told.get_finished_spans())
    assert uuid not in written
    assert answer.json()["facility"] not in written


def test_an_error_is_told_by_its_kind_only(told: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="a value"), traces.span("job", kind="train"):
        raise ValueError("a value of somebody")
    span = _after(told)["job"]
    assert dict(span.attributes or {}) == {"kind": "train", "error.type": "ValueError"}
    assert "somebody" not in span.to_json()


def test_a_process_goes_on_with_the_trace_of_who_started_it(told: InMemorySpanExporter) -> None:
    with traces.request("POST", PARENT.encode()):
        assert TRACE in carried_on()["TRACEPARENT"]
    assert carried_on() == {}


def test_a_collector_gets_the_spans() -> None:
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.path.encode() + self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    Thread(target=server.serve_forever, daemon=True).start()
    with tracing(Settings(otel_endpoint=f"http://127.0.0.1:{server.server_address[1]}")), traces.span("score"):
        pass
    server.shutdown()
    server.server_close()
    assert len(bodies) == 1
    assert bodies[0].startswith(b"/v1/traces")


def test_off_nothing_is_imported_and_spans_are_one_and_the_same() -> None:
    assert traces.span("score") is traces.span("keep") is traces.request("GET", b"")
    heavy = ("opentelemetry.sdk.trace", "opentelemetry.exporter")
    code = f"import iit.asgi, sys; sys.exit(any(name.startswith({heavy}) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
