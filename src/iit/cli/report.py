"""`iit report`: what the service and its parts are like, as pages and mails."""

from typing import Annotated

import typer

from iit.cli.shared import Json, running, say, tell
from iit.domain.errors import Unavailable
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
