"""The command `iit`. A command's module is imported when the command is used: starting one does not load all."""

import importlib
import sys
from typing import Any, Final

import typer
from typer.core import TyperGroup

from iit import __version__
from iit.domain.errors import ServiceError
from iit.telemetry import places_of

_COMMANDS: Final = {
    # name: module of iit.cli, and its function (a command) or Typer (a group of commands)
    "demo": "operations:demo",
    "serve": "operations:serve",
    "import": "records:import_records",
    "sync": "sync:sync",
    "reconcile": "sync:reconcile",
    "write-back": "sync:write_back",
    "export": "exports:export",
    "synth": "records:synth",
    "train": "modelling:train",
    "evaluate": "modelling:evaluate",
    "score": "modelling:score",
    "drift": "monitoring:drift",
    "worklist": "modelling:worklist",
    "models": "modelling:models",
    "jobs": "jobs:jobs",
    "outcomes": "monitoring:outcomes",
    "users": "access:users",
    "keys": "access:keys",
    "access": "access:access",
    "backup": "backups:backup",
    "restore": "restores:restore",
    "maintenance": "maintenance:maintenance",
    "integrity": "maintenance:integrity",
    "page": "maintenance:page",
    "report": "report:report",
    "hl7": "hl7:hl7",
    "inbox": "inbox:inbox",
    "audit": "audit:audit",
    "privacy": "privacy:privacy",
    "db": "databases:database",
    "config": "settings:config",
    "doctor": "doctor:doctor",
    "support": "support:support",
    "debug": "debug:debug",
    "facilities": "operations:facilities",
    "version": "main:version",
}


class _Commands(TyperGroup):
    """Finds commands by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        part = getattr(importlib.import_module(f"iit.cli.{module}"), name)
        if isinstance(part, typer.Typer):
            command: Any = typer.main.get_group(part)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command()(part)
            command = typer.main.get_command(alone)
        command.name = cmd_name
        return command


# Not a Typer, whose tracebacks can show locals: locals hold patients' values.
app = _Commands(
    name="iit", help="Predicts, explains and helps to prevent interruptions in HIV treatment.", no_args_is_help=True
)


def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def run() -> None:
    """Run the command; an expected error is one line and its kind's exit code, a bug tells its places and no values."""
    try:
        app()
    except ServiceError as error:
        typer.echo(f"iit: {error}", err=True)
        sys.exit(error.exit_code)
    except Exception as bug:  # noqa: BLE001 - the rim of commands
        typer.echo(f"{places_of(bug)}\niit: this is a bug of the service", err=True)
        sys.exit(1)
