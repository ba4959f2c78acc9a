"""Logs as JSON lines and figures for Prometheus. No name, phone, value or free text of a patient goes through here."""

import logging
import logging.handlers
import sys
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram

_LATENCY_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)

http_requests_total = Counter("http_requests_total", "HTTP requests.", ("method", "handler", "status"))
http_request_duration_seconds = Histogram(
    "http_request_duration_seconds", "Time to answer, in seconds.", ("method", "handler"), buckets=_LATENCY_BUCKETS
)
http_requests_in_progress = Gauge("http_requests_in_progress", "Requests being answered.", multiprocess_mode="livesum")
predictions_total = Counter("iit_predictions_total", "Predictions given.", ("band", "source"))
prediction_stage_seconds = Histogram(
    "iit_prediction_stage_seconds",
    "Time of each stage of a prediction, in seconds.",
    ("stage",),
    buckets=(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0),
)

backup_age_seconds = Gauge(
    "iit_backup_age_seconds", "Age of the newest good backup.", ("kind",), multiprocess_mode="mostrecent"
)


def configure_logging(*, level: str, file: Path | None = None) -> None:
    """Send all logs as JSON lines to standard error and, where given, to a file that survives its rotation."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _upper_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
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
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _upper_level(
    _logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event["level"] = str(event.get("level", "")).upper()
    return event
