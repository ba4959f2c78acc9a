"""Takes in as many requests as can be answered soon, and tells the others at once to come again.

A worker has a number of places. Who finds none waits for one, but not for long: beyond that the wait would only grow,
and with it that of everyone behind. So the time to answer is bounded by the wait and the work, whatever comes in.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from iit.api.problems import problem
from iit.store.modes import ModesRow
from iit.telemetry import requests_shed_total

_ALWAYS: Final = ("/health", "/metrics")
_WAITING_PER_PLACE: Final = 8  # a longer queue could not be served within any wait worth having


class Admission:
    """ASGI middleware. Health and figures are always answered; a request takes a place once its body is whole.

    Attributes:
        in_flight: requests being answered.
        waiting: requests that wait for a place.
    """

    def __init__(
        self, app: ASGIApp, *, standing: Callable[[], ModesRow], places: int, wait_seconds: float, body_seconds: float
    ) -> None:
        self._app = app
        self._standing = standing
        self._places = places
        self._wait_seconds = wait_seconds
        self._body_seconds = body_seconds
        self._room = anyio.Semaphore(places)
        self.waiting = 0

    @property
    def in_flight(self) -> int:
        """Requests being answered."""
        return self._places - self._room.value

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on when there is room."""
        if scope["type"] != "http" or scope["path"].startswith(_ALWAYS):
            await self._app(scope, receive, send)
            return
        if (message := self._standing().maintenance) is not None:
            await _shut(message)(scope, receive, send)
            return
        if _has_body(scope):
            with anyio.move_on_after(self._body_seconds) as patience:
                receive = await _whole(receive)
            if patience.cancelled_caught:
                await _refuse(scope, receive, send, "slow", 408)
                return
        if not await self._has_room():
            await _refuse(scope, receive, send, "overload", 503)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._room.release()

    async def _has_room(self) -> bool:
        """Take a place, if one becomes free soon enough."""
        with suppress(anyio.WouldBlock):
            self._room.acquire_nowait()
            return True
        if self.waiting >= self._places * _WAITING_PER_PLACE:
            return False
        self.waiting += 1
        try:
            with anyio.move_on_after(self._wait_seconds) as patience:
                await self._room.acquire()
        finally:
            self.waiting -= 1
        return not patience.cancelled_caught


def _has_body(scope: Scope) -> bool:
    names = {name: value for name, value in scope["headers"] if name in (b"content-length", b"transfer-encoding")}
    return b"transfer-encoding" in names or names.get(b"content-length", b"0") != b"0"


async def _whole(receive: Receive) -> Receive:
    """Return what gives the whole body at once."""
    parts: list[bytes] = []
    message = await receive()
    while message["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            message = {"type": "http.request", "body": b"".join(parts), "more_body": False}
            break
        message = await receive()
    first: list[Message] = [message]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay


def _shut(message: str) -> ASGIApp:
    answer = problem(503, "maintenance", message)
    answer.headers["Retry-After"] = "60"
    return answer


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str, status: int) -> None:
    requests_shed_total.labels(reason).inc()
    if status == 503:
        answer = problem(503, "busy", "too many requests at once: come again")
        answer.headers["Retry-After"] = "1"
    else:
        answer = problem(408, "too_slow", "the body did not come in time")
        answer.headers["Connection"] = "close"
    await answer(scope, receive, send)
