"""`iit import` and `iit synth`: records in."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from iit.bootstrap import Service
from iit.cli.meds import take_datasets
from iit.cli.messages import import_messages
from iit.cli.shared import Json, operator, progress_bar, running, say, tell
from iit.cli.statements import LIMITS, STATEMENTS, ListOptions, take_statements
from iit.cli.sync import import_openmrs
from iit.domain.errors import InvalidInput, NotFound
from iit.ingest.bounded import Limits
from iit.ingest.csv.dates import Order
from iit.ingest.meds import FILES
from iit.ingest.sources import SourceDocument, Survey, documents, survey
from iit.services import contexts
from iit.services.fhir_intake import FhirIntake
from iit.services.intake import IntakeSummary, Rejection
from iit.services.truths import keep_truths
from iit.synth import DEFAULT_UNTIL, SHIFTS, named_shift, write_cohort


class SourceForm(StrEnum):
    """Forms of records that can be imported."""

    NMRS = "nmrs"
    FHIR = "fhir"
    HL7 = "hl7"
    OPENMRS = "openmrs"
    CSV = "csv"
    NDR = "ndr"
    MEDS = "meds"


class CohortForm(StrEnum):
    """Forms in which a synthetic cohort can be written."""

    NMRS = "nmrs"
    FHIR = "fhir"


Followed = Callable[[], Iterator[SourceDocument]]
OnRejected = Callable[[SourceDocument, Rejection], None]


def _take_documents(service: Service, followed: Followed, on_rejected: OnRejected) -> IntakeSummary:
    return service.intake.take(followed(), who=operator(), on_rejected=on_rejected)


def _take_resources(service: Service, followed: Followed, on_rejected: OnRejected) -> IntakeSummary:
    return FhirIntake(service.fhir, operator(), on_rejected).take(followed)


_TAKE = {SourceForm.NMRS: _take_documents, SourceForm.FHIR: _take_resources}


def _taker(source: SourceForm, told: ListOptions) -> Callable[[Service, Followed, OnRejected], IntakeSummary]:
    def take(service: Service, followed: Followed, on_rejected: OnRejected) -> IntakeSummary:
        return take_statements(service, source, followed(), told, on_rejected)

    return take if source in STATEMENTS else _TAKE[source]


def import_records(
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Files, folders, .zip, .gz, .ndjson; of OpenMRS its address."),
    ] = None,
    source: Annotated[SourceForm, typer.Option(help="What the documents are.")] = SourceForm.NMRS,
    errors: Annotated[Path | None, typer.Option(help="Write rejected documents here, one JSON object a line.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read all of OpenMRS, not only what changed since the last time.")
    ] = False,
    reported: Annotated[
        str | None, typer.Option(help="csv: day whose state the lists tell; else when the file was changed.")
    ] = None,
    dates: Annotated[Order | None, typer.Option(help="csv: what stands first in 03/04/2024.")] = None,
    encoding: Annotated[str, typer.Option(help="csv: utf-8 or windows-1252.")] = "utf-8",
    facility: Annotated[
        str | None, typer.Option(help="csv, meds: facility of lines or datasets that name none.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take in patients' records. Importing the same again changes nothing; a newer export updates.

    Rejected documents are listed with place and reason, and the others go on.
    """
    told = ListOptions(reported, dates, encoding, facility)
    if source is SourceForm.MEDS:
        replace(told, facility=None).refuse_unless(False)
        _import_datasets(_paths(places or []), facility, errors=errors, as_json=as_json)
        return
    told.refuse_unless(source is SourceForm.CSV)
    if source is SourceForm.OPENMRS:
        import_openmrs(places or [], errors=errors, is_full=full, as_json=as_json)
        return
    paths = _paths(places or [])
    if source is SourceForm.HL7:
        import_messages(paths, errors=errors, as_json=as_json)
    else:
        _import_files(paths, source, told, errors=errors, as_json=as_json)


def _import_files(
    paths: list[Path], source: SourceForm, told: ListOptions, *, errors: Path | None, as_json: bool
) -> None:
    limits = LIMITS.get(source, Limits())
    found = survey(paths, limits=limits)
    with running() as service, progress_bar() as bar, _ErrorsFile(errors) as rejected:
        task = bar.add_task("importing", total=found.n_bytes or None)

        def followed() -> Iterator[SourceDocument]:
            for document in documents(paths, limits=limits):
                bar.update(task, completed=document.bytes_done)
                yield document

        summary = _taker(source, told)(service, followed, rejected.add)
        n_truths = _complete(service, paths, summary)
    _report(summary, source, found, n_truths, errors=errors, as_json=as_json)


def _import_datasets(paths: list[Path], facility: str | None, *, errors: Path | None, as_json: bool) -> None:
    n_files = sum(1 for path in paths for _ in path.rglob(FILES))
    with running() as service, _ErrorsFile(errors) as rejected:
        summary = take_datasets(service, paths, facility, rejected.add)
        n_truths = _complete(service, paths, summary)
    _report(summary, SourceForm.MEDS, Survey(n_files, 0, 0), n_truths, errors=errors, as_json=as_json)


def _complete(service: Service, paths: list[Path], summary: IntakeSummary) -> int:
    """Do what follows an import; return how many true risks of synthetic cycles lay beside the records."""
    n_truths = sum(keep_truths(service.database, path) for path in paths if path.is_dir())
    if summary.n_added or summary.n_updated or summary.n_removed:
        contexts.refresh(service.database)
    return n_truths


_READ_OF: Final = {
    SourceForm.FHIR: "resources",
    SourceForm.CSV: "lines",
    SourceForm.NDR: "reports",
    SourceForm.MEDS: "histories",
}


def _report(
    summary: IntakeSummary, source: SourceForm, found: Survey, n_truths: int, *, errors: Path | None, as_json: bool
) -> None:
    if as_json:
        tell(summary.as_dict() | {"files": found.n_files, "ignored_files": found.n_ignored, "source": source})
    else:
        say(f"{summary.n_read} {_READ_OF.get(source, 'documents')} in {found.n_files} files")
        _print(summary, found.n_ignored, n_truths, errors)
    if summary.n_read and summary.n_rejected == summary.n_read:
        raise InvalidInput("every document was rejected", place="import")


def _paths(places: list[str]) -> list[Path]:
    if not places:
        raise InvalidInput("name files or folders", place="import")
    if any("://" in one for one in places):
        raise InvalidInput("is read with --source openmrs", place="an address")  # which may hold a password
    paths = [Path(one) for one in places]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise NotFound("no such file or folder", place=str(missing[0]))
    return paths


def _print(summary: IntakeSummary, n_ignored: int, n_truths: int, errors: Path | None) -> None:
    for label, number in (
        ("added", summary.n_added),
        ("updated", summary.n_updated),
        ("unchanged", summary.n_unchanged),
        ("older than what is known", summary.n_older),
        ("removed, voided by the source", summary.n_removed),
        ("left out, erased at the person's wish", summary.n_erased),
        ("rejected", summary.n_rejected),
    ):
        if number or label in ("added", "rejected"):
            say(f"  {number:>8} {label}")
    if n_ignored:
        say(f"  {n_ignored} files of other types were left alone")
    if n_truths:
        say(f"  true risks of {n_truths} synthetic cycles kept for judging models")
    _print_problems(summary, errors)


def _print_problems(summary: IntakeSummary, errors: Path | None) -> None:
    for reason, number in summary.warnings.most_common(10):
        say(f"  warning, {number} times: {reason}")
    for rejection in summary.rejections[:10]:
        say(f"  rejected: {rejection.place}: {rejection.reason}")
    if len(summary.rejections) > 10:
        say(f"  … and {len(summary.rejections) - 10} more")
    if summary.rejections:
        say(f"  they are in {errors}" if errors else "  give --errors FILE to keep them")


class _ErrorsFile:
    """Rejected documents, one a line; made at the first, readable by its owner only since it holds patients' data."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> "_ErrorsFile":
        if self._path is not None:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(handle, "w", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, document: SourceDocument, rejection: Rejection) -> None:
        if self._file is not None:
            line = {
                "place": rejection.place,
                "reason": rejection.reason,
            }
            if document.data:
                line["document"] = document.data.decode("utf-8", "replace")
            self._file.write(json.dumps(line) + "\n")


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    patients: Annotated[int, typer.Option(min=1, max=10_000_000)] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.")] = 1,
    until: Annotated[str | None, typer.Option(help="Last day of the records, YYYY-MM-DD.")] = None,
    form: Annotated[CohortForm, typer.Option("--format", help="What the documents are.")] = CohortForm.NMRS,
    shift: Annotated[
        str | None, typer.Option(help=f"Change the world, KIND or KIND:STRENGTH; kinds: {', '.join(SHIFTS)}.")
    ] = None,
    shift_on: Annotated[
        str | None, typer.Option(help="First pick-up day of that change; by default 120 days before the last.")
    ] = None,
) -> None:
    """Write a synthetic cohort, a document a patient, with the true risks beside it. No real people."""
    with progress_bar() as bar:
        task = bar.add_task("writing patients", total=patients)
        last = DEFAULT_UNTIL if until is None else parse_day(until)
        since = last - timedelta(days=120) if shift_on is None else parse_day(shift_on)
        write_cohort(
            out, patients=patients, seed=seed, until=last, progress=lambda n: bar.update(task, completed=n),
            shift=None if shift is None else named_shift(shift, since), form=form,
        )  # fmt: skip
    say(f"{patients} synthetic patients in {out}")


def parse_day(text: str) -> date:
    """Return a day written YYYY-MM-DD.

    Raises:
        InvalidInput: it is written in another way.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput("write days as YYYY-MM-DD") from None


def write_csv(path: Path, header: list[str], rows: Iterable[tuple[object, ...]]) -> None:
    """Write a table, readable by its owner only."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
