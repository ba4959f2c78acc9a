"""`iit export`: records out, for other tools."""

from pathlib import Path
from typing import Annotated

import typer

from iit.bootstrap.meds import meds_export
from iit.cli.shared import Json, operator, running, say, tell

export = typer.Typer(help="Write records for other tools.", no_args_is_help=True)


@export.callback()
def _group() -> None:
    """Keep `meds` a command of its own."""


@export.command("meds")
def meds(
    out: Annotated[Path, typer.Argument(help="Folder to write; it must be empty or missing.")],
    facility: Annotated[str | None, typer.Option(help="Only patients of this facility.")] = None,
    as_json: Json = False,
) -> None:
    """Write all facts as a MEDS dataset (Parquet), with the day each became known; noted on the audit trail."""
    with running() as service:
        n_patients, n_facts = meds_export(service).write(out, who=operator(), facility=facility)
    if as_json:
        tell({"patients": n_patients, "facts": n_facts})
    else:
        say(f"{n_facts} facts of {n_patients} patients in {out}")
        say(f"  {out / 'subjects.csv'} tells which patient a subject is: keep it here")
