"""`POST /api/v1/hl7`: HL7 v2 messages over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from iit.api.dependencies import ServiceDep
from iit.api.rules import may
from iit.domain.access import Action, Principal
from iit.domain.errors import NotAllowed
from iit.services.inbox import Frame

Sender = Annotated[Principal, may(Action.EXCHANGE_MESSAGES)]

router = APIRouter(prefix="/api/v1", tags=["messages"])

MEDIA_TYPE = "application/hl7-v2"
_BODY = {"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "The acknowledgement.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
}


@router.post("/hl7", openapi_extra=_BODY, response_class=Response, responses=_ANSWER)
async def receive_message(
    request: Request, service: ServiceDep, who: Sender, validate: Literal["strict", "tolerant"] = "tolerant"
) -> Response:
    """Take a message or a batch and answer with its acknowledgement, which alone tells whether it was taken.

    AA: stored for good, its effects follow. AE: correct the message. AR: not accepted, or send it again later.
    """
    if not who.scope.everything:  # a message names its facility itself, and may name any
        raise NotAllowed("messages are taken from those who may see every facility", place="X-API-Key")
    frame = Frame(await request.body(), is_strict=validate == "strict")
    (answer,) = await run_in_threadpool(service.inbox.receive, [frame], actor=who.name)
    return Response(answer, media_type=MEDIA_TYPE)
