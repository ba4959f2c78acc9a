"""`/cds-services`: CDS Hooks 2.0, for an EMR to show the risk where the clinician looks."""

import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Final

from anyio import CapacityLimiter, move_on_after, to_thread
from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from iit.api.answers import answers
from iit.api.dependencies import ServiceDep, public_address
from iit.api.limits import count_principal, count_stranger
from iit.api.rules import PUBLIC, May
from iit.bootstrap import Service
from iit.domain.access import Action, Principal
from iit.domain.errors import NotAuthenticated, Unavailable
from iit.services.cds import HOOKS
from iit.telemetry import cds_requests_total

log = logging.getLogger(__name__)

router = APIRouter(prefix="/cds-services", tags=["cds hooks"])

DEADLINE_SECONDS: Final = 0.2
"""After which a hook is answered without cards: the clinician's page waits for it."""

_AT_ONCE: Final = 8  # calls that may score at once, those that came too late included
_key = APIKeyHeader(name="X-API-Key", auto_error=False)
_bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token", refreshUrl="/api/v1/auth/refresh", auto_error=False)


class ServiceId(StrEnum):
    """Services that are offered; a test holds them to those that are there."""

    RISK = "iit-risk"
    APPOINTMENT = "iit-risk-appointment"


class CdsService(BaseModel):
    """A service and what it is for."""

    hook: str
    id: str
    title: str
    description: str
    prefetch: dict[str, str]


class CdsServices(BaseModel):
    """The services that are offered."""

    services: list[CdsService]


class Card(BaseModel):
    """What a clinician is shown."""

    uuid: str
    summary: str = Field(max_length=140)
    detail: str
    indicator: str
    source: dict[str, Any]
    overrideReasons: list[dict[str, str]]  # noqa: N815 - the standard's name


class Cards(BaseModel):
    """What a hook is answered: no card where nothing can be said in time."""

    cards: list[Card]


class FeedbackKept(BaseModel):
    """How many acts were new."""

    kept: int


_PREFETCH: Final = {
    "patient": "Patient/{{context.patientId}}",
    "dispenses": "MedicationDispense?subject=Patient/{{context.patientId}}&_count=1000",
    "observations": "Observation?subject=Patient/{{context.patientId}}&_count=1000",
    "appointments": "Appointment?patient=Patient/{{context.patientId}}&_count=200",
}
_TITLES: Final = {
    ServiceId.RISK: ("Risk of an interruption in treatment", "Shows how likely the patient is to miss treatment."),
    ServiceId.APPOINTMENT: (
        "Risk of an interruption in treatment, when booking",
        "Shows the risk, and whether the medicine runs out before the appointment.",
    ),
}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["hook", "hookInstance", "context"],
                    "properties": {
                        "hook": {"type": "string"},
                        "hookInstance": {"type": "string"},
                        "fhirServer": {"type": "string"},
                        "context": {
                            "type": "object",
                            "required": ["patientId"],
                            "properties": {"patientId": {"type": "string", "minLength": 1}},
                        },
                        "prefetch": {"type": "object"},
                    },
                }
            }
        },
    }
}
_FEEDBACK: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["feedback"],
                    "properties": {
                        "feedback": {
                            "type": "array",
                            "maxItems": 100,
                            "items": {
                                "type": "object",
                                "required": ["card", "outcome", "outcomeTimestamp"],
                                "properties": {
                                    "card": {"type": "string", "format": "uuid"},
                                    "outcome": {"enum": ["accepted", "overridden"]},
                                    "outcomeTimestamp": {"type": "string"},
                                },
                            },
                        }
                    },
                }
            }
        },
    }
}


class MayFromEmr(May):
    """Whoever has the right to an action may, and an EMR with a token that it signed."""

    async def __call__(
        self,
        request: Request,
        key: Annotated[str | None, Security(_key)] = None,
        bearer: Annotated[str | None, Security(_bearer)] = None,
    ) -> Principal:
        """Return who is asking.

        Raises:
            NotAuthenticated: no valid credential. NotAllowed: no right to the action.
        """
        service: Service = request.app.state.service
        tokens = service.emr_tokens
        if tokens is None or key or not bearer or not tokens.is_meant(bearer):
            return await super().__call__(request, key, bearer)
        try:
            who = await run_in_threadpool(tokens.check, bearer, request.url.path)
        except NotAuthenticated:
            await count_stranger(request)
            raise
        assert self.action is not None  # noqa: S101 - it was made with one
        if not service.access.allows(who, self.action):
            await run_in_threadpool(service.access.refuse, who, self.action)
        await count_principal(request, who)
        return who


Asker = Annotated[Principal, Depends(MayFromEmr(Action.PREDICT))]
Teller = Annotated[Principal, Depends(MayFromEmr(Action.WRITE_OUTREACH))]


@router.get("", dependencies=[PUBLIC], **answers(CdsServices))
def list_services() -> dict[str, Any]:
    """List the services that are offered."""
    told = [
        {"hook": HOOKS[one], "id": one.value, "title": title, "description": text, "prefetch": _PREFETCH}
        for one, (title, text) in _TITLES.items()
    ]
    return {"services": told}


@router.post("/{service_id}", openapi_extra=_BODY, **answers(Cards))
async def call_service(service_id: ServiceId, request: Request, service: ServiceDep, who: Asker) -> dict[str, Any]:
    """Return the risk of the patient as a card, within 200 ms of the call, or no card."""
    began = time.monotonic()
    data = await request.body()
    public_url = public_address(request)

    def work() -> list[dict[str, Any]]:
        return service.hooks.cards(data, service_id, public_url=public_url, who=who)

    cards, result = await _in_time(request, work, DEADLINE_SECONDS - (time.monotonic() - began))
    cds_requests_total.labels(service_id.value, result).inc()
    return {"cards": cards}


@router.post("/{service_id}/feedback", openapi_extra=_FEEDBACK, **answers(FeedbackKept))
async def take_feedback(service_id: ServiceId, request: Request, service: ServiceDep, who: Teller) -> dict[str, int]:
    """Keep whether cards were followed, and why not. Comments are not kept."""
    data = await request.body()
    return {"kept": await run_in_threadpool(service.hooks.take_feedback, data, service_id, who=who)}


class CorsForEmrs:
    """ASGI middleware: lets the pages of configured EMRs call CDS Hooks, and nobody's call anything else."""

    def __init__(self, app: ASGIApp, origins: list[str]) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            max_age=3600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        is_open = scope["type"] == "http" and scope["path"].split("/")[1:2] == ["cds-services"]
        await (self._open if is_open else self._app)(scope, receive, send)


async def _in_time(
    request: Request, work: Callable[[], list[dict[str, Any]]], seconds: float
) -> tuple[list[dict[str, Any]], str]:
    """Return the cards and what became of the call; what takes too long goes on by itself and its cards are lost.

    Raises:
        InvalidInput: the call is at fault.
    """
    cards: list[dict[str, Any]] = []
    try:
        with move_on_after(max(seconds, 0.0)) as waiting:
            cards = await to_thread.run_sync(work, abandon_on_cancel=True, limiter=_limiter(request))
    except Unavailable:
        return [], "failed"
    if waiting.cancelled_caught:
        return [], "late"
    return cards, "card" if cards else "none"


def _limiter(request: Request) -> CapacityLimiter:
    """Return the limit of an application's calls: those that are late must not take all threads of the others."""
    state = request.app.state
    if not hasattr(state, "cds_limiter"):
        state.cds_limiter = CapacityLimiter(_AT_ONCE)
    limiter: CapacityLimiter = state.cds_limiter
    return limiter
