"""`iit serve`, `demo` and `facilities`."""

import os
import secrets
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import uvicorn

from iit.bootstrap import Service
from iit.cli.shared import operator, progress_bar, running, say, stage_printer
from iit.cli.supervisor import supervise
from iit.config import load_settings
from iit.domain.access import Role
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict
from iit.ingest.sources import documents
from iit.model.card_process import draw_page
from iit.services import contexts
from iit.services.audit import recorded
from iit.services.keys import KeyWish
from iit.services.scoring import ScoringWish
from iit.services.training import CardWish
from iit.services.truths import keep_truths
from iit.store import records as record_store
from iit.synth import write_cohort

facilities = typer.Typer(help="Facilities.", no_args_is_help=True)

SYNTHETIC = "SYN"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64)] = 1,
) -> None:
    """Run the service: API, pages, health and metrics."""
    load_settings()
    with ExitStack() as stack:
        if workers > 1 and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = stack.enter_context(TemporaryDirectory(prefix="iit-metrics-"))
        options: dict[str, Any] = {
            "factory": True, "host": host, "port": port, "workers": workers,
            "log_config": None, "access_log": False, "proxy_headers": False,  # iit.api.addresses decides
            "server_header": False, "timeout_graceful_shutdown": 20, "http": "iit.api.protocol:PunctualProtocol",
            "timeout_worker_healthcheck": 60,  # a worker that loads its kernels and model must not be taken for dead
        }  # fmt: skip
        if workers > 1:
            supervise(uvicorn.Config("iit.asgi:create", **options))
        else:
            uvicorn.run("iit.asgi:create", **options)


def demo(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    patients: Annotated[int, typer.Option(min=300, help="Synthetic patients to make.")] = 2000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    serve_after: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve when all is ready.")] = True,
) -> None:
    """Make a synthetic cohort, train a model on it and serve it, with a login and an API key printed."""
    with running() as service:
        _fill(service, patients)
        password = secrets.token_urlsafe(12)
        service.access.users.save("demo", password, "administrator", who=operator())
        key = service.access.keys.create(KeyWish(label="demo", role=Role.ADMINISTRATOR, valid_days=30), who=operator())
        with service.database.transaction() as tx:
            patient = record_store.any_at_risk(tx)
    say("")
    say(f"  pages    http://localhost:{port}   login demo, password {password}")
    say(f"  API key  {key}")
    say("  try      curl -s -H 'X-API-Key: " + key + "' -H 'Content-Type: application/json' \\")
    say(f'             -d \'{{"patient_uuid": "{patient}"}}\' http://localhost:{port}/api/v1/predictions')
    say("  stop     Ctrl-C; `make run` starts again with the same data")
    say("")
    if serve_after:
        serve(host=host, port=port, workers=1)


def _fill(service: Service, patients: int) -> None:
    with service.database.transaction() as tx:
        found = record_store.facility_codes(tx)
    if found and not any(code.startswith(SYNTHETIC) for code in found):
        raise Conflict(
            "the database holds records that are not synthetic: run `iit serve`, or give the demo a data folder of "
            "its own with IIT_DATA_DIR",
            place="demo",
        )
    if not any(code.startswith(SYNTHETIC) for code in found):
        with TemporaryDirectory(prefix="iit-cohort-") as folder, progress_bar() as bar:
            show = stage_printer(bar)
            until = service.today() - timedelta(days=1)
            write_cohort(Path(folder), patients=patients, until=until, progress=lambda n: show("patients", n, patients))
            service.intake.take(documents([Path(folder)]), who=operator(), on_progress=None)
            keep_truths(service.database, Path(folder))
            contexts.refresh(service.database)
        say(f"{patients} synthetic patients imported")
    if service.models.listing()["champion"] is None:
        with progress_bar() as bar:
            result = service.training.train(
                "v1.0", who=operator(), card_wish=CardWish(page=draw_page), progress=stage_printer(bar)
            )
        for objection in result.objections:
            say(f"serving although: {objection}")
        if not result.promoted:
            service.models.promote(result.version, although_rejected=True, who=operator())
        say(f"model v1.0 trained: AUROC {result.evaluation['metrics']['auroc']:.3f} on later cycles (synthetic)")
        summary = service.scoring.score(ScoringWish(), who=operator())
        say(f"{summary.n_scored} patients scored as of {summary.last_day}")


@facilities.command("refresh")
def refresh() -> None:
    """Compute what each facility's patients do together anew."""
    with running() as service:
        with recorded(service.database, _upkeep("figures of facilities")):
            number = contexts.refresh(service.database)
        say(f"figures of all facilities computed from {number} patients")


def _upkeep(what: str) -> AuditEvent:
    return AuditEvent(event_type=EventType.MAINTENANCE, actor=operator().name, action="execute", target=what)
