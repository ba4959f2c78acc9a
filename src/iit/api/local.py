"""Rules for programs on this machine: cron must learn how the service is while the database, and every key, is away."""

import hmac
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security

from iit.api.addresses import is_from_here
from iit.api.limits import count_stranger
from iit.api.rules import May, Public, bearer_scheme, key_scheme
from iit.bootstrap import Service
from iit.bootstrap.health import LOCAL_PREFIX, local_token
from iit.domain.access import EVERYTHING, Action, Credential, Principal, Role
from iit.domain.errors import InvalidKey

LOCAL: Final = Principal(
    name="cli:local_token",
    role=Role.OPERATOR,
    scope=EVERYTHING,
    credential=Credential.LOCAL,
    narrowed=frozenset({Action.READ_HEALTH, Action.INSPECT}),
)
"""Who shows the token of the data folder: somebody who may read it, and may ask how the service is only."""


class MayHere(May):
    """Whoever has the right may, and a program on this machine that shows the token of the data folder."""

    async def __call__(
        self,
        request: Request,
        key: Annotated[str | None, Security(key_scheme)] = None,
        bearer: Annotated[str | None, Security(bearer_scheme)] = None,
    ) -> Principal:
        """Return who is asking.

        Raises:
            NotAuthenticated: no valid credential. NotAllowed: no right to the action.
        """
        if key is None or not key.startswith(LOCAL_PREFIX):
            return await super().__call__(request, key, bearer)
        service: Service = request.app.state.service
        token = local_token(service.settings)
        if token is None or not is_from_here(request.scope) or not hmac.compare_digest(token.encode(), key.encode()):
            await count_stranger(request)
            raise InvalidKey("the local token counts on this machine only, as it stands in its file", place="X-API-Key")
        return LOCAL


class MayHereUnasked(MayHere):
    """As `MayHere`, and a program on this machine that shows nothing: for what does no harm, such as the guide's cron.

    It must send JSON: a page in a browser cannot have one sent here without asking first, which this service refuses.
    """

    async def __call__(
        self,
        request: Request,
        key: Annotated[str | None, Security(key_scheme)] = None,
        bearer: Annotated[str | None, Security(bearer_scheme)] = None,
    ) -> Principal:
        """Return who is asking.

        Raises:
            NotAuthenticated: no valid credential. NotAllowed: no right to the action.
        """
        if key or bearer or not is_from_here(request.scope) or not _is_json(request):
            return await super().__call__(request, key, bearer)
        await count_stranger(request)
        return LOCAL


class AnybodyAndMore(Public):
    """Everybody may ask; who shows a right is told more."""

    def __init__(self, action: Action) -> None:
        self._may = MayHere(action)

    async def __call__(  # type: ignore[override]
        self,
        request: Request,
        key: Annotated[str | None, Security(key_scheme)] = None,
        bearer: Annotated[str | None, Security(bearer_scheme)] = None,
    ) -> Principal | None:
        """Return who is asking, None where nothing is shown.

        Raises:
            NotAuthenticated: what is shown is not valid. NotAllowed: it has no right to the action.
        """
        if not key and not bearer:
            await count_stranger(request)
            return None
        return await self._may(request, key, bearer)


def may_here(action: Action) -> Any:
    """Return the dependency that yields who is asking, if they may or show this machine's token."""
    return Depends(MayHere(action))


def may_here_unasked(action: Action) -> Any:
    """Return the dependency that yields who is asking, if they may or ask from this machine."""
    return Depends(MayHereUnasked(action))


def anybody_and_more(action: Action) -> Any:
    """Return the dependency that yields who is asking, or None for a stranger, who is told less."""
    return Depends(AnybodyAndMore(action))


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
