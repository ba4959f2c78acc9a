"""`iit privacy`: what a person may ask for, and how long things are kept."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from iit.cli.shared import operator, running, say
from iit.domain.errors import InvalidInput

privacy = typer.Typer(help="Export, erasure and retention of what is kept about persons.", no_args_is_help=True)

Patient = Annotated[str, typer.Argument(metavar="PATIENT_UUID", help="Whom it concerns.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this, only tell what would be done.")]


@privacy.command("export")
def export(patient_uuid: Patient, out: Annotated[Path, typer.Option(help="A .json file.")]) -> None:
    """Write everything kept about a person to a file, readable by its owner only."""
    with running() as service:
        told = service.privacy.export(patient_uuid, who=operator())
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(told, file, indent=2, default=str)
    say(f"{sum(len(rows) for rows in told.values())} rows of {len(told)} tables in {out}")


@privacy.command("erase")
def erase(patient_uuid: Patient, yes: Yes = False) -> None:
    """Remove everything kept about a person, for good; later imports leave the person out."""
    if not yes:
        raise InvalidInput("this removes everything kept about the person, for good: add --yes", place="erase")
    with running() as service:
        removed = service.privacy.erase(patient_uuid, who=operator())
    for table, number in removed.items():
        say(f"{number:>8} removed from {table}")
    say("backups made before still hold the person until they are pruned")


@privacy.command("readmit")
def readmit(patient_uuid: Patient, yes: Yes = False) -> None:
    """Let the records of a person who was erased be imported again."""
    if not yes:
        raise InvalidInput("this lets imports bring the person back: add --yes", place="readmit")
    with running() as service:
        service.privacy.readmit(patient_uuid, who=operator())
    say("the person's records may be imported again")


@privacy.command("retention")
def retention(
    predictions_days: Annotated[int, typer.Option(min=30, help="Days for which predictions are kept.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    yes: Yes = False,
) -> None:
    """Remove predictions, with their outcomes, that are older than so many days."""
    with running() as service:
        number = service.privacy.expired_predictions(predictions_days)
        if yes and not dry_run:
            number = service.privacy.drop_expired_predictions(predictions_days, who=operator())
    verb = "were removed" if yes and not dry_run else "would be removed (add --yes)"
    say(f"{number} predictions older than {predictions_days} days {verb}")
