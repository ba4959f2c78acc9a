"""What happens around every request: an id, figures, blocked addresses, a limit of size, headers for browsers."""

import logging
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from iit import traces
from iit.api.addresses import Networks, take_forwarded
from iit.api.limits import headers_of
from iit.api.problems import problem
from iit.deadline import Deadline, within
from iit.domain.audit import Origin, Purpose, acting_from
from iit.services.perimeter import Perimeter
from iit.telemetry import http_request_duration_seconds, http_requests_in_progress, http_requests_total

log = logging.getLogger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
}


class Surroundings:
    """ASGI middleware. Counts by route template, never by raw path, so that no id becomes a label."""

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        deadline_seconds: float,
        perimeter: Perimeter,
        *,
        slow_seconds: float,
        trusted_proxies: Networks = (),
    ) -> None:
        self._app = app
        self._deadline_seconds = deadline_seconds
        self._max_body_bytes = max_body_bytes
        self._perimeter = perimeter
        self._slow_seconds = slow_seconds
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        take_forwarded(scope, self._trusted_proxies)
        request_id = uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began = time.perf_counter()
        deadline = Deadline.after(self._deadline_seconds, time.monotonic)
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                deadline.lift()
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                standing = scope.get("state", {}).get("standing")
                if standing is not None:
                    headers.update(headers_of(standing))
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else "other"
        http_requests_in_progress.inc()
        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, send_with_headers)
            else:
                parent = _header(scope, b"traceparent")
                origin = _origin(scope, request_id)
                with acting_from(origin), within(deadline), traces.request(method, parent) as traced:
                    try:
                        await self._app(scope, self._limited(receive), send_with_headers)
                    finally:
                        traces.answered(traced, method, _handler(scope), status)
        finally:
            http_requests_in_progress.dec()
            self._tell(method, _handler(scope), status, time.perf_counter() - began)

    def _tell(self, method: str, handler: str, status: int, seconds: float) -> None:
        http_requests_total.labels(method, handler, str(status)).inc()
        http_request_duration_seconds.labels(method, handler).observe(seconds)
        if seconds > self._slow_seconds:
            told = {"method": method, "handler": handler, "status": status, "milliseconds": round(seconds * 1000)}
            log.warning("slow request", extra=told)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        """Return the answer to a request that is not even looked at."""
        client = scope.get("client")
        if client is not None and self._perimeter.is_blocked(client[0]):
            return problem(403, "not_allowed", "this address is blocked")
        if _declared_length(scope) > self._max_body_bytes:
            return problem(413, "too_large", "the body is larger than this service takes")
        return None

    def _limited(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        taken = 0

        async def receive_limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body_bytes:  # a body without or with a false length: stop reading
                return {"type": "http.disconnect"}
            return message

        return receive_limited


def _origin(scope: Scope, request_id: str) -> Origin:
    """Return from where and why: the header `X-Purpose` counts only if it is one of the list."""
    client = scope.get("client")
    said = _header(scope, b"x-purpose").decode("latin-1").lower()
    purpose = Purpose(said) if said in set(Purpose) else Purpose.UNSTATED
    return Origin(client[0] if client else "", request_id, purpose)


def _handler(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "unmatched"))


def _declared_length(scope: Scope) -> int:
    value = _header(scope, b"content-length")
    return int(value) if value.isdigit() else 0


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")
