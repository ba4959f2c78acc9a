"""Login, worklist and patient."""

import hmac
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, StrictUndefined

from iit.api.dependencies import ServiceDep
from iit.domain.errors import Conflict, NotAllowed, NotAuthenticated, NotFound
from iit.services.access import Principal
from iit.web.timeline import draw

router = APIRouter(include_in_schema=False)

COOKIE: Final = "iit_session"

_templates = Environment(
    loader=PackageLoader("iit.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_templates.filters["percent"] = lambda share: f"{100 * share:.0f} %"
_templates.filters["day"] = lambda on: "" if on is None else f"{on.day} {on:%b %Y}"


class LoginNeeded(Exception):
    """Nobody is logged in: the page asks for it first."""


def add_pages(app: FastAPI) -> None:
    """Add the pages to the application."""
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=Path(str(resources.files("iit.web"))) / "static"), name="static")
    app.add_exception_handler(LoginNeeded, _ask_to_log_in)


async def _ask_to_log_in(request: Request, _error: Exception) -> Response:
    return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=303)


def current_user(request: Request, service: ServiceDep) -> Principal:
    """Return who is logged in.

    Raises:
        LoginNeeded: nobody is.
    """
    user = service.access.session(request.cookies.get(COOKIE))
    if user is None:
        raise LoginNeeded
    return user


UserDep = Annotated[Principal, Depends(current_user)]


def _page(name: str, request: Request, service: ServiceDep, status: int = 200, **values: Any) -> HTMLResponse:
    token = request.cookies.get(COOKIE)
    csrf = service.access.csrf_token(token) if token else ""
    return HTMLResponse(_templates.get_template(name).render(csrf=csrf, **values), status)


@router.get("/login")
def login_page(request: Request, service: ServiceDep, next_page: Annotated[str, Query(alias="next")] = "/") -> Response:
    """Ask for name and password."""
    return _page("login.html", request, service, user=None, next_page=_own_path(next_page), failed=False)


@router.post("/login")
def log_in(
    request: Request,
    service: ServiceDep,
    user_name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=1000)],
    next_page: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Open a session."""
    settings = service.settings
    target = _own_path(next_page)
    try:
        token = service.access.log_in(user_name, password, hours=settings.session_hours)
    except NotAuthenticated:
        return _page("login.html", request, service, 401, user=None, next_page=target, failed=True)
    answer = RedirectResponse(target, status_code=303)
    answer.set_cookie(
        COOKIE, token, max_age=3600 * settings.session_hours, httponly=True, samesite="strict",
        secure=settings.secure_cookies,
    )  # fmt: skip
    return answer


@router.post("/logout")
def log_out(
    request: Request, service: ServiceDep, user: UserDep, csrf: Annotated[str, Form(max_length=100)]
) -> Response:
    """End the session."""
    token = request.cookies[COOKIE]
    if not hmac.compare_digest(csrf, service.access.csrf_token(token)):
        raise NotAllowed("the form does not belong to this session")
    service.access.log_out(token, actor=user.name)
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/")
def worklist_page(
    request: Request,
    service: ServiceDep,
    user: UserDep,
    facility: Annotated[str | None, Query(max_length=64)] = None,
    top: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Show the worklist of a facility: who is most likely to miss, why, and when they are expected."""
    facilities = service.patients.facilities()
    chosen = facility or max(facilities, key=lambda one: one[2], default=(None, None, 0))[0]
    rows = service.patients.worklist(facility=chosen, as_of=None, limit=top, actor=user.name) if chosen else []
    return _page(
        "worklist.html", request, service, user=user.name, facilities=facilities, chosen=chosen, rows=rows, top=top
    )


@router.get("/patients/{patient_uuid}")
def patient_page(
    patient_uuid: str, request: Request, service: ServiceDep, user: UserDep, as_of: date | None = None
) -> Response:
    """Show a patient: risk and reasons, and the timeline of pick-ups, supply and gaps."""
    try:
        patient = service.patients.get(patient_uuid, actor=user.name)
    except NotFound:
        return _page("missing.html", request, service, 404, user=user.name)
    timeline = service.patients.timeline(patient_uuid, as_of=as_of, today=service.today(), actor=user.name)
    prediction, note = None, None
    try:
        scored = service.predictor.score_patient(patient_uuid, as_of=timeline.as_of, explain=5)
        prediction = service.predictor.keep([scored], actor=user.name)[0]
    except Conflict as reason:
        note = reason.reason
    return _page(
        "patient.html", request, service, user=user.name, patient=patient, timeline=timeline,
        chart=draw(timeline), prediction=prediction, note=note,
    )  # fmt: skip


def _own_path(path: str) -> str:
    """Return a path of this service; anything that could lead elsewhere becomes the first page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
