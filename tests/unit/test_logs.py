"""Each line of the log is one JSON object that says when and of which request, whatever was to be written."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.log_setup import logged

from iit.sampling import Sampling


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    with logged(tmp_path / "app.log", level="INFO") as file:
        yield file
    structlog.contextvars.clear_contextvars()


def lines(path: Path) -> list[dict[str, Any]]:
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


def test_a_line_carries_the_values_of_ours_and_none_of_a_librarys(log_file: Path) -> None:
    logging.getLogger("iit.test").warning("came", extra={"place": "spool"})
    logging.getLogger("library").warning("came", extra={"place": "row"})
    ours, theirs = lines(log_file)
    assert ours["place"] == "spool"
    assert "place" not in theirs


# Lines that repeat.


class Kept(logging.Handler):
    """Keeps what a handler with sampling would write."""

    def __init__(self) -> None:
        super().__init__()
        self.sampling = Sampling(self)
        self.addFilter(self.sampling)
        self.written: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(record)

    def take(self, event: str, *, at: float, level: int = logging.WARNING, logger: str = "iit.test") -> None:
        record = logging.makeLogRecord({"name": logger, "msg": event, "levelno": level})
        record.created = at
        self.handle(record)

    def events(self) -> Counter[str]:
        return Counter(record.msg for record in self.written)

    def held_back(self) -> list[tuple[str, int]]:
        return [(vars(one)["of_event"], vars(one)["held_back"]) for one in self.written if one.msg == "lines held back"]


@pytest.mark.parametrize(
    ("lines_of_it", "written", "held"),
    [(20, 20, []), (21, 20, [("often", 1)]), (50, 20, [("often", 30)])],
)
def test_beyond_its_share_of_a_minute_an_event_is_counted(
    lines_of_it: int, written: int, held: list[tuple[str, int]]
) -> None:
    kept = Kept()
    for n in range(lines_of_it):
        kept.take("often", at=1000 + n)
    kept.take("rare", at=1059.9)
    assert kept.events() == {"often": written, "rare": 1}
    kept.take("next", at=1060)
    assert kept.held_back() == held
    assert kept.written[-1].msg == "next"
    kept.take("often", at=1061)
    assert kept.events()["often"] == written + 1


def test_errors_and_debugging_are_never_held_back_and_loggers_count_apart() -> None:
    kept = Kept()
    for _ in range(30):
        kept.take("failed", at=1000, level=logging.ERROR)
        kept.take("looked", at=1000, level=logging.DEBUG)
        kept.take("came", at=1000, logger="iit.one")
        kept.take("came", at=1000, logger="iit.other")
    assert kept.events() == {"failed": 30, "looked": 30, "came": 40}


def test_a_clock_set_back_and_the_end_of_the_process_lose_no_count() -> None:
    kept = Kept()
    for at in (1000.0, 500.0):
        for _ in range(25):
            kept.take("often", at=at)
    assert kept.held_back() == [("often", 5)]
    kept.sampling.tell_rest()
    kept.sampling.tell_rest()
    assert kept.held_back() == [("often", 5)] * 2


def test_the_line_of_those_held_back_says_which_and_belongs_to_no_request(log_file: Path) -> None:
    structlog.contextvars.bind_contextvars(request_id="r1")
    for n in range(23):
        logging.getLogger("iit.test").info("came %s", n)
    for handler in logging.getLogger().handlers:
        for one in handler.filters:
            assert isinstance(one, Sampling)
            one.tell_rest()
    *_, told = lines(log_file)
    assert (told["event"], told["of_logger"], told["of_event"]) == ("lines held back", "iit.test", "came %s")
    assert told["held_back"] == 3
    assert "request_id" not in told
