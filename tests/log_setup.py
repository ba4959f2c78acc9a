"""The service's logging for a time, and what was there before afterwards."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from iit.telemetry import configure_logging

_WITH_LEVELS = ("", "iit", "uvicorn", "alembic")


@contextmanager
def logged(file: Path, *, level: str) -> Iterator[Path]:
    """Write the log to a file at a level."""
    root = logging.getLogger()
    handlers, levels = root.handlers[:], {name: logging.getLogger(name).level for name in _WITH_LEVELS}
    configure_logging(level=level, file=file)
    try:
        yield file
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        for name, before in levels.items():
            logging.getLogger(name).setLevel(before)
        structlog.reset_defaults()
