"""Speaking to an OpenMRS over HTTP: with limits of time, patience with a busy site, and none with a refusal."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import stamina

from iit.breaker import Breaker
from iit.domain.errors import InvalidInput, NotAllowed, NotFound, ServiceError, Unavailable
from iit.ingest.openmrs.address import PLACE

_SITE: Final = "the site's OpenMRS"
_LONGEST_PAUSE_SECONDS: Final = 120.0
_TRIES: Final = 5
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class WebAddress:
    """Where an OpenMRS answers over HTTP. `repr` and `base` show neither user nor password."""

    base: str
    user: str = field(repr=False)
    password: str = field(repr=False)
    ca: str | None = None


def read_web_address(url: str) -> WebAddress:
    """Return the address that `https://user:password@host/openmrs` tells; `?ca=FILE` names who vouches for the server.

    Raises:
        InvalidInput: it is none, names no user, or would send the password in the clear to another machine.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise InvalidInput("is no URL", place=PLACE) from None
    options = dict(parse_qsl(parts.query))
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or not parts.username or set(options) - {"ca"}:
        raise InvalidInput("must be https://user:password@host/openmrs, with ?ca=FILE where needed", place=PLACE)
    if parts.scheme == "http" and host not in _LOCAL:
        raise InvalidInput("must be https: the password would be sent in the clear", place=PLACE)
    if "ca" in options and not Path(options["ca"]).is_file():
        raise InvalidInput("the file of ca is not there", place=PLACE)
    shown = f"[{host}]" if ":" in host else host
    base = f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"
    return WebAddress(base, unquote(parts.username), unquote(parts.password or ""), options.get("ca"))


class _Busy(Exception):
    """The site did not answer, or asked to come back later."""

    def __init__(self, reason: str, pause_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.pause_seconds = pause_seconds


@dataclass
class Rest:
    """Asks a site over HTTP.

    A question is asked up to five times where the site is away or busy, as late as its `Retry-After` asks. A request
    that changes something is never repeated here: who sends it must look first whether it has been done.

    Attributes:
        address: of the site.
        breaker: keeps a site that fails from being asked.
        limit_seconds: how long the site may be silent.
    """

    address: WebAddress
    breaker: Breaker = field(repr=False)
    limit_seconds: float = 30.0
    _client: Any = field(default=None, repr=False)

    def get(self, path: str, **asked: str | int) -> Any:
        """Return what the site answers to a question, decoded from JSON.

        Raises:
            Unavailable: it is away or busy. NotAllowed: it refuses us. NotFound: there is no such thing, or no more.
            InvalidInput: it does not understand us, or we it.
        """
        return _decoded(self._ask_patiently(path, asked))

    def post(self, path: str, body: dict[str, object]) -> Any:
        """Send a change, once, and return the answer. Raises as `get`; after Unavailable it may have been done."""
        try:
            return _decoded(self._ask("POST", path, json=body))
        except _Busy as busy:
            raise Unavailable(str(busy), place=_SITE) from None

    def present(self, zone: tzinfo) -> datetime:
        """Return the present time by the site's clock."""
        answer = self._ask_patiently("ws/rest/v1/session", {})
        try:
            return parsedate_to_datetime(answer.headers["Date"]).astimezone(zone)
        except (KeyError, ValueError):
            raise InvalidInput("does not tell the time", place=_SITE) from None

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _ask_patiently(self, path: str, asked: Mapping[str, str | int]) -> Any:
        tries = stamina.retry_context(on=_pause, attempts=_TRIES, timeout=600.0, wait_initial=1.0, wait_max=30.0)
        try:
            for attempt in tries:
                with attempt:
                    return self._ask("GET", path, params=asked)
        except _Busy as busy:
            raise Unavailable(str(busy), place=_SITE) from None
        raise AssertionError  # the last try returns or raises

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        httpx2 = importlib.import_module("httpx2")  # at first use: it takes longer to load than a small command to run
        if self._client is None:
            self._client = self._opened(httpx2)
        self.breaker.admit()
        try:
            answer = self._client.request(method, f"{self.address.base}/{path}", **what)
        except httpx2.TransportError:
            self.breaker.failed()
            raise _Busy("does not answer") from None
        except (httpx2.HTTPError, httpx2.InvalidURL):
            raise InvalidInput("cannot be asked", place=_SITE) from None
        if answer.status_code in _BUSY:
            self.breaker.failed()
            raise _Busy(f"answers with {answer.status_code}", _told_pause(answer.headers))
        self.breaker.succeeded()
        _refuse(answer.status_code)
        return answer

    def _opened(self, httpx2: Any) -> Any:
        verify = True if self.address.ca is None else httpx2.create_ssl_context(verify=self.address.ca)
        return httpx2.Client(
            auth=(self.address.user, self.address.password), timeout=self.limit_seconds, verify=verify,
            headers={"Accept": "application/json", "User-Agent": "iit-ml-service"}, trust_env=False,
        )  # fmt: skip


def _pause(error: Exception) -> bool | float:
    """Tell whether, and after how long, to ask again."""
    if not isinstance(error, _Busy):
        return False
    return True if error.pause_seconds is None else error.pause_seconds


def _told_pause(headers: Any) -> float | None:
    """Return the seconds after which the site wants to be asked again, at most two minutes."""
    told = headers.get("Retry-After", "").strip()
    if told.isdigit():
        return min(float(told), _LONGEST_PAUSE_SECONDS)
    try:
        pause = (parsedate_to_datetime(told) - parsedate_to_datetime(headers["Date"])).total_seconds()
    except (KeyError, ValueError, TypeError):
        return None
    return max(0.0, min(pause, _LONGEST_PAUSE_SECONDS))


def _refuse(status: int) -> None:
    kinds: dict[int, type[ServiceError]] = {401: NotAllowed, 403: NotAllowed, 404: NotFound, 410: NotFound}
    if status >= 300:
        raise kinds.get(status, InvalidInput)(f"answers with {status}", place=_SITE)


def _decoded(answer: Any) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise InvalidInput("does not answer with JSON", place=_SITE) from None
