"""Asking the service that runs on this machine, with the token of its data folder."""

import importlib
from typing import Any, Final

from iit.bootstrap.health import local_token
from iit.config import Settings
from iit.domain.errors import Conflict, NotFound, Unavailable

_SECONDS: Final = 60.0


def asked_here(settings: Settings, path: str, *, port: int) -> dict[str, Any]:
    """Return what the service on a port of this machine answers.

    Raises:
        NotFound: there is no token that this user may read.
        Conflict: it says that it cannot, and why. Unavailable: it does not answer.
    """
    token = local_token(settings)
    if token is None:
        raise NotFound("the service makes it when it starts, readable for its own user only", place="local_token")
    httpx2 = importlib.import_module("httpx2")  # at first use: it takes longer to load than a small command to run
    try:
        answer = httpx2.get(f"http://127.0.0.1:{port}{path}", headers={"X-API-Key": token}, timeout=_SECONDS)
        told: dict[str, Any] = answer.json()
    except (httpx2.HTTPError, ValueError) as cause:
        raise Unavailable("the service does not answer", place=f"port {port}") from cause
    if answer.status_code == 200:
        return told
    if answer.status_code == 409:
        raise Conflict(str(told.get("detail")), place=f"port {port}")
    raise Unavailable(f"the service answers {answer.status_code}: {told.get('detail')}", place=f"port {port}")
