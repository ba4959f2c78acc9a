"""The application: routes, problem documents and what surrounds every request."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from anyio import CapacityLimiter, create_task_group, sleep, to_thread
from anyio.abc import TaskStatus
from fastapi import FastAPI

from iit import __version__
from iit.api import (
    analytics,
    cds,
    debug,
    fhir,
    fhir_answers,
    health,
    hl7,
    jobs,
    keys,
    metrics,
    models,
    patients,
    predictions,
    problems,
    reports,
    tokens,
)
from iit.api.admission import Admission
from iit.api.middleware import Surroundings
from iit.api.rules import check_rules
from iit.bootstrap import Service
from iit.services.perimeter import REFRESH_SECONDS

_SPARE_THREADS: Final = 16


def add_routes(app: FastAPI) -> None:
    """Add the routes of the API to an application."""
    for module in (fhir, fhir_answers):
        app.include_router(module.router, responses=problems.OUTCOMES)
    for module in (
        cds,
        predictions,
        patients,
        models,
        jobs,
        analytics,
        hl7,
        tokens,
        keys,
        health,
        debug,
        reports,
        metrics,
    ):
        app.include_router(module.router, responses=problems.PROBLEMS)


async def _watch(refresh: Callable[[], None], *, task_status: TaskStatus[None]) -> None:
    """Read what is shut, before the first request and then every few seconds; requests never wait for it."""
    own_thread = CapacityLimiter(1)
    await to_thread.run_sync(refresh, limiter=own_thread)
    task_status.started()
    while True:
        await sleep(REFRESH_SECONDS)
        await to_thread.run_sync(refresh, limiter=own_thread)


def create_app(service: Service, *, on_stop: Callable[[], None] | None = None) -> FastAPI:
    """Return the API over a service.

    Args:
        service: what answers.
        on_stop: is called after the last request.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        check_rules(app)
        # Threads for all who are let in, and some for health and figures, which always are.
        to_thread.current_default_thread_limiter().total_tokens = service.settings.max_in_flight + _SPARE_THREADS
        async with create_task_group() as tasks:
            await tasks.start(_watch, service.access.perimeter.refresh)
            await tasks.start(_watch, service.modes.refresh)
            yield
            tasks.cancel_scope.cancel()
        await service.limits.close()
        if on_stop is not None:
            on_stop()

    app = FastAPI(
        lifespan=lifespan,
        redirect_slashes=False,  # the framework would redirect to whatever host a request names
        title="IIT ML Service",
        version=__version__,
        description="How likely the current refill cycle of a patient on HIV treatment is to be interrupted, and why.",
        docs_url=None,  # FastAPI's pages run scripts of a third party: iit.web.reference
        redoc_url=None,
    )
    app.state.service = service
    add_routes(app)
    problems.install(app)
    origins = [one.strip() for one in service.settings.cds_origins.split(",") if one.strip()]
    if origins:
        app.add_middleware(cds.CorsForEmrs, origins=origins)
    app.add_middleware(
        Admission,
        standing=service.modes.current,
        places=service.settings.max_in_flight,
        wait_seconds=service.settings.max_queue_seconds,
        body_seconds=service.settings.max_body_seconds,
    )
    app.add_middleware(
        Surroundings,
        deadline_seconds=service.settings.request_deadline_seconds,
        max_body_bytes=service.settings.max_body_bytes,
        perimeter=service.access.perimeter,
        slow_seconds=service.settings.slow_request_seconds,
        trusted_proxies=service.settings.trusted_networks,
    )
    return app
