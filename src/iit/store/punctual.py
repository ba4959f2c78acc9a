"""Connections on which nothing is waited for beyond the deadline of a request, even where the server is frozen.

The server's own limits end a slow statement and a lock. A server that is stopped, swapped out or cut off ends nothing.
"""

from math import isinf
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine, event

from iit.deadline import current_deadline

T = TypeVar("T")

_SHARE: Final = 0.75  # of the time that is left: more than a statement gets of the server, less than an answer needs
_LEAST_SECONDS: Final = 0.05


class PunctualConnection(psycopg.Connection[Any]):
    """A connection that is given up when the present request has no more time for it."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server as its base does, within the deadline.

        Raises:
            psycopg.OperationalError: the server did not answer in time; the connection is closed.
        """
        ours = _patience_seconds() if timeout is None else None
        if ours is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, ours)
        except psycopg.errors._WaitTimeout as cause:
            self.pgconn.finish()  # whether the statement was done is not known: nothing more can be said on it
            raise psycopg.OperationalError("no answer within the deadline") from cause


def keep_to_deadlines(engine: Engine) -> None:
    """Let an engine open such connections."""

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, places: Any, names: Any) -> PunctualConnection:
        return PunctualConnection.connect(*places, **names)


def _patience_seconds() -> float | None:
    deadline = current_deadline()
    if deadline is None or isinf(left := deadline.left_seconds()):
        return None
    return max(left * _SHARE, _LEAST_SECONDS)
