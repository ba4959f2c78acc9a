"""Who may see a page: whoever is logged in and has the right to what it shows; and whose forms are taken."""

import hmac
from typing import Annotated, Any, Final

from fastapi import Depends, Form, Request

from iit.api.limits import count_principal
from iit.api.rules import Rule, admit
from iit.bootstrap import Service
from iit.domain.access import Action, Credential, Principal
from iit.domain.errors import NotAllowed, NotAuthenticated
from iit.services.access import Shown

COOKIE: Final = "iit_session"


class LoginNeeded(Exception):
    """Nobody is logged in: the page asks for it first."""


class PageRefused(Exception):
    """Whoever is logged in has no right to the page."""


class Sees(Rule):
    """Whoever is logged in and has the right to an action."""

    def __init__(self, action: Action) -> None:
        self.action: Action = action

    async def __call__(self, request: Request) -> Principal:
        """Return who is logged in.

        Raises:
            LoginNeeded: nobody is. PageRefused: they have no right to the page.
        """
        token = request.cookies.get(COOKIE)
        if not token:
            raise LoginNeeded
        try:
            who = await admit(request.app.state.service.access, Shown(Credential.SESSION, token), self.action)
        except NotAuthenticated:
            raise LoginNeeded from None
        except NotAllowed as refusal:
            raise PageRefused(refusal.reason) from None
        await count_principal(request, who)
        return who


def sees(action: Action) -> Any:
    """Return the dependency that yields who is logged in, if they may see the page."""
    return Depends(Sees(action))


def same_site(request: Request) -> None:
    """Refuse a form that another site had a browser send.

    Raises:
        NotAllowed: the browser says that it comes from elsewhere.
    """
    told = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    own = origin is None or origin.partition("://")[2] == request.headers.get("host")
    if told not in ("same-origin", "none") or not own:
        raise NotAllowed("the form comes from another site", place="form")


def own_form(request: Request, csrf: Annotated[str, Form(max_length=100)]) -> None:
    """Refuse a form that does not carry the token of this session.

    Raises:
        NotAllowed: it belongs to another session or none.
    """
    same_site(request)
    service: Service = request.app.state.service
    expected = service.access.sessions.csrf_token(request.cookies.get(COOKIE, ""))
    if not hmac.compare_digest(csrf.encode(), expected.encode()):
        raise NotAllowed("the form does not belong to this session", place="form")


def own_path(path: str) -> str:
    """Return a path of this service; anything that could lead elsewhere becomes the first page.

    Browsers drop tabs and line ends and take a backslash for a slash: what has one may mean another server.
    """
    plain = path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"


OWN_FORM: Final = Depends(own_form)
SAME_SITE: Final = Depends(same_site)
