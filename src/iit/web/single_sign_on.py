"""Login through an identity provider: there, and back with an answer."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from iit.api.dependencies import ServiceDep
from iit.api.limits import address_of, count_stranger
from iit.api.rules import PUBLIC
from iit.bootstrap.oidc import CALLBACK
from iit.domain.errors import NotFound, ServiceError
from iit.services.single_sign_on import STEP, Returned, SingleSignOn
from iit.web.rules import COOKIE, own_path
from iit.web.templating import render

router = APIRouter(include_in_schema=False, dependencies=[PUBLIC, Depends(count_stranger)])

START: Final = "/login/oidc"
_KEPT: Final = "iit_oidc"


@router.get(START)
def begin(request: Request, service: ServiceDep, next_page: Annotated[str, Query(alias="next")] = "/") -> Response:
    """Send a browser to the provider."""
    try:
        begun = _single_sign_on(service).begin(own_path(next_page[:1000]))
    except ServiceError as error:
        return _failed(service, error)
    answer = RedirectResponse(begun.url, status_code=303)
    # Lax: the provider's redirect is another site's, and must bring it back.
    answer.set_cookie(
        _KEPT, begun.kept, max_age=int(STEP.total_seconds()), path=START, httponly=True, samesite="lax",
        secure=_is_secure(request, service),
    )  # fmt: skip
    return answer


@router.get(CALLBACK)
def finish(
    request: Request,
    service: ServiceDep,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4096)] = "",
    iss: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    """Open a session for whom the provider names, and go on to the page that was asked for."""
    kept = request.cookies.get(_KEPT, "")
    try:
        token, target = _single_sign_on(service).finish(Returned(kept, state, code, iss), address_of(request))
    except ServiceError as error:
        return _failed(service, error)
    # A page and no redirect: a browser that another site led here does not send strict cookies along a redirect.
    answer = HTMLResponse(render("continue.html", user=None, csrf="", target=own_path(target)))
    answer.set_cookie(
        COOKIE, token, max_age=3600 * service.settings.session_hours, httponly=True, samesite="strict",
        secure=_is_secure(request, service),
    )  # fmt: skip
    answer.delete_cookie(_KEPT, path=START)
    return answer


def _single_sign_on(service: ServiceDep) -> SingleSignOn:
    found = service.access.single_sign_on
    if found is None:
        raise NotFound("no identity provider is configured", place="login")
    return found


def _failed(service: ServiceDep, error: ServiceError) -> Response:
    page = HTMLResponse(
        render("login.html", user=None, csrf="", next_page="/", failed=error.reason, provider=START), error.status
    )
    page.delete_cookie(_KEPT, path=START)
    return page


def _is_secure(request: Request, service: ServiceDep) -> bool:
    return service.settings.secure_cookies or request.url.scheme == "https"
