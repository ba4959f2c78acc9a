"""Errors as RFC 9457 problem documents. They name the place and the reason and never echo a value."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from iit.domain.errors import NotAuthenticated, RateLimited, ServiceError, Unavailable
from iit.ingest.fhir.capability import MEDIA_TYPE as FHIR_MEDIA_TYPE
from iit.ingest.fhir.responses import Issue, issue_of, outcome

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_CHALLENGES = dict.fromkeys(("token_expired", "invalid_token"), 'Bearer realm="iit", error="invalid_token"')

_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. Names the place and the reason, never a value.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:iit:problem:not_found"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["place", "reason"],
                "properties": {"place": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}
    for status in (400, 401, 403, 404, 409, 413, 422, 429, 503)
}
"""What every router documents besides its answers."""


_OUTCOME = {"type": "object", "title": "OperationOutcome", "required": ["resourceType", "issue"]}

OUTCOMES: dict[int | str, dict[str, Any]] = {
    status: {**told, "content": {**told["content"], FHIR_MEDIA_TYPE: {"schema": _OUTCOME}}}
    for status, told in PROBLEMS.items()
}
"""What routes of FHIR document besides their answers: what is refused before it is looked at is a problem document."""


def problem(
    status: int, kind: str, detail: str | None = None, *, errors: list[dict[str, str]] | None = None
) -> JSONResponse:
    """Return a problem document."""
    body: dict[str, object] = {
        "type": f"urn:iit:problem:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
    }
    if detail is not None:
        body["detail"] = detail
    if errors:
        body["errors"] = errors
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)


async def _service_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)  # noqa: S101 - what it was registered for
    errors = [{"place": error.place, "reason": error.reason}] if error.place else None
    if _is_fhir(request):
        answer = JSONResponse(outcome([issue_of(error)]), error.status, media_type=FHIR_MEDIA_TYPE)
    else:
        answer = problem(error.status, error.kind, error.reason, errors=errors)
    if isinstance(error, Unavailable | RateLimited):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, NotAuthenticated):
        answer.headers["WWW-Authenticate"] = _CHALLENGES.get(error.kind, 'ApiKey realm="iit", Bearer realm="iit"')
    return answer


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it was registered for
    errors = [
        {"place": ".".join(str(part) for part in one["loc"]), "reason": str(one["type"]).replace("_", " ")}
        for one in error.errors()
    ]
    if _is_fhir(request):
        issues = [Issue("error", "invalid", f"{one['place']}: {one['reason']}") for one in errors]
        return JSONResponse(outcome(issues), 422, media_type=FHIR_MEDIA_TYPE)
    return problem(422, "invalid_input", "the request is not as documented", errors=errors)


def _is_fhir(request: Request) -> bool:
    return request.url.path.startswith("/fhir")


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it was registered for
    answer = problem(error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "_"))
    answer.headers.update(error.headers or {})
    return answer


async def _bug(_request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", exc_info=error)
    return problem(500, "internal_error", "the service failed; its log tells more")
