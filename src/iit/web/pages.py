"""Login, worklist and patient."""

from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from iit.api.dependencies import ServiceDep
from iit.api.limits import address_of, count_stranger
from iit.api.patients import Facility, Uuid
from iit.api.rules import PUBLIC
from iit.bootstrap import Service
from iit.domain.access import Action, Principal
from iit.domain.errors import Conflict, NotAuthenticated, NotFound, RateLimited, ServiceError
from iit.services.answers import told
from iit.services.logins import Origin
from iit.web.reference import router as reference
from iit.web.rules import COOKIE, OWN_FORM, SAME_SITE, LoginNeeded, PageRefused, own_path, sees
from iit.web.single_sign_on import START
from iit.web.single_sign_on import router as single_sign_on
from iit.web.templating import render
from iit.web.timeline import draw

router = APIRouter(include_in_schema=False)

_DEVICE: Final = "iit_device"
_DEVICE_SECONDS: Final = 365 * 24 * 3600


def add_pages(app: FastAPI) -> None:
    """Add the pages to the application."""
    app.include_router(router)
    app.include_router(reference)
    app.include_router(single_sign_on)
    app.mount("/static", StaticFiles(directory=Path(str(resources.files("iit.web"))) / "static"), name="static")
    app.add_exception_handler(LoginNeeded, _ask_to_log_in)
    app.add_exception_handler(PageRefused, _refuse)


async def _ask_to_log_in(request: Request, _error: Exception) -> Response:
    return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=303)


async def _refuse(request: Request, refusal: Exception) -> Response:
    return _page("refused.html", request, request.app.state.service, 403, user=None, reason=str(refusal))


def _page(name: str, request: Request, service: ServiceDep, status: int = 200, **values: Any) -> HTMLResponse:
    token = request.cookies.get(COOKIE)
    csrf = service.access.sessions.csrf_token(token) if token else ""
    return HTMLResponse(render(name, csrf=csrf, **values), status)


def _login(request: Request, service: ServiceDep, target: str, error: ServiceError | None) -> HTMLResponse:
    provider = None if service.access.single_sign_on is None else START
    failed, status = (None, 200) if error is None else (error.reason, error.status)
    return _page(
        "login.html", request, service, status, user=None, next_page=target, failed=failed, provider=provider
    )  # fmt: skip


@router.get("/login", dependencies=[PUBLIC])
def login_page(request: Request, service: ServiceDep, next_page: Annotated[str, Query(alias="next")] = "/") -> Response:
    """Ask for name and password."""
    return _login(request, service, own_path(next_page), None)


@router.post("/login", dependencies=[PUBLIC, SAME_SITE, Depends(count_stranger)])
def log_in(
    request: Request,
    service: ServiceDep,
    user_name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=1000)],
    next_page: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Open a session."""
    settings, target = service.settings, own_path(next_page)
    try:
        origin = Origin(address_of(request), request.cookies.get(_DEVICE))
        token = service.access.sessions.open(user_name, password, origin)
    except (NotAuthenticated, RateLimited) as error:
        wait = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, RateLimited) else None
        page = _login(request, service, target, error)
        page.headers.update(wait or {})
        return page
    service.access.sessions.close(request.cookies.get(COOKIE, ""))  # the browser forgets it: nobody else may have it
    answer = RedirectResponse(target, status_code=303)
    device = service.access.sessions.logins.device_token(user_name)
    secure = settings.secure_cookies or request.url.scheme == "https"
    for name, value, seconds in ((COOKIE, token, 3600 * settings.session_hours), (_DEVICE, device, _DEVICE_SECONDS)):
        answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/logout", dependencies=[PUBLIC, OWN_FORM])
def log_out(request: Request, service: ServiceDep) -> Response:
    """End the session, whatever the right to other things."""
    service.access.sessions.close(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/")
def worklist_page(
    request: Request,
    service: ServiceDep,
    user: Annotated[Principal, sees(Action.READ_WORKLIST)],
    facility: Facility = None,
    top: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Show the worklist of a facility: who is most likely to miss, why, and when they are expected."""
    facilities = service.patients.facilities(who=user)
    chosen = facility or max(facilities, key=lambda one: one[2], default=(None, None, 0))[0]
    rows = service.patients.worklist(facility=chosen, as_of=None, limit=top, who=user) if chosen else []
    return _page(
        "worklist.html", request, service, user=user.name, facilities=facilities, chosen=chosen, rows=rows, top=top
    )


@router.get("/patients/{patient_uuid}")
def patient_page(
    patient_uuid: Uuid,
    request: Request,
    service: ServiceDep,
    user: Annotated[Principal, sees(Action.READ_PATIENTS)],
    as_of: date | None = None,
) -> Response:
    """Show a patient: risk and reasons, and the timeline of pick-ups, supply and gaps."""
    try:
        patient = service.patients.get(patient_uuid, who=user)
    except NotFound:
        return _page("missing.html", request, service, 404, user=user.name)
    timeline = service.patients.timeline(patient_uuid, as_of=as_of, today=service.today(), who=user)
    prediction, note = _risk(service, patient_uuid, timeline.as_of, user)
    return _page(
        "patient.html", request, service, user=user.name, patient=patient, timeline=timeline,
        chart=draw(timeline), prediction=prediction, note=note,
    )  # fmt: skip


def _risk(service: Service, patient_uuid: str, as_of: date, user: Principal) -> tuple[Any, str | None]:
    """Return the risk of a day, or why there is none; those who may not ask for a new one see the last one told."""
    if not user.may(Action.PREDICT):
        rows = service.patients.predictions(patient_uuid, limit=1, who=user)
        return (told(rows[0]), None) if rows else (None, "nobody has asked for it yet")
    try:
        scored = service.predictor.score_patient(patient_uuid, as_of=as_of, explain=5, who=user)
    except Conflict as reason:
        return None, reason.reason
    return service.predictor.keep([scored], who=user)[0], None
