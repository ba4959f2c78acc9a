"""`iit config`: settings, without starting anything."""

import typer

from iit.config import load_settings

config = typer.Typer(help="Settings.", no_args_is_help=True)


@config.command("check")
def check_config() -> None:
    """Check all settings and name every problem at once."""
    load_settings()
    typer.echo("the settings are sound")


@config.command("show")
def show_config() -> None:
    """Show all settings; secrets stay hidden."""
    typer.echo(load_settings().model_dump_json(indent=2))
