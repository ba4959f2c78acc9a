"""`iit db`: the schema, read-only mode and a prompt."""

import os
import subprocess
from typing import Annotated

import typer

from iit.bootstrap.serving import database_urls
from iit.bootstrap.upkeep import owned_database
from iit.cli import modes
from iit.cli.shared import running, say
from iit.config import load_settings
from iit.domain.errors import Unavailable
from iit.store import migrate
from iit.store.embedded.binaries import find_binaries
from iit.store.server import connection_environment

database = typer.Typer(help="The database.", no_args_is_help=True)
database.command("read-only")(modes.read_only)


@database.command("upgrade")
def upgrade() -> None:
    """Bring the schema up to date; safe to run by many at once."""
    with running():  # which does it before anything else, and puts it on the audit trail
        say("the schema is up to date")


@database.command("check")
def check() -> None:
    """Tell whether the schema is that of this version, and change nothing."""
    with owned_database(load_settings(), migrate=False) as (opened, _), opened.transaction() as tx:
        migrate.check(tx)
    say("the schema is up to date")


@database.command(
    "shell", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def shell(
    context: typer.Context,
    owner: Annotated[
        bool, typer.Option("--owner", help="As the role that owns the tables, not the service's.")
    ] = False,
) -> None:
    """Open PostgreSQL's own prompt on the database; what else is given goes to psql, such as `-c "SELECT 1"`.

    By default with the rights of the service, which can change patients' records but not the audit trail.
    """
    settings = load_settings()
    with database_urls(settings) as (owner_url, app_url):
        program = find_binaries(settings.postgres_bin).program("psql")
        environment = {**os.environ, **connection_environment(owner_url if owner else app_url)}
        try:
            done = subprocess.run([program, "-X", *context.args], env=environment, check=False)  # noqa: S603 - psql
        except FileNotFoundError:
            raise Unavailable("PostgreSQL's programs here lack it: install postgresql-client", place="psql") from None
    raise typer.Exit(done.returncode)
