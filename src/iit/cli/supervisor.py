"""The process above several workers: uvicorn's, which here hears a stop while a starting worker is waited for."""

import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess, Process

_STOPS: Final = (signal.SIGTERM, signal.SIGINT)


class _StopAsked(Exception):
    """A stop came while a worker was waited for."""


class Supervisor(Multiprocess):
    """Starts, watches and replaces workers.

    uvicorn's own waits for a worker's answer, up to `timeout_worker_healthcheck`, before it hears a signal.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[Any]) -> None:
        super().__init__(config, sockets)
        self._is_watching = False
        for stop in _STOPS:
            signal.signal(stop, self._hear)

    def keep_subprocess_alive(self) -> None:
        """Replace workers that ended or do not answer, unless a stop comes meanwhile."""
        self._is_watching = True
        try:
            super().keep_subprocess_alive()
        except _StopAsked:
            pass  # the loop reads the signal next
        finally:
            self._is_watching = False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.signal_queue.append(number)
        # Only out of the wait itself: a worker that is just being started or ended must not be lost sight of.
        if self._is_watching and any(one.f_code is Process._healthcheck.__code__ for one in _outwards(frame)):
            self._is_watching = False
            raise _StopAsked


def supervise(config: uvicorn.Config) -> None:
    """Serve with several workers until told to stop."""
    Supervisor(config, sockets=[config.bind_socket()]).run()


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
