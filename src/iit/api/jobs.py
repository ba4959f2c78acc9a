"""`/api/v1/jobs` and `/api/v1/batches`: work that outlasts a request."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from iit.api.dependencies import PRINTED, ServiceDep
from iit.api.rules import may
from iit.domain.access import Action, Principal
from iit.services.tables import SCORES_HEADER, score_cells
from iit.store.jobs import JobRow
from iit.store.predictions import PredictionRow

router = APIRouter(prefix="/api/v1", tags=["jobs"])

Operator = Annotated[Principal, may(Action.MANAGE_JOBS)]
Runner = Annotated[Principal, may(Action.RUN_BATCHES)]


class BatchWish(BaseModel):
    """Whom to score, and as of when."""

    model_config = ConfigDict(extra="forbid")

    facility: Annotated[
        str | None, Field(max_length=64, pattern=PRINTED, description="its DATIM code; everyone's if none")
    ] = None
    state: Annotated[str | None, Field(max_length=64, pattern=PRINTED, description="only patients who live there")] = (
        None
    )
    as_of: Annotated[
        date | None, Field(description="prediction day; by default how far each facility's data reach")
    ] = None
    explain: Annotated[int, Field(ge=0, le=98, description="reasons at most")] = 5


def shown(job: JobRow) -> dict[str, Any]:
    """Return a job as it is told."""
    return job._asdict()


@router.get("/jobs")
def list_jobs(service: ServiceDep, _who: Operator, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> dict[str, Any]:
    """List the newest jobs."""
    return {"jobs": [shown(job) for job in service.jobs.listing(limit=limit)]}


@router.get("/jobs/{job_id}")
def get_job(job_id: UUID, service: ServiceDep, _who: Operator) -> dict[str, Any]:
    """Show how far a job is, or what came of it."""
    return shown(service.jobs.get(job_id))


@router.delete("/jobs/{job_id}", status_code=202)
def cancel_job(job_id: UUID, service: ServiceDep, who: Operator) -> dict[str, Any]:
    """Cancel a job: one that waits ends at once, one that runs within seconds."""
    return shown(service.jobs.cancel(job_id, who=who))


@router.post("/batches", status_code=202)
def start_batch(wish: BatchWish, service: ServiceDep, who: Runner) -> dict[str, Any]:
    """Score a facility, a state or everyone in the background; each patient once, also after a crash."""
    return shown(service.batches.submit(wish.model_dump(mode="json", exclude_none=True), who=who))


@router.get("/batches/{batch_id}")
def get_batch(batch_id: UUID, service: ServiceDep, who: Runner) -> dict[str, Any]:
    """Show how far a batch is."""
    return shown(service.batches.get(batch_id, who=who))


@router.delete("/batches/{batch_id}", status_code=202)
def cancel_batch(batch_id: UUID, service: ServiceDep, who: Runner) -> dict[str, Any]:
    """Cancel a batch; what it has stored stays."""
    return shown(service.batches.cancel(batch_id, who=who))


@router.get("/batches/{batch_id}/results", response_class=StreamingResponse)
def batch_results(batch_id: UUID, service: ServiceDep, who: Runner) -> StreamingResponse:
    """Download a finished batch as CSV."""
    pages = service.batches.results(batch_id, who=who)
    name = f"attachment; filename=batch-{batch_id}.csv"
    return StreamingResponse(_csv(pages), media_type="text/csv", headers={"Content-Disposition": name})


def _csv(pages: Iterable[list[PredictionRow]]) -> Iterator[str]:
    yield ",".join(SCORES_HEADER) + "\r\n"
    for rows in pages:
        text = io.StringIO()
        csv.writer(text).writerows(score_cells(row) for row in rows)
        yield text.getvalue()
