"""Traces for an OpenTelemetry collector. Off unless started: then nothing is imported and a span costs a comparison.

Names and attributes come from the program (routes, stages, kinds); nothing that a request or a record holds goes in.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from iit.extras import extra_module

_NOTHING: Final[AbstractContextManager[None]] = nullcontext()
_PARENT: Final = "traceparent"  # W3C Trace Context
_tracer: Any = None


def start(export_to: str | Any, *, version: str, parent: str = "") -> Callable[[], None]:
    """Begin to trace; return what sends the rest and ends it.

    Args:
        export_to: address of a collector's OTLP over HTTP, without `/v1/traces`; or an exporter.
        version: of the service.
        parent: the W3C `traceparent` of what started this process.

    Raises:
        Unavailable: the extra `tracing` is not installed.
    """
    global _tracer
    sdk = extra_module("opentelemetry.sdk.trace", extra="tracing")
    batches = extra_module("opentelemetry.sdk.trace.export", extra="tracing")
    resources = extra_module("opentelemetry.sdk.resources", extra="tracing")
    if isinstance(export_to, str):
        otlp = extra_module("opentelemetry.exporter.otlp.proto.http.trace_exporter", extra="tracing")
        export_to = otlp.OTLPSpanExporter(endpoint=f"{export_to.rstrip('/')}/v1/traces")
    named = resources.Resource.create({"service.name": "iit-ml-service", "service.version": version})
    provider = sdk.TracerProvider(resource=named, shutdown_on_exit=False)
    provider.add_span_processor(batches.BatchSpanProcessor(export_to))
    _tracer = provider.get_tracer("iit")
    if parent:
        extra_module("opentelemetry.context", extra="tracing").attach(_carried_in(parent))

    def stop() -> None:
        global _tracer
        _tracer = None
        provider.shutdown()

    return stop


def span(name: str, **attributes: str) -> AbstractContextManager[Any]:
    """Return a span below the current one; an error marks it by its kind, without its words."""
    if _tracer is None:
        return _NOTHING
    return _Span(_tracer.start_as_current_span, name, attributes)


def request(method: str, parent: bytes) -> AbstractContextManager[Any]:
    """Return the span of a request, below the sender's where `parent`, the header `traceparent`, names one."""
    if _tracer is None:
        return _NOTHING
    api = extra_module("opentelemetry.trace", extra="tracing")
    return _Span(
        _tracer.start_as_current_span, method, {"http.request.method": method},
        context=_carried_in(parent.decode("latin-1")), kind=api.SpanKind.SERVER,
    )  # fmt: skip


def answered(told: Any, method: str, handler: str, status: int) -> None:
    """Name a request's span by its route, once that is known."""
    if told is None:
        return
    told.update_name(f"{method} {handler}")
    told.set_attribute("http.route", handler)
    told.set_attribute("http.response.status_code", status)


def carried() -> Mapping[str, str]:
    """Return the `traceparent` of the current span, for what goes on elsewhere; nothing while off."""
    if _tracer is None:
        return {}
    carrier: dict[str, str] = {}
    _w3c().inject(carrier)
    return carrier


class _Span:
    def __init__(self, opened: Any, name: str, attributes: Mapping[str, str], **more: Any) -> None:
        self._opened = opened(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False, **more
        )
        self._span: Any = None

    def __enter__(self) -> Any:
        self._span = self._opened.__enter__()
        return self._span

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:
            self._span.set_attribute("error.type", kind.__name__)
        self._opened.__exit__(kind, error, trace)


def _carried_in(parent: str) -> Any:
    return _w3c().extract({_PARENT: parent}) if parent else None


def _w3c() -> Any:
    return extra_module("opentelemetry.trace.propagation.tracecontext", extra="tracing").TraceContextTextMapPropagator()
