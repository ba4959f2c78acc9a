"""`/health`: for load balancers, supervisors and operators; nothing of patients is told."""

from typing import Annotated, Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from iit import __version__
from iit.api.dependencies import ServiceDep
from iit.api.local import anybody_and_more, may_here
from iit.api.rules import PUBLIC
from iit.domain.access import Action, Principal
from iit.ops.health.run import Standing, State

router = APIRouter(tags=["health"])

_STATE = {"application/json": {"schema": {"type": "object", "required": ["status"]}}}
_STATES: dict[int | str, dict[str, Any]] = {503: {"description": "Something it cannot answer without is away",
                                                  "content": _STATE}}  # fmt: skip
_WORDS: Final = {State.OK: "ok", State.DEGRADED: "degraded", State.FAILING: "unavailable"}
_own_threads = CapacityLimiter(4)
"""Health is answered while every other thread is busy."""


@router.get("/health/live", dependencies=[PUBLIC])
async def live() -> dict[str, str]:
    """Tell that the process answers. Does not ask any dependency, so an outage of one restarts nothing."""
    return {"status": "live"}


@router.get("/health/ready", dependencies=[PUBLIC], responses=_STATES)
async def ready(service: ServiceDep) -> Response:
    """Tell whether requests can be answered: database, schema and model. 503 if not."""
    standing = await to_thread.run_sync(service.health.ready, limiter=_own_threads)
    return _answer(standing, {one.check.name: one.outcome.state for one in standing.told})


@router.get("/health", dependencies=[PUBLIC], responses=_STATES)
async def health(service: ServiceDep) -> Response:
    """Tell the state in one word, as `/health/ready` does, and the version."""
    standing = await to_thread.run_sync(service.health.ready, limiter=_own_threads)
    return _answer(standing, {"version": __version__})


@router.get("/health/detailed", responses=_STATES)
async def detailed(service: ServiceDep, _who: Annotated[Principal, may_here(Action.READ_HEALTH)]) -> Response:
    """Tell how each part is, with the time it took to find out, the reason and the next step."""
    standing = await to_thread.run_sync(service.health.detailed, limiter=_own_threads)
    return _answer(standing, _details(standing))


@router.get("/health/check", responses=_STATES)
@router.post("/health/check", responses=_STATES)
async def check(
    service: ServiceDep, who: Annotated[Principal | None, anybody_and_more(Action.READ_HEALTH)]
) -> Response:
    """Look at everything: the database is written and read back, the model tested, clocks and audit trail compared.

    Without the right `health:read` (or this machine's token) only the state is told, at most 10 seconds old.
    """
    if who is None:
        standing = await to_thread.run_sync(service.health.lately, limiter=_own_threads)
        return _answer(standing, {})
    standing = await to_thread.run_sync(service.health.deep, limiter=_own_threads)
    return _answer(standing, _details(standing))


def _details(standing: Standing) -> dict[str, Any]:
    return {"version": __version__, "checks": {one.check.name: one.as_json() for one in standing.told}}


def _answer(standing: Standing, body: dict[str, Any]) -> Response:
    """Return the state and more of it: 503 where the service cannot answer requests."""
    is_away = standing.state == State.FAILING
    return JSONResponse(
        {"status": _WORDS[standing.state], **body},
        status_code=503 if is_away else 200,
        headers={"Retry-After": "5"} if is_away else None,
    )
