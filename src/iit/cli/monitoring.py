"""`iit outcomes` and `iit drift`: what became of past predictions, and whether the world has changed."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from iit.cli.modelling import Day
from iit.cli.records import parse_day
from iit.cli.shared import Json, operator, running, say, tell
from iit.services.monitoring import SINCE, DriftReport
from iit.services.outcomes import OutcomeSummary

_SHOWN = 10  # features that moved most

outcomes = typer.Typer(help="What became of past predictions.", no_args_is_help=True)


@outcomes.callback()
def _group() -> None:
    """What became of past predictions."""


@outcomes.command("resolve")
def resolve(as_of: Day = None, as_json: Json = False) -> None:
    """Judge past predictions by what was known on a day; running it again changes nothing."""
    with running() as service:
        summary = service.outcomes.resolve(as_of=None if as_of is None else parse_day(as_of), who=operator())
    if as_json:
        tell(asdict(summary))
        return
    _print(summary)


def drift(
    since: Annotated[str, typer.Option(help="Lists and ended windows of so many days count.")] = SINCE,
    as_of: Day = None,
    as_json: Json = False,
) -> None:
    """Compare the latest lists and resolved predictions with the champion's reference, keep and show what is found."""
    with running() as service:
        day = None if as_of is None else parse_day(as_of)
        report = service.monitoring.drift(since=since, as_of=day, who=operator())
    if as_json:
        tell(_as_json(report))
        return
    _print_drift(report)


def _as_json(report: DriftReport) -> dict[str, Any]:
    return {
        **asdict(report),
        "features": {name: one._asdict() for name, one in report.features.items()},
        "score": report.score._asdict(),
        "quality": {name: {**one._asdict(), "score": one.score} for name, one in report.quality.items()},
    }


def _print_drift(report: DriftReport) -> None:
    say(f"model {report.model_version}: {report.n_listed} patients listed as of {report.as_of}, "
        f"{report.n_resolved} resolved predictions since {report.since}")  # fmt: skip
    for kind, is_on in report.alerts.items():
        say(f"  {kind:<12} {'too few labels yet' if is_on is None else 'ALERT' if is_on else 'ok'}")
    say(f"  risks        PSI {report.score.psi:.3f} of {report.score.limit:.2f}, KS {report.score.ks:.3f}")
    ranked = sorted(report.features.items(), key=lambda one: -one[1].psi / one[1].limit)
    for name, one in ranked[:_SHOWN]:
        say(f"  {name:<30} PSI {one.psi:.3f} of {one.limit:.2f}, KS {one.ks:.3f}")
    for name, value in report.expected.items():
        say(f"  {name:<12} {value:.4f} expected from the risks, {report.reference[name]:.4f} at the reference")
    for name, (value, low, high) in report.live.items():
        say(f"  {name:<18} {value:.4f}  ({low:.4f} to {high:.4f})")
    for facility in report.fallen:
        say(f"  data of {facility} have become worse: quality {report.quality[facility].score:.2f}")


def _print(summary: OutcomeSummary) -> None:
    say(
        f"{summary.n_judged} predictions judged as of {summary.as_of}: {summary.n_added} outcomes added, "
        f"{summary.n_changed} changed, {summary.n_reopened} open again"
    )
    for status, number in sorted(summary.by_status.items()):
        say(f"  {number:>8} {status.replace('_', ' ')}")
