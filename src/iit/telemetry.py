"""Logs as JSON lines and figures for Prometheus. No name, phone, value or free text of a patient goes through here."""

import atexit
import logging
import logging.handlers
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram

from iit.domain.errors import ServiceError
from iit.sampling import Sampling
from iit.traces import span

_VALUES: Final = structlog.stdlib.ExtraAdder()
_LATENCY_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)

http_requests_total = Counter("http_requests_total", "HTTP requests.", ("method", "handler", "status"))
http_request_duration_seconds = Histogram(
    "http_request_duration_seconds", "Time to answer, in seconds.", ("method", "handler"), buckets=_LATENCY_BUCKETS
)
http_requests_in_progress = Gauge("http_requests_in_progress", "Requests being answered.", multiprocess_mode="livesum")
predictions_total = Counter("iit_predictions_total", "Predictions given.", ("band", "source"))
model_load_failures_total = Counter(
    "iit_model_load_failures_total", "Models that did not load, by what they would have served as.", ("role",)
)
prediction_stage_seconds = Histogram(
    "iit_prediction_stage_seconds",
    "Time of each stage of a prediction, in seconds.",
    ("stage",),
    buckets=(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0),
)

messages_total = Counter("iit_messages_total", "Messages by type and what became of them.", ("type", "result"))
cds_requests_total = Counter(
    "iit_cds_requests_total", "Calls of CDS Hooks by service and result: card, none, late or failed.",
    ("service", "result"),
)  # fmt: skip
logins_total = Counter("iit_logins_total", "Logins with a password: `ok`, `wrong` or `too_many`.", ("result",))
cache_hits_total = Counter("iit_cache_hits_total", "Lookups answered from memory.", ("cache",))
cache_misses_total = Counter("iit_cache_misses_total", "Lookups that had to ask the database.", ("cache",))
db_pool_in_use = Gauge("iit_db_pool_in_use", "Database connections in use.", multiprocess_mode="livesum")
db_pool_limit = Gauge("iit_db_pool_limit", "Database connections that may be in use.", multiprocess_mode="livesum")
db_pool_timeouts_total = Counter("iit_db_pool_timeouts_total", "Requests that waited in vain for a connection.")
db_transaction_seconds = Histogram(
    "iit_db_transaction_seconds",
    "Time of a transaction with the wait for its connection, in seconds.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0),
)
requests_shed_total = Counter(
    "iit_requests_shed_total",
    "Requests that were turned away so that others are answered soon, by reason.",
    ("reason",),
)
circuit_breaker_state = Gauge(
    "iit_circuit_breaker_state",
    "How the breaker of a dependency stands: 0 closed, 1 half-open, 2 open.",
    ("dependency",),
    multiprocess_mode="livemax",
)
service_mode = Gauge(
    "iit_service_mode",
    "1 while the service is in a mode: read_only or maintenance.",
    ("mode",),
    multiprocess_mode="mostrecent",
)
spool_depth = Gauge("iit_spool_depth", "Entries that wait on disk for the database.", multiprocess_mode="mostrecent")
spool_bytes = Gauge("iit_spool_bytes", "Bytes of the spool on disk.", multiprocess_mode="mostrecent")
spool_set_aside = Gauge(
    "iit_spool_set_aside", "Entries that could not be stored and lie aside.", multiprocess_mode="mostrecent"
)
for _result in ("ok", "wrong", "too_many"):
    logins_total.labels(_result)
for _cache in ("facilities", "credentials"):
    cache_hits_total.labels(_cache)
    cache_misses_total.labels(_cache)


class stage:  # noqa: N801 - reads as what it is: `with stage("score"):`
    """Measures and traces a stage of a prediction: read, features, score, explain or keep."""

    __slots__ = ("_began", "_name", "_span")

    def __init__(self, name: str) -> None:
        self._name = name
        self._span = span(name)

    def __enter__(self) -> None:
        self._span.__enter__()
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        prediction_stage_seconds.labels(self._name).observe(time.perf_counter() - self._began)
        self._span.__exit__(kind, error, trace)


def configure_logging(*, level: str, file: Path | None = None) -> None:
    """Send all logs as JSON lines to standard error and, where given, to a file that survives its rotation.

    Of an event that repeats, each process writes a share a minute, and how many it held back: see `iit.sampling`.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _upper_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_without_words),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_own_values, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # WatchedFileHandler reopens the file when logrotate has moved it away.
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.handlers.WatchedFileHandler(file, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(formatter)
        sampling = Sampling(handler)
        handler.addFilter(sampling)
        atexit.register(sampling.tell_rest)
    root = logging.getLogger()
    root.handlers[:] = handlers
    # At INFO and DEBUG libraries tell what passes through them: rows, forms, statements. Only the server may, at INFO.
    root.setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("iit").setLevel(level)
    logging.getLogger("uvicorn").setLevel(max(logging.INFO, logging.getLevelName(level)))


def places_of(error: BaseException) -> str:
    """Return where an error came from, and its causes, without their words: a library's words quote what it was given.

    The words of this service's own errors are kept, which name place and reason only, and PostgreSQL's error codes.
    """
    told: list[str] = []
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        frames = "".join(traceback.format_list(traceback.extract_tb(one.__traceback__)))
        told.append(f"Traceback (most recent call last):\n{frames}{_named(one)}")
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return "\ncaused by\n".join(told)


def _named(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if isinstance(error, ServiceError):
        return f"{name}: {error}"
    state = getattr(error, "sqlstate", None)
    return f"{name} [{state}]" if state else name


def _without_words(exc_info: structlog.typing.ExcInfo) -> str:
    return places_of(exc_info[1])


def _own_values(
    logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Add the values that this service's own lines carry; a library's may be anybody's."""
    return _VALUES(logger, name, event) if event["_record"].name.startswith("iit.") else event


def _upper_level(
    _logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event["level"] = str(event.get("level", "")).upper()
    return event
