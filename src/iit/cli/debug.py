"""`iit debug`: what a running service does with its memory."""

from typing import Annotated, Any

import typer

from iit.bootstrap.asking import asked_here
from iit.cli.shared import Json, say, tell
from iit.config import load_settings
from iit.ops.memory import MOST_LINES

debug = typer.Typer(help="A running service from inside.", no_args_is_help=True)


@debug.callback()
def _group() -> None:
    """Keep `memory` a command of its own."""


@debug.command("memory")
def memory(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    lines: Annotated[int, typer.Option(min=1, max=MOST_LINES, help="Lines of code to show.")] = 10,
    as_json: Json = False,
) -> None:
    """Show which lines of code hold most memory, and what grew since first asked; needs IIT_DEBUG_MEMORY=true."""
    told = asked_here(load_settings(), f"/api/v1/debug/memory?lines={lines}", port=port)
    if as_json:
        tell(told)
        return
    say(f"process {told['pid']}: {_mb(told['resident_bytes'])} in all, {_mb(told['watched_bytes'])} of it watched "
        f"(at most {_mb(told['watched_peak_bytes'])}); watching takes {_mb(told['watching_bytes'])}")  # fmt: skip
    if told["growth_bytes"] is None:
        say("this is the first picture: ask again later to see what grew")
    else:
        say(f"grown by {_mb(told['growth_bytes'])} since the first picture")
    for line in told["lines"]:
        say(_line(line))


def _line(line: dict[str, Any]) -> str:
    grown = "" if line["growth_bytes"] is None else f"  {line['growth_bytes'] / 1e6:+9.2f} MB"
    return f"{line['bytes'] / 1e6:9.2f} MB{grown}  {line['blocks']:8d} blocks  {line['place']}"


def _mb(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB"
