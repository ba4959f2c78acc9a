"""The application: routes, problem documents and what surrounds every request."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from iit import __version__
from iit.api import health, hl7, models, patients, predictions, problems
from iit.api.middleware import Surroundings
from iit.bootstrap import Service


def create_app(service: Service, *, on_stop: Callable[[], None] | None = None) -> FastAPI:
    """Return the API over a service.

    Args:
        service: what answers.
        on_stop: is called after the last request.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        if on_stop is not None:
            on_stop()

    app = FastAPI(
        lifespan=lifespan,
        title="IIT ML Service",
        version=__version__,
        description="How likely the current refill cycle of a patient on HIV treatment is to be interrupted, and why.",
        redoc_url=None,
    )
    app.state.service = service
    for module in (predictions, patients, models, hl7, health):
        app.include_router(module.router)
    problems.install(app)
    app.add_middleware(Surroundings, max_body_bytes=service.settings.max_body_bytes)
    return app
