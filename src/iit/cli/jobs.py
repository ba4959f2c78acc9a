"""`iit jobs`: work that outlasts a command or a request."""

import os
import time
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

import typer

from iit.bootstrap import Service
from iit.cli.shared import Json, operator, progress_bar, running, say, stage_printer, tell
from iit.domain.errors import Conflict, ServiceError
from iit.store.jobs import OPEN, JobRow

jobs = typer.Typer(help="Work in the background.", no_args_is_help=True)


@jobs.command("list")
def list_jobs(limit: Annotated[int, typer.Option(min=1)] = 20, as_json: Json = False) -> None:
    """List the newest jobs."""
    with running() as service:
        found = service.jobs.listing(limit=limit)
    if as_json:
        tell([job._asdict() for job in found])
        return
    for job in found:
        say(f"{job.job_id}  {job.created_at:%Y-%m-%d %H:%M}  {job.kind:<6} {job.state:<10} {_standing(job)}")


@jobs.command("show")
def show_job(job_id: UUID) -> None:
    """Show a job."""
    with running() as service:
        tell(service.jobs.get(job_id)._asdict())


@jobs.command("cancel")
def cancel_job(job_id: UUID) -> None:
    """Cancel a job."""
    with running() as service:
        say(f"{job_id} is {service.jobs.cancel(job_id, who=operator()).state}")


@jobs.command("run", hidden=True)
def run_job(job_id: UUID) -> None:
    """Do a queued job here; what the service starts for each job."""
    os.nice(10)  # those who answer come first
    with running() as service:
        _raise_failure(service.jobs.run(job_id))


@jobs.command("work")
def work() -> None:
    """Do here, one after the other, the jobs that nobody works on; for cron and machines without the service."""
    with running() as service:
        for job in service.jobs.listing(limit=1000):
            if job.state in OPEN:
                with suppress(Conflict):  # another process has it
                    say(f"{job.job_id} {service.jobs.run(job.job_id).state}")


def follow(service: Service, job: JobRow) -> JobRow:
    """Show a job's progress until it ends, and return it.

    Raises:
        ServiceError: it failed or was cancelled.
    """
    with progress_bar() as bar:
        show: Any = stage_printer(bar)
        while job.state in OPEN:
            time.sleep(0.5)
            job = service.jobs.get(job.job_id)
            if job.stage is not None:
                show(job.stage, job.done, job.total)
    _raise_failure(job)
    return job


def _standing(job: JobRow) -> str:
    if job.state == "running" and job.stage:
        return f"{job.stage} {job.done}/{job.total}"
    return job.reason or ""


def _raise_failure(job: JobRow) -> None:
    if job.state == "failed":
        raise ServiceError(job.reason or "failed", place=f"job {job.job_id}")
    if job.state == "cancelled":
        raise Conflict("was cancelled", place=f"job {job.job_id}")
