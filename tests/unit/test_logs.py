"""Each line of the log is one JSON object that says when and of which request, whatever was to be written."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog

from iit.telemetry import configure_logging


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(level="INFO", file=tmp_path / "app.log")
    yield tmp_path / "app.log"
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_breaks_lines_makes_no_line_of_its_own(log_file: Path) -> None:
    forged = 'x\n{"event": "login", "level": "info"}\r\n\x1b[31m\u2028y'
    logging.getLogger("iit.test").info("came", extra={"said": forged})
    logging.getLogger("iit.test").info(forged)
    assert len(lines(log_file)) == 2
    assert "\x1b" not in log_file.read_text()


def test_a_line_tells_the_moment_in_utc_the_level_and_the_request(log_file: Path) -> None:
    structlog.contextvars.bind_contextvars(request_id="r1")
    logging.getLogger("iit.test").warning("came")
    (line,) = lines(log_file)
    moment = datetime.fromisoformat(next(value for name, value in line.items() if "time" in name))
    assert moment.utcoffset() == timedelta(0)
    assert line["request_id"] == "r1"
    assert line["level"].lower() == "warning"
