"""Keeps a line of the log that repeats from burying the others: the rest of its minute is counted instead."""

import logging
from collections import Counter
from contextvars import Context
from threading import Lock
from typing import Final

MOST_A_MINUTE: Final = 20
_MINUTE: Final = 60.0


class Sampling(logging.Filter):
    """Holds back what an event says beyond its share of a minute at one handler, and tells how often that was.

    An event is a logger and its message without values. The first line after the minute brings the number of those
    held back. Errors, and what is asked for by DEBUG, are never held back. Time is what the records carry.
    """

    def __init__(self, handler: logging.Handler, *, most: int = MOST_A_MINUTE) -> None:
        super().__init__()
        self._handler = handler
        self._most = most
        self._lock = Lock()
        self._began = 0.0
        self._seen: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written."""
        if record.name == __name__:
            return True
        with self._lock:
            ended = self._turned(record.created)
            event = (record.name, str(record.msg))
            is_counted = logging.INFO <= record.levelno < logging.ERROR
            if is_counted:
                self._seen[event] += 1
            is_written = not is_counted or self._seen[event] <= self._most
        self._tell(ended)
        return is_written

    def tell_rest(self) -> None:
        """Tell what was held back in a minute that no further line ends: the process does."""
        with self._lock:
            ended, self._seen = self._seen, Counter()
        self._tell(ended)

    def _turned(self, moment: float) -> Counter[tuple[str, str]]:
        """Return what a minute saw that is over; a clock that was set back ends it, too."""
        if 0 <= moment - self._began < _MINUTE:
            return Counter()
        ended, self._seen, self._began = self._seen, Counter(), moment
        return ended

    def _tell(self, ended: Counter[tuple[str, str]]) -> None:
        for (name, event), times in ended.items():
            if times > self._most:
                told = logging.makeLogRecord({
                    "name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": "lines held back",
                    "of_logger": name, "of_event": event, "held_back": times - self._most,
                })  # fmt: skip
                Context().run(self._handler.handle, told)  # of no request
