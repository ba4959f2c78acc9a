"""What the server runs: the service put together, with the API and the pages."""

from contextlib import ExitStack

from fastapi import FastAPI

from iit.api.app import create_app
from iit.bootstrap import service
from iit.bootstrap.health import make_local_token
from iit.bootstrap.secrets import setting_marks
from iit.config import load_settings
from iit.telemetry import configure_logging
from iit.web.pages import add_pages


def create() -> FastAPI:
    """Return the application; one for each worker process."""
    settings = load_settings()
    configure_logging(level=settings.log_level, file=settings.log_file)
    stack = ExitStack()
    running = stack.enter_context(service(settings))
    make_local_token(settings)
    running.audit.note_start(setting_marks(settings))
    stack.enter_context(running.inbox.working())
    stack.enter_context(running.spooling.working())
    stack.enter_context(running.reporting.working())
    running.predictor.warm()
    running.jobs.resume()
    app = create_app(running, on_stop=stack.close)
    add_pages(app)
    return app
