"""`iit outcomes`: what became of past predictions."""

from dataclasses import asdict

import typer

from iit.cli.modelling import Day
from iit.cli.records import parse_day
from iit.cli.shared import Json, actor, running, say, tell
from iit.services.outcomes import OutcomeSummary

outcomes = typer.Typer(help="What became of past predictions.", no_args_is_help=True)


@outcomes.callback()
def _group() -> None:
    """What became of past predictions."""


@outcomes.command("resolve")
def resolve(as_of: Day = None, as_json: Json = False) -> None:
    """Judge past predictions by what was known on a day; running it again changes nothing."""
    with running() as service:
        summary = service.outcomes.resolve(as_of=None if as_of is None else parse_day(as_of), actor=actor())
    if as_json:
        tell(asdict(summary))
        return
    _print(summary)


def _print(summary: OutcomeSummary) -> None:
    say(
        f"{summary.n_judged} predictions judged as of {summary.as_of}: {summary.n_added} outcomes added, "
        f"{summary.n_changed} changed, {summary.n_reopened} open again"
    )
    for status, number in sorted(summary.by_status.items()):
        say(f"  {number:>8} {status.replace('_', ' ')}")
