"""What a sender is answered: OperationOutcomes, and the response to each entry of a bundle. They never hold a value."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from iit.domain.errors import Conflict, ServiceError
from iit.ingest.fhir.bundle import TRANSACTION

Json = dict[str, Any]

_CODES: Final = {
    "invalid_input": "invalid", "not_found": "not-found", "not_authenticated": "login", "invalid_key": "login",
    "invalid_token": "login", "token_expired": "expired", "not_allowed": "forbidden", "rate_limited": "throttled",
    "conflict": "conflict", "unavailable": "transient",
}  # fmt: skip
_EXPRESSION: Final = re.compile(r"[A-Z][A-Za-z]+(\.[\w\[\]]+)*")


class Issue(NamedTuple):
    """One thing to be said.

    Attributes:
        severity: `fatal`, `error`, `warning` or `information`.
        code: of FHIR's value set `issue-type`.
        text: one sentence.
        expression: where, as FHIRPath, or None.
    """

    severity: str
    code: str
    text: str
    expression: str | None = None

    def __repr__(self) -> str:
        return "Issue()"


class EntryResponse(NamedTuple):
    """What became of an entry.

    Attributes:
        status: HTTP status code.
        location: of the resource here, `Type/id`, or None.
        version: of it, or None.
        issues: what is to be said about it.
    """

    status: int
    location: str | None
    version: int | None
    issues: tuple[Issue, ...]

    def __repr__(self) -> str:
        return "EntryResponse()"


def issue_of(error: ServiceError, place: str | None = None) -> Issue:
    """Return what is to be said of an error."""
    where = error.place or place
    code = "required" if error.kind == "invalid_input" and "missing" in error.reason else _CODES.get(error.kind)
    is_path = where is not None and _EXPRESSION.fullmatch(where) is not None
    text = error.reason if is_path or where is None else f"{where}: {error.reason}"
    return Issue("error" if code else "fatal", code or "exception", text, where if is_path else None)


def status_of(error: ServiceError) -> int:
    """Return the HTTP status of an error; a version that is not the present one is 412 in FHIR."""
    is_version = isinstance(error, Conflict) and (error.place or "").endswith(".ifMatch")
    return HTTPStatus.PRECONDITION_FAILED if is_version else error.status


def outcome(issues: Iterable[Issue]) -> Json:
    """Return an OperationOutcome; one without issues says that all is well."""
    told = list(issues) or [Issue("information", "informational", "done")]
    return {"resourceType": "OperationOutcome", "issue": [_issue(one) for one in told]}


def bundle_response(kind: str, entries: Iterable[EntryResponse]) -> Json:
    """Return the response to a bundle of a type."""
    told = "transaction-response" if kind == TRANSACTION else "batch-response"
    return {"resourceType": "Bundle", "type": told, "entry": [{"response": _response(one)} for one in entries]}


def etag_of(version: int) -> str:
    """Return a version as it is written in a header."""
    return f'W/"{version}"'


def _response(entry: EntryResponse) -> Json:
    told: Json = {"status": f"{entry.status} {HTTPStatus(entry.status).phrase}"}
    if entry.location is not None:
        told["location"] = entry.location
    if entry.version is not None:
        told["etag"] = etag_of(entry.version)
    if entry.issues:
        told["outcome"] = outcome(entry.issues)
    return told


def _issue(issue: Issue) -> Json:
    told: Json = {"severity": issue.severity, "code": issue.code, "diagnostics": issue.text}
    if issue.expression is not None:
        told["expression"] = [issue.expression]
    return told
