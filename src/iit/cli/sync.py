"""`iit sync` and `iit reconcile`: records read where an OpenMRS keeps them, and whether all of them are here."""

import json
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from iit.bootstrap import Service
from iit.bootstrap.sync import counted, followed, sync_of, write_back_of
from iit.cli.shared import Json, operator, progress_bar, running, say, tell, warn
from iit.domain.errors import Conflict, InvalidInput
from iit.ops.journal import journal
from iit.services import contexts
from iit.services.reconciliation import WHAT, Reconciliation
from iit.services.reconciliation import reconcile as compared
from iit.services.sync import SyncSummary

AddressOf = Annotated[
    str | None, typer.Argument(metavar="[ADDRESS]", help="Of OpenMRS; else IIT_OPENMRS_URL.", show_default=False)
]


def sync(
    address: AddressOf = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything, not only what changed.")] = False,
    errors: Annotated[Path | None, typer.Option(help="Write what was rejected here, one JSON object a line.")] = None,
    as_json: Json = False,
) -> None:
    """Take in what changed in OpenMRS since the last time; for cron and timers.

    Two never run at once: the second ends with exit code 13. Each leaves a row in the log of maintenance.
    """
    import_openmrs([] if address is None else [address], errors=errors, is_full=full, as_json=as_json)


def import_openmrs(addresses: list[str], *, errors: Path | None, is_full: bool, as_json: bool) -> None:
    """Take in what changed in an OpenMRS since the last time; without an address in that of the settings.

    Raises:
        InvalidInput: there is no address, or more than one; or nothing of what was told could be read.
    """
    if len(addresses) > 1:
        raise InvalidInput("name one address", place="import")
    with running() as service, _logged(service, "sync openmrs") as detail:
        summary = _run(service, addresses[0] if addresses else None, is_full=is_full)
        taken = summary.intake
        detail.update(summary.figures())
        if errors is not None and taken.rejections:
            _write(errors, summary)
        if as_json:
            tell(summary.as_dict())
        else:
            _print(summary, errors)
        if taken.n_read and taken.n_rejected == taken.n_read:
            raise InvalidInput("every record was rejected", place="import")


def reconcile(
    address: AddressOf = None,
    differences: Annotated[
        Path | None, typer.Option(help="Write the patients that differ here, as CSV: patient_uuid,difference.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare patients, pick-ups and last days of an OpenMRS database with ours; exit code 13 where they differ."""
    with running() as service, _logged(service, "reconcile openmrs") as detail:
        found = compared(service.database, counted(service, address))
        detail.update(found.figures())
        if differences is not None:
            _write_lines(differences, ("patient_uuid,difference", *(",".join(one) for one in found.differences)))
        if as_json:
            tell(found.figures())
        else:
            _print_sides(found)
        if found.differences:
            raise Conflict(f"{len(found.differences)} patients differ", place=f"facility {found.facility}")


def write_back(as_json: Json = False) -> None:
    """Tell risks that are new since the last time to OpenMRS; off until IIT_OPENMRS_WRITE_BACK_URL is set.

    After scoring, for cron and timers. Telling the same again changes nothing there.
    """
    with running() as service, _logged(service, "write-back openmrs") as detail:
        summary = write_back_of(service).run(who=operator())
        detail.update(vars(summary))
        if as_json:
            tell(vars(summary))
        else:
            say(f"{summary.n_told} risks told, {summary.n_same} there already, {summary.n_refused} not taken")


def _run(service: Service, address: str | None, *, is_full: bool) -> SyncSummary:
    with progress_bar() as bar:
        task = bar.add_task("reading", total=None)
        summary = sync_of(service).run(
            followed(service, address), who=operator(), is_full=is_full,
            on_progress=lambda done, of: bar.update(task, completed=done, total=of),
        )  # fmt: skip
    taken = summary.intake
    if taken.n_added or taken.n_updated or taken.n_removed:
        contexts.refresh(service.database)
    return summary


def _logged(service: Service, task: str) -> AbstractContextManager[dict[str, Any]]:
    """Keep a row of the task in the log of maintenance when it ends."""
    return journal(
        task, actor=operator().name, opened=lambda: nullcontext(service.database), now=service.now, warn=warn
    )


def _print_sides(found: Reconciliation) -> None:
    say(f"facility {found.facility} in {found.source}")
    say(f"  {'':12} {'theirs':>12} {'ours':>12}")
    for label, theirs, ours in zip(("patients", "pick-ups", "last pick-up"), found.theirs, found.ours, strict=True):
        say(f"  {label:12} {theirs or '-'!s:>12} {ours or '-'!s:>12}")
    for what, text in WHAT.items():
        number = sum(one.what == what for one in found.differences)
        if number:
            say(f"  {number:>8} {text}")


def _print(summary: SyncSummary, errors: Path | None) -> None:
    taken = summary.intake
    since = "all records" if summary.since is None else f"changes since {summary.since:%Y-%m-%d %H:%M}"
    say(f"{taken.n_read} patients read from {summary.source}: {since}")
    for label, number in (
        ("added", taken.n_added), ("updated", taken.n_updated), ("unchanged", taken.n_unchanged),
        ("removed, voided by the source", taken.n_removed), ("joined with another patient there", summary.n_merged),
        ("of people who were erased here: left out", taken.n_erased), ("rejected", taken.n_rejected),
        ("kept by a reading that broke off before", summary.n_resumed),
    ):  # fmt: skip
        if number or label in ("added", "rejected"):
            say(f"  {number:>8} {label}")
    for reason, number in taken.warnings.most_common(10):
        say(f"  warning, {number} times: {reason}")
    for rejection in taken.rejections[:10]:
        say(f"  rejected: {rejection.place}: {rejection.reason}")
    if taken.rejections:
        say(f"  they are in {errors}" if errors else "  give --errors FILE to keep them")


def _write(path: Path, summary: SyncSummary) -> None:
    _write_lines(path, (json.dumps({"place": one.place, "reason": one.reason}) for one in summary.intake.rejections))


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines, readable by their owner only."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
