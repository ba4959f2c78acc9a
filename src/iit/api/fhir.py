"""`/fhir`: FHIR R4 over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from iit import __version__
from iit.api.dependencies import ServiceDep
from iit.api.rules import PUBLIC, may
from iit.domain.access import Action, Principal
from iit.ingest.fhir.capability import MEDIA_TYPE, capability_statement
from iit.services.fhir import Reply

router = APIRouter(prefix="/fhir", tags=["fhir"])

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


def answered(reply: Reply) -> Response:
    """Return a reply as an answer over HTTP."""
    return FhirResponse(reply.body, status_code=reply.status, headers=reply.headers)
