"""`/metrics`: for Prometheus; no key needed, nothing of patients told."""

from typing import Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse

from iit.api.dependencies import ServiceDep
from iit.api.gauges import exposition
from iit.api.rules import PUBLIC

router = APIRouter(tags=["health"])

_own_threads: Final = CapacityLimiter(2)
"""Figures are told while every other thread is busy."""


@router.get("/metrics", dependencies=[PUBLIC], response_class=PlainTextResponse)
async def metrics(service: ServiceDep) -> Response:
    """Give all figures in Prometheus' text format, of all workers together; also while the database is away."""
    told = await to_thread.run_sync(exposition, service.gauges.figures, service.metrics_folder, limiter=_own_threads)
    return Response(told, media_type=CONTENT_TYPE_LATEST)
