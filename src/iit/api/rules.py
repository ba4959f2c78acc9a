"""Every route says who may use it: `who: Annotated[Principal, may(Action.READ_PATIENTS)]`, or `dependencies=[PUBLIC]`.

An application with a route that says neither does not start.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer
from starlette.concurrency import run_in_threadpool

from iit.api.limits import count_principal, count_stranger
from iit.domain.access import Action, Credential, Principal
from iit.domain.errors import NotAuthenticated
from iit.services.access import Access, Shown

key_scheme = APIKeyHeader(name="X-API-Key", auto_error=False)
bearer_scheme = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token", refreshUrl="/api/v1/auth/refresh", auto_error=False)

PUBLIC_PATHS: Final = frozenset({"/openapi.json", "/static"})
"""What the framework serves by itself: the description of the API and the pages' style sheet."""


class Rule:
    """A dependency that says who may use a route.

    Attributes:
        action: what the route does; None means that everybody may.
    """

    action: Action | None = None


class Public(Rule):
    """Everybody may."""

    def __call__(self) -> None:
        """Let everybody in."""


PUBLIC: Final = Depends(Public())


class May(Rule):
    """Whoever has the right to an action may, shown by an API key or an access token."""

    def __init__(self, action: Action) -> None:
        self.action: Action = action

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
        try:
            who = await admit(request.app.state.service.access, _shown(key, bearer), self.action)
        except NotAuthenticated:
            await count_stranger(request)
            raise
        await count_principal(request, who)
        return who


def may(action: Action) -> Any:
    """Return the dependency that yields who is asking, if they may."""
    return Depends(May(action))


async def admit(access: Access, shown: Shown, action: Action) -> Principal:
    """Return whose a credential is, if they may: without a thread or the database if all is known.

    Raises:
        NotAuthenticated: nobody's. NotAllowed: no right to the action.
    """
    who = access.known(shown)
    if who is None:
        who = await run_in_threadpool(access.authenticate, shown)
    if not access.allows(who, action):
        await run_in_threadpool(access.refuse, who, action)
    return who


def _shown(key: str | None, bearer: str | None) -> Shown:
    if key:
        return Shown(Credential.API_KEY, key)
    if not bearer:
        raise NotAuthenticated("send an API key in X-API-Key or a token in Authorization: Bearer", place="X-API-Key")
    return Shown(Credential.API_KEY if bearer.startswith("iit_") else Credential.TOKEN, bearer)


def rules(app: FastAPI) -> Iterator[tuple[str, frozenset[str], Rule | None]]:
    """Yield path, methods and rule of every route; None where there is not exactly one."""
    for route in iter_route_contexts(app.routes):
        path = getattr(route, "path", "?")
        methods = frozenset(getattr(route, "methods", None) or ())
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            yield path, methods, Public() if path in PUBLIC_PATHS else None
            continue
        found = list(_rules_in(dependant))
        yield path, methods, found[0] if len(found) == 1 else None


def check_rules(app: FastAPI) -> None:
    """Refuse an application with a route that does not say who may use it.

    Raises:
        RuntimeError: names all such routes.
    """
    bare = [path for path, _, rule in rules(app) if rule is None]
    if bare:
        raise RuntimeError(f"these routes do not say who may use them (iit.api.rules): {', '.join(bare)}")


def _rules_in(dependant: Dependant) -> Iterator[Rule]:
    if isinstance(dependant.call, Rule):
        yield dependant.call
    for one in dependant.dependencies:
        yield from _rules_in(one)
