"""`/api/v1/predictions`: how likely an interruption is, and why."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from iit.api.answers import BatchAnswer, PredictionAnswer, StoredAnswer, answers
from iit.api.dependencies import ServiceDep
from iit.api.rules import may
from iit.bootstrap import Service
from iit.domain.access import Action, Principal
from iit.domain.errors import InvalidInput, ServiceError
from iit.services.predictions import Scored, told

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
Asker = Annotated[Principal, may(Action.PREDICT)]
Explain = Annotated[int, Query(ge=0, le=98, description="reasons at most")]


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _score(service: Service, data: bytes, explain: int, who: Principal) -> Scored:
    try:
        asked = _asked.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput("is not JSON of one of the documented forms", place="body") from None
    if len(bytes(asked.message_data)):
        return service.predictor.score_document(data, as_of=asked.as_of, explain=explain, who=who)
    if asked.features is not None:
        return service.predictor.score_features(asked.features, explain=explain)
    if asked.patient_uuid is not None:
        return service.predictor.score_patient(asked.patient_uuid, as_of=asked.as_of, explain=explain, who=who)
    raise InvalidInput("needs messageData, patient_uuid or features", place="body")


@router.post("", openapi_extra=_body(_BODY), **answers(PredictionAnswer))
async def predict(request: Request, service: ServiceDep, who: Asker, explain: Explain = 5) -> dict[str, Any]:
    """Score an NMRS document, a stored patient or ready features; the answer is stored with its features."""
    data = await request.body()

    def work() -> dict[str, Any]:
        scored = _score(service, data, explain, who)
        return service.predictor.keep([scored], who=who)[0]._asdict()

    return await run_in_threadpool(work)


@router.post(
    "/batch", openapi_extra=_body({"type": "array", "maxItems": _MAX_BATCH, "items": _BODY}), **answers(BatchAnswer)
)
async def predict_batch(request: Request, service: ServiceDep, who: Asker, explain: Explain = 5) -> dict[str, Any]:
    """Score up to 1,000 of these: an answer or a problem for each, in order; all answers are stored together."""
    data = await request.body()

    def work() -> dict[str, Any]:
        answers: list[Scored | ServiceError] = []
        for item in _items(data):
            try:
                answers.append(_score(service, bytes(item), explain, who))
            except ServiceError as error:
                answers.append(error)
        kept = iter(service.predictor.keep([one for one in answers if isinstance(one, Scored)], who=who))
        return {
            "results": [_problem(one) if isinstance(one, ServiceError) else next(kept)._asdict() for one in answers]
        }

    return await run_in_threadpool(work)


@router.get("/{prediction_id}", **answers(StoredAnswer))
def get_prediction(
    prediction_id: UUID, service: ServiceDep, who: Annotated[Principal, may(Action.READ_PREDICTIONS)]
) -> dict[str, Any]:
    """Return a prediction that was made."""
    return told(service.predictor.find(prediction_id, who=who))


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
