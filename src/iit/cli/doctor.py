"""`iit doctor`: what is wrong, why, and the next step, whether or not anything runs."""

import os
from typing import Annotated

import typer

from iit.bootstrap.doctor import diagnose
from iit.cli.shared import Json, say, tell
from iit.ops.doctor.findings import Finding, Level


def doctor(
    host: Annotated[str, typer.Option(help="Address that the service listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64)] = 1,
    as_json: Json = False,
) -> None:
    """Find what is wrong, name the cause and the next step; starts and changes nothing.

    Exit code 0: nothing, or notes. 10: warnings. 14: a fault keeps the service from working.
    """
    found = diagnose(os.environ, host=host, port=port, workers=workers)
    if as_json:
        tell([_as_json(one) for one in found])
    else:
        for one in found:
            say(f"{one.remedy.level.name.lower():8}{one.code}: {one.reason}")
            say(f"        {one.remedy.means}")
            say(f"        next: {one.remedy.next_step}")
        n_bad = sum(one.remedy.level > Level.NOTE for one in found)
        say("nothing is wrong" if not n_bad else f"{n_bad} findings")
    raise typer.Exit(max((one.remedy.level for one in found), default=Level.NOTE))


def _as_json(finding: Finding) -> dict[str, str]:
    remedy = finding.remedy
    return {"code": finding.code, "level": remedy.level.name.lower(), "reason": finding.reason,
            "means": remedy.means, "next_step": remedy.next_step}  # fmt: skip
