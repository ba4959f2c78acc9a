"""`iit support`: what somebody needs who helps from afar."""

import os
from pathlib import Path
from typing import Annotated

import typer

from iit.bootstrap.doctor import bundle
from iit.cli.shared import say

support = typer.Typer(help="Help from afar.", no_args_is_help=True)


@support.callback()
def _group() -> None:
    """Keep `bundle` a command of its own."""


@support.command("bundle")
def write(
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("iit-support.zip"),
    host: Annotated[str, typer.Option(help="Address that the service listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
) -> None:
    """Write findings, settings without secrets, versions, figures and logs without people into a zip."""
    for name in bundle(os.environ, out, host=host, port=port):
        say(name)
    say(str(out))
