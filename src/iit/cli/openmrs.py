"""`iit import --source openmrs`: records read where an OpenMRS or NMRS keeps them."""

import json
import os
from pathlib import Path

from iit.bootstrap.sync import openmrs, sync
from iit.cli.shared import operator, progress_bar, running, say, tell
from iit.domain.errors import InvalidInput
from iit.services import contexts
from iit.services.sync import SyncSummary


def import_openmrs(addresses: list[str], *, errors: Path | None, is_full: bool, as_json: bool) -> None:
    """Take in what changed in an OpenMRS since the last time; without an address in that of the settings.

    Raises:
        InvalidInput: there is no address, or more than one; or nothing of what was told could be read.
    """
    if len(addresses) > 1:
        raise InvalidInput("name one address", place="import")
    with running() as service, progress_bar() as bar:
        source = openmrs(service.settings, service, addresses[0] if addresses else None)
        task = bar.add_task("reading", total=None)
        summary = sync(service.settings, service).run(
            source, who=operator(), is_full=is_full,
            on_progress=lambda done, of: bar.update(task, completed=done, total=of),
        )  # fmt: skip
        taken = summary.intake
        if taken.n_added or taken.n_updated or taken.n_removed:
            contexts.refresh(service.database)
    if errors is not None and taken.rejections:
        _write(errors, summary)
    if as_json:
        tell(summary.as_dict())
    else:
        _print(summary, errors)
    if taken.n_read and taken.n_rejected == taken.n_read:
        raise InvalidInput("every record was rejected", place="import")


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
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        for one in summary.intake.rejections:
            file.write(json.dumps({"place": one.place, "reason": one.reason}) + "\n")
