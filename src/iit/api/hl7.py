"""`POST /api/v1/hl7`: HL7 v2 messages over HTTP."""

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from iit.api.dependencies import PrincipalDep, ServiceDep
from iit.services.inbox import Frame

router = APIRouter(prefix="/api/v1", tags=["messages"])

MEDIA_TYPE = "application/hl7-v2"
_BODY = {"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "The acknowledgement.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
}


@router.post("/hl7", openapi_extra=_BODY, response_class=Response, responses=_ANSWER)
async def receive_message(
    request: Request, service: ServiceDep, who: PrincipalDep, validate: Literal["strict", "tolerant"] = "tolerant"
) -> Response:
    """Take a message or a batch and answer with its acknowledgement, which alone tells whether it was taken.

    AA: stored for good, its effects follow. AE: correct the message. AR: not accepted, or send it again later.
    """
    frame = Frame(await request.body(), is_strict=validate == "strict")
    (answer,) = await run_in_threadpool(service.inbox.receive, [frame], actor=who.name)
    return Response(answer, media_type=MEDIA_TYPE)
