"""`/fhir`: FHIR R4 over HTTP."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from iit import __version__
from iit.api.dependencies import ServiceDep
from iit.api.rules import PUBLIC, may
from iit.domain.access import Action, Principal
from iit.ingest.fhir.capability import MEDIA_TYPE, capability_statement
from iit.ingest.fhir.resources import Request as Wish
from iit.services.fhir import Reply

router = APIRouter(prefix="/fhir", tags=["fhir"])


class Kind(StrEnum):
    """Resources that are taken in, for the description of the routes; a test holds it to those that are mapped."""

    APPOINTMENT = "Appointment"
    ENCOUNTER = "Encounter"
    EPISODE_OF_CARE = "EpisodeOfCare"
    MEDICATION_DISPENSE = "MedicationDispense"
    OBSERVATION = "Observation"
    PATIENT = "Patient"


Sender = Annotated[Principal, may(Action.EXCHANGE_MESSAGES)]

_RESOURCE: dict[str, Any] = {
    "type": "object",
    "required": ["resourceType"],
    "properties": {"resourceType": {"type": "string"}},
}
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": {**_RESOURCE, "title": "A resource"}}}}
}


def resource_answers(*statuses: int, what: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of answers that hold a resource."""
    told = {"description": what, "content": {MEDIA_TYPE: {"schema": _RESOURCE}}}
    return dict.fromkeys(statuses, told)


class FhirResponse(JSONResponse):
    """An answer that holds a resource."""

    media_type = MEDIA_TYPE


_TAKEN = resource_answers(200, 201, 202, 412, what="A Bundle of responses, or an OperationOutcome.")


def _named(kind: Kind, resource_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9.-]{1,64}$")]) -> str:
    return f"{kind.value}/{resource_id}"


@router.get(
    "/metadata",
    dependencies=[PUBLIC],
    response_class=FhirResponse,
    responses=resource_answers(200, what="The CapabilityStatement."),
)
def get_metadata() -> FhirResponse:
    """Say what this server can do."""
    return FhirResponse(capability_statement(__version__))


@router.post("", openapi_extra=_BODY, response_class=Response, responses=_TAKEN)
async def receive_resources(
    request: Request, service: ServiceDep, who: Sender, validate: Literal["strict", "tolerant"] = "tolerant"
) -> Response:
    """Take a Bundle or a single resource in.

    A transaction counts as a whole or not at all; of a batch, and of other bundles, each entry by itself. What is taken
    is stored for good before the answer, which says what became of it.
    """
    data = await request.body()
    reply = await run_in_threadpool(service.fhir.receive, data, who=who, is_strict=validate == "strict")
    return answered(reply)


@router.post("/{kind}", openapi_extra=_BODY, response_class=Response, responses=_TAKEN)
async def create_resource(
    request: Request,
    service: ServiceDep,
    who: Sender,
    kind: Kind,
    condition: Annotated[str | None, Header(alias="If-None-Exist", max_length=1000)] = None,
) -> Response:
    """Take a resource in, if it does not exist where a condition (`identifier=system|value`) is told."""
    wish = Wish(method="POST", url=kind.value, if_none_exist=condition)
    reply = await run_in_threadpool(service.fhir.receive, await request.body(), who=who, request=wish)
    return answered(reply)


@router.put("/{kind}/{resource_id}", openapi_extra=_BODY, response_class=Response, responses=_TAKEN)
async def update_resource(
    request: Request,
    service: ServiceDep,
    who: Sender,
    named: Annotated[str, Depends(_named)],
    version: Annotated[str | None, Header(alias="If-Match", max_length=100)] = None,
) -> Response:
    """Take a resource in under an id, if it has the version that is told here."""
    wish = Wish(method="PUT", url=named, if_match=version)
    reply = await run_in_threadpool(service.fhir.receive, await request.body(), who=who, request=wish)
    return answered(reply)


def answered(reply: Reply) -> Response:
    """Return a reply as an answer over HTTP."""
    return FhirResponse(reply.body, status_code=reply.status, headers=reply.headers)
