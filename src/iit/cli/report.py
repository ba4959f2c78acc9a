"""`iit report`: what the service and its parts are like, as pages and mails."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from iit.bootstrap.upkeep import clock, owned_database
from iit.cli.shared import Json, running, say, tell
from iit.config import Settings, load_settings
from iit.domain.errors import InvalidInput, Unavailable
from iit.ops import reports
from iit.ops.health.run import State

report = typer.Typer(help="Reports.", no_args_is_help=True)


@report.command("health")
def health(
    email: Annotated[str | None, typer.Option(help="Send it there; one of IIT_REPORT_RECIPIENTS.")] = None,
    as_json: Json = False,
) -> None:
    """Make a health report and keep it; print it, or mail it. Exit code 14 where the service cannot answer."""
    with running() as service:
        if email is not None:
            service.reporting.check_recipient(email)
        made = service.reporting.make()
        sent = None if email is None else service.reporting.mail(made, email)
        told = {"report_id": made.report_id, "state": made.state, "folder": str(service.reporting.folder)}
        if sent is not None:
            told |= {"status": "sent" if sent.is_taken else "queued", "reason": sent.reason or ""}
    if as_json:
        tell(told)
    elif sent is None:
        say(made.text)
    else:
        say("sent" if sent.is_taken else f"queued: {sent.reason}")
    if made.state == State.FAILING:
        raise Unavailable("something it cannot answer without is away", place="health")


@report.command("flush")
def flush() -> None:
    """Send the mail that was kept while the mail server was away."""
    with running() as service:
        say(f"{service.reporting.flush()} sent")


Out = Annotated[Path | None, typer.Option(help="Write it there, as .txt, .html or .pdf; else it is printed.")]
Days = Annotated[int, typer.Option(min=1, max=3650, help="How far back from now.")]


@report.command("monthly")
def monthly(
    month: Annotated[str | None, typer.Option(help="Such as 2025-06; else the last whole one.")] = None,
    out: Out = None,
) -> None:
    """Tell a month: predictions, models, acts, backups, upkeep, growth."""
    settings = load_settings()
    start, end = _month(settings, month)
    _give(settings, "monthly", start, end, out)


@report.command("performance")
def performance(days: Days = 90, out: Out = None) -> None:
    """Tell how good the models were: figures from what became of predictions, with intervals; for each quarter."""
    _recent("performance", days, out)


@report.command("quality")
def quality(days: Days = 90, out: Out = None) -> None:
    """Tell how good the data were, by facility."""
    _recent("quality", days, out)


@report.command("capacity")
def capacity(days: Days = 90, out: Out = None) -> None:
    """Tell sizes, load, and how long the disk lasts; for each quarter."""
    _recent("capacity", days, out)


def _recent(kind: str, days: int, out: Path | None) -> None:
    settings = load_settings()
    end = clock(settings)
    _give(settings, kind, end - timedelta(days=days), end, out)


def _give(settings: Settings, kind: str, start: datetime, end: datetime, out: Path | None) -> None:
    told = composed(settings, kind, start, end)
    if out is None:
        say(reports.as_text(told).decode().rstrip())
        return
    reports.write(told, out)
    say(str(out))


def composed(settings: Settings, kind: str, start: datetime, end: datetime) -> reports.Told:
    """Return what a report of a kind tells of a time, the end excluded."""
    with owned_database(settings) as (database, _):
        free = shutil.disk_usage(settings.data_dir).free
        return reports.compose(kind, database, start=start, end=end, free_bytes=free)


def last_month(settings: Settings) -> tuple[datetime, datetime]:
    """Return the begin of the last whole month and of the present one, in the facilities' zone."""
    this = clock(settings).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (this - timedelta(days=1)).replace(day=1), this


def _month(settings: Settings, text: str | None) -> tuple[datetime, datetime]:
    """Return the begin of a month and of the next, in the facilities' zone."""
    if text is None:
        return last_month(settings)
    try:
        start = datetime.strptime(text, "%Y-%m").replace(tzinfo=settings.zone)
    except ValueError as cause:
        raise InvalidInput("must be a month such as 2025-06", place="--month") from cause
    return start, (start + timedelta(days=32)).replace(day=1)
