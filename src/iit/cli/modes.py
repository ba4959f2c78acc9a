"""`iit db read-only` and `iit maintenance on|off`: modes of the whole service, and the way back."""

from enum import StrEnum
from typing import Annotated

import typer

from iit.bootstrap.upkeep import clock, owned_database
from iit.cli.shared import operator, say
from iit.config import load_settings
from iit.services import modes


class Switch(StrEnum):
    """On or off."""

    ON = "on"
    OFF = "off"


def read_only(switch: Annotated[Switch, typer.Argument(help="Stop all writers, or let them write again.")]) -> None:
    """Stop every writer of the database, sessions of pools too; reading and scoring go on.

    Writes are answered with 503 `read_only`; predictions wait on disk and are stored afterwards. `off` undoes it.
    """
    settings = load_settings()
    with owned_database(settings) as (database, url):
        is_on = switch == Switch.ON
        ended = modes.set_read_only(database, url, to=is_on, who=operator(), now=clock(settings))
    say(f"the database {'takes no writes' if is_on else 'takes writes again'}; {ended} sessions were ended")


def maintenance_on(
    message: Annotated[str, typer.Option(help="What callers are told; no word of patients.")] = "under maintenance",
) -> None:
    """Shut the doors: all but health and figures is answered with 503 and Retry-After."""
    settings = load_settings()
    with owned_database(settings) as (database, _):
        modes.shut(database, message, who=operator(), now=clock(settings))
    say("in maintenance: within two seconds all but health answers 503")


def maintenance_off() -> None:
    """Open the doors again."""
    settings = load_settings()
    with owned_database(settings) as (database, _):
        modes.open_again(database, who=operator(), now=clock(settings))
    say("open again within two seconds")
