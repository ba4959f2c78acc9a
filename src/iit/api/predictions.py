"""`/api/v1/predictions`: how likely an interruption is, and why."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from iit.api.dependencies import PrincipalDep, ServiceDep
from iit.bootstrap import Service
from iit.domain.errors import InvalidInput, ServiceError
from iit.services.predictions import Scored, row_of, told

router = APIRouter(prefix="/api/v1/predictions", tags=["predictions"])

_MAX_BATCH = 1000

_BODY: dict[str, Any] = {
    "oneOf": [
        {
            "type": "object",
            "title": "An NMRS document",
            "required": ["messageData"],
            "properties": {"messageHeader": {"type": "object"}, "messageData": {"type": "object"}},
        },
        {
            "type": "object",
            "title": "A stored patient",
            "required": ["patient_uuid"],
            "properties": {
                "patient_uuid": {"type": "string"},
                "as_of": {"type": "string", "format": "date", "description": "prediction day"},
            },
        },
        {
            "type": "object",
            "title": "Ready features",
            "required": ["features"],
            "properties": {"features": {"type": "object", "additionalProperties": {"type": ["number", "null"]}}},
        },
    ]
}


class Asked(msgspec.Struct):
    """The three forms of a request; a document is passed on as it came."""

    patient_uuid: str | None = None
    as_of: date | None = None
    features: dict[str, float | None] | None = None
    message_data: msgspec.Raw = msgspec.field(name="messageData", default_factory=msgspec.Raw)


_asked = msgspec.json.Decoder(Asked)
_batch = msgspec.json.Decoder(list[msgspec.Raw])
Explain = Annotated[int, Query(ge=0, le=98, description="reasons at most")]
Beside = Annotated[bool, Query(alias="shadow", description="let the shadow model score it too, unseen")]


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _score(service: Service, data: bytes, explain: int) -> Scored:
    try:
        asked = _asked.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput("is not JSON of one of the documented forms", place="body") from None
    if len(bytes(asked.message_data)):
        return service.predictor.score_document(data, as_of=asked.as_of, explain=explain)
    if asked.features is not None:
        return service.predictor.score_features(asked.features, explain=explain)
    if asked.patient_uuid is not None:
        return service.predictor.score_patient(asked.patient_uuid, as_of=asked.as_of, explain=explain)
    raise InvalidInput("needs messageData, patient_uuid or features", place="body")


@router.post("", openapi_extra=_body(_BODY))
async def predict(
    request: Request, service: ServiceDep, who: PrincipalDep, explain: Explain = 5, *, beside: Beside = False
) -> dict[str, Any]:
    """Score an NMRS document, a stored patient or ready features; the answer is stored with its features."""
    data = await request.body()

    def work() -> dict[str, Any]:
        scored = _score(service, data, explain)
        told = service.predictor.keep([scored], actor=who.name)[0]._asdict()
        if beside:
            service.shadow.keep_beside(row_of(scored, who.name), actor=who.name)
        return told

    return await run_in_threadpool(work)


@router.post("/batch", openapi_extra=_body({"type": "array", "maxItems": _MAX_BATCH, "items": _BODY}))
async def predict_batch(
    request: Request, service: ServiceDep, who: PrincipalDep, explain: Explain = 5
) -> dict[str, Any]:
    """Score up to 1,000 of these: an answer or a problem for each, in order; all answers are stored together."""
    data = await request.body()

    def work() -> dict[str, Any]:
        answers: list[Scored | ServiceError] = []
        for item in _items(data):
            try:
                answers.append(_score(service, bytes(item), explain))
            except ServiceError as error:
                answers.append(error)
        kept = iter(service.predictor.keep([one for one in answers if isinstance(one, Scored)], actor=who.name))
        return {
            "results": [_problem(one) if isinstance(one, ServiceError) else next(kept)._asdict() for one in answers]
        }

    return await run_in_threadpool(work)


@router.get("/{prediction_id}")
def get_prediction(prediction_id: UUID, service: ServiceDep, who: PrincipalDep) -> dict[str, Any]:
    """Return a prediction that was made."""
    return told(service.predictor.find(prediction_id, actor=who.name))


def _items(data: bytes) -> list[msgspec.Raw]:
    try:
        items = _batch.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput("is not a JSON array", place="body") from None
    if len(items) > _MAX_BATCH:
        raise InvalidInput(f"holds more than {_MAX_BATCH} requests", place="body")
    return items


def _problem(error: ServiceError) -> dict[str, Any]:
    told: dict[str, Any] = {"type": f"urn:iit:problem:{error.kind}", "status": error.status, "detail": error.reason}
    if error.place is not None:
        told["place"] = error.place
    return {"problem": told}
