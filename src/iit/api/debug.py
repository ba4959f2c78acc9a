"""`/api/v1/debug`: what a process does with its memory, for whoever runs it."""

from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query

from iit.api.dependencies import ServiceDep
from iit.api.local import may_here
from iit.domain.access import Action, Principal
from iit.ops.memory import MOST_LINES

router = APIRouter(prefix="/api/v1/debug", tags=["health"])

_own_thread = CapacityLimiter(1)


@router.get("/memory")
async def memory(
    service: ServiceDep,
    _who: Annotated[Principal, may_here(Action.INSPECT)],
    lines: Annotated[int, Query(ge=1, le=MOST_LINES)] = 10,
) -> dict[str, Any]:
    """Tell which lines of code hold most memory in the worker that answers, and how that has grown since first asked.

    409 unless `IIT_DEBUG_MEMORY` is set. Taking the picture stops the worker for a moment.
    """
    return await to_thread.run_sync(lambda: service.memory.picture(lines=lines), limiter=_own_thread)
