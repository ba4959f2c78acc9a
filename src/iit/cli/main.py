"""The command `iit`."""

import sys

import typer

from iit import __version__
from iit.cli import access, backups, maintenance, modelling, operations, records, restores
from iit.domain.errors import ServiceError

app = typer.Typer(
    name="iit",
    help="Predicts, explains and helps to prevent interruptions in HIV treatment.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks can show locals, and locals hold patients' values
    add_completion=False,
)
app.command("demo")(operations.demo)
app.command("serve")(operations.serve)
app.command("import")(records.import_records)
app.command("synth")(records.synth)
app.command("train")(modelling.train)
app.command("evaluate")(modelling.evaluate)
app.command("score")(modelling.score)
app.command("page")(maintenance.page)
app.command("restore")(restores.restore)
app.command("worklist")(modelling.worklist)
app.add_typer(modelling.models, name="models")
app.add_typer(access.users, name="users")
app.add_typer(access.keys, name="keys")
app.add_typer(operations.database, name="db")
app.add_typer(operations.config, name="config")
app.add_typer(operations.facilities, name="facilities")
app.add_typer(backups.backup, name="backup")
app.add_typer(maintenance.maintenance, name="maintenance")
app.add_typer(maintenance.integrity, name="integrity")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def run() -> None:
    """Run the command; an expected error is one line and its kind's exit code, never a traceback."""
    try:
        app()
    except ServiceError as error:
        typer.echo(f"iit: {error}", err=True)
        sys.exit(error.exit_code)
