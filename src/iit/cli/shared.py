"""What commands share: settings, the service, output for people or machines, progress."""

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from iit.bootstrap import Service, service
from iit.config import load_settings
from iit.domain.access import Principal, local_operator
from iit.domain.audit import Origin, Purpose, acting_from

err = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


@contextmanager
def running() -> Iterator[Service]:
    """Yield the service with the settings of the environment."""
    origin = Origin("local", uuid4().hex, Purpose.OPERATIONS)
    with acting_from(origin), service(load_settings()) as made:
        yield made


def operator() -> Principal:
    """Return who runs the command: whoever can is trusted with everything on this machine."""
    return local_operator(getpass.getuser())


def say(text: str) -> None:
    """Print a line."""
    typer.echo(text)


def warn(text: str) -> None:
    """Print a line on standard error."""
    typer.echo(f"iit: {text}", err=True)


def tell(value: object) -> None:
    """Print JSON."""
    json.dump(value, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show progress on standard error, where a person looks at it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not sys.stderr.isatty()) as bar:
        yield bar


def stage_printer(bar: Progress) -> Any:
    """Return a callback (stage, done, of) that shows each stage as a bar of its own."""
    tasks: dict[str, Any] = {}

    def show(stage: str, done: int, of: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage, total=of)
        bar.update(tasks[stage], completed=done)

    return show
