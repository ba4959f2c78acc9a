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
from iit.services.answers import Prediction, Scored, row_of, told
from iit.services.what_if import read_what_if

router = APIRouter(prefix="/api/v1/predictions", tags=["predictions"])

_MAX_BATCH = 1000

_WHAT_IF = {
    "type": "object",
    "description": "what to suppose besides; answered under `what_if`, as an association, and not stored",
    "additionalProperties": False,
    "properties": {
        "days_supplied": {"type": "integer", "minimum": 1, "maximum": 365},
        "regimen": {"type": "integer", "description": "concept id"},
        "viral_load_copies_ml": {"type": "number", "minimum": 0},
        "phone_present": {"type": "boolean"},
    },
}
_FEATURES = {"type": "object", "additionalProperties": {"type": ["number", "null"]}}

_BODY: dict[str, Any] = {
    "oneOf": [
        {
            "type": "object",
            "title": "An NMRS document",
            "required": ["messageData"],
            "properties": {
                "messageHeader": {"type": "object"},
                "messageData": {"type": "object"},
                "what_if": _WHAT_IF,
            },
        },
        {
            "type": "object",
            "title": "A stored patient",
            "required": ["patient_uuid"],
            "properties": {
                "patient_uuid": {"type": "string"},
                "as_of": {"type": "string", "format": "date", "description": "prediction day"},
                "what_if": _WHAT_IF,
            },
        },
        {
            "type": "object",
            "title": "Ready features",
            "required": ["features"],
            "properties": {"features": _FEATURES, "what_if": _FEATURES},
        },
    ]
}


class Asked(msgspec.Struct):
    """The three forms of a request; a document is passed on as it came."""

    patient_uuid: str | None = None
    as_of: date | None = None
    features: dict[str, float | None] | None = None
    what_if: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    message_data: msgspec.Raw = msgspec.field(name="messageData", default_factory=msgspec.Raw)

    def __repr__(self) -> str:
        return "Asked()"


_asked = msgspec.json.Decoder(Asked)
_batch = msgspec.json.Decoder(list[msgspec.Raw])
Asker = Annotated[Principal, may(Action.PREDICT)]
Explain = Annotated[int, Query(ge=0, le=98, description="reasons at most")]
Beside = Annotated[bool, Query(alias="shadow", description="let the shadow model score it too, unseen")]


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _score(service: Service, data: bytes, explain: int, who: Principal) -> Scored:
    try:
        asked = _asked.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput("is not JSON of one of the documented forms", place="body") from None
    is_document = len(bytes(asked.message_data)) > 0
    supposes = bytes(asked.what_if) not in (b"", b"null")
    if asked.features is not None and not is_document:
        supposed = _features(asked.what_if) if supposes else None
        return service.predictor.score_features(asked.features, explain=explain, what_if=supposed)
    what_if = read_what_if(asked.what_if) if supposes else None
    if is_document:
        return service.predictor.score_document(data, as_of=asked.as_of, explain=explain, who=who, what_if=what_if)
    if asked.patient_uuid is not None:
        return service.predictor.score_patient(
            asked.patient_uuid, as_of=asked.as_of, explain=explain, who=who, what_if=what_if
        )
    raise InvalidInput("needs messageData, patient_uuid or features", place="body")


@router.post("", openapi_extra=_body(_BODY), **answers(PredictionAnswer))
async def predict(
    request: Request, service: ServiceDep, who: Asker, explain: Explain = 5, *, beside: Beside = False
) -> dict[str, Any]:
    """Score an NMRS document, a stored patient or ready features; the answer is stored with its features."""
    data = await request.body()

    def work() -> dict[str, Any]:
        scored = _score(service, data, explain, who)
        kept = service.predictor.keep([scored], who=who)[0]
        if beside and kept.stored:
            service.shadow.keep_beside(row_of(scored, who.name), actor=who.name)
        return _told(kept, scored)

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
        good = [one for one in answers if isinstance(one, Scored)]
        kept = iter(service.predictor.keep(good, who=who))
        return {
            "results": [_problem(one) if isinstance(one, ServiceError) else _told(next(kept), one) for one in answers]
        }

    return await run_in_threadpool(work)


@router.get("/{prediction_id}", **answers(StoredAnswer))
def get_prediction(
    prediction_id: UUID, service: ServiceDep, who: Annotated[Principal, may(Action.READ_PREDICTIONS)]
) -> dict[str, Any]:
    """Return a prediction that was made."""
    return told(service.predictor.find(prediction_id, who=who))


def _told(kept: Prediction, scored: Scored) -> dict[str, Any]:
    beside = {} if scored.what_if is None else {"what_if": scored.what_if}
    return {**kept._asdict(), **beside}


def _features(data: msgspec.Raw) -> dict[str, float | None]:
    try:
        return msgspec.json.decode(data, type=dict[str, float | None])
    except msgspec.DecodeError:
        raise InvalidInput("must hold numbers or null by feature", place="what_if") from None


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
