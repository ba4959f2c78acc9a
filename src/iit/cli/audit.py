"""`iit audit`: the trail of who did what, its check, and whom an incident affects."""

import json
import os
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from iit.cli.records import parse_day, write_csv
from iit.cli.shared import Json, operator, running, say, tell
from iit.config import load_settings
from iit.domain.audit import EventType
from iit.domain.errors import Conflict, InvalidInput
from iit.services.audit import Verdict
from iit.services.tables import safe_cell
from iit.store.audit import Affected, AuditFilter, AuditRow

audit = typer.Typer(help="The audit trail.", no_args_is_help=True)

Since = Annotated[str | None, typer.Option("--from", help="First day or moment, YYYY-MM-DD or YYYY-MM-DDTHH:MM.")]
Until = Annotated[str | None, typer.Option("--to", help="Last day (included) or moment (excluded).")]
Types = Annotated[list[EventType] | None, typer.Option("--type", help="Event type; may be given several times.")]
Actor = Annotated[str | None, typer.Option(help="Who acted, for example user:ada or key:abcdefgh2345.")]
Target = Annotated[
    str | None, typer.Option(help="What was acted upon; patient:UUID also finds lists with the patient.")
]
Outcome = Annotated[str | None, typer.Option(help="ok, refused, failed or started.")]


@audit.command("verify")
def verify(since: Since = None, until: Until = None, as_json: Json = False) -> None:
    """Check that no row was changed, removed, put in or exchanged, and that the end is where it was.

    A sound trail is then anchored outside the database. Exit code 13 if anything is wrong.
    """
    with running() as service:
        verdict = service.audit.verify(_moment(since), _moment(until, last=True), who=operator())
    if as_json:
        tell({"sound": verdict.is_sound, **_as_dict(verdict)})
    else:
        _print(verdict)
    if not verdict.is_sound:
        raise Conflict(
            f"{verdict.n_findings} findings, the first at row {verdict.findings[0].seq}", place="audit trail"
        )


@audit.command("search")
def search(
    since: Since = None,
    until: Until = None,
    event_types: Types = None,
    who: Annotated[str | None, typer.Option("--actor", help="Who acted, for example user:ada.")] = None,
    target: Target = None,
    outcome: Outcome = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most, the newest.")] = 100,
    as_json: Json = False,
) -> None:
    """Show what was done, newest first."""
    wish = AuditFilter(_moment(since), _moment(until, last=True), event_types or (), who, target, outcome)
    with running() as service:
        rows = service.audit.search(wish, limit=limit, who=operator())
    if as_json:
        tell([row._asdict() for row in rows])
        return
    for row in rows:
        say(f"{row.seq:>8}  {row.timestamp:%Y-%m-%d %H:%M:%S%z}  {row.event_type:<20} {row.outcome:<8} "
            f"{row.actor:<20} {row.target}")  # fmt: skip


@audit.command("export")
def export(
    out: Annotated[Path, typer.Option(help="A .ndjson or .csv file.")],
    since: Since = None,
    until: Until = None,
    event_types: Types = None,
    who: Annotated[str | None, typer.Option("--actor", help="Who acted, for example user:ada.")] = None,
    target: Target = None,
    outcome: Outcome = None,
) -> None:
    """Write rows to a file, oldest first, readable by its owner only. The export is itself on the trail."""
    write = {".ndjson": _write_ndjson, ".csv": _write_csv}.get(out.suffix)
    if write is None:
        raise InvalidInput("must end in .ndjson or .csv", place="--out")
    wish = AuditFilter(_moment(since), _moment(until, last=True), event_types or (), who, target, outcome)
    with running() as service, service.audit.exported(wish, who=operator()) as rows:
        write(out, rows)
    say(f"the rows are in {out}")


@audit.command("affected")
def affected(
    since: Since = None,
    until: Until = None,
    event_types: Types = None,
    who: Annotated[str | None, typer.Option("--actor", help="Whose acts; by default everyone's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write a .csv file.")] = None,
    as_json: Json = False,
) -> None:
    """List the patients whose data were read or changed, for an incident report."""
    wish = AuditFilter(_moment(since), _moment(until, last=True), event_types or (), who)
    with running() as service:
        rows = service.audit.affected(wish, who=operator())
    if out is not None:
        write_csv(out, list(Affected._fields), [_cells(row) for row in rows])
    if as_json:
        tell([row._asdict() for row in rows])
        return
    say(f"{len(rows)} patients affected")
    if out is None:
        for row in rows:
            say(f"{row.patient_uuid}  {row.n_events:>5}  {row.first_at:%Y-%m-%d %H:%M}  {row.last_at:%Y-%m-%d %H:%M}  "
                f"{', '.join(row.event_types)}")  # fmt: skip


@audit.command("anchor")
def anchor() -> None:
    """Write down outside the database where the trail ends; daily upkeep and every sound check do so too."""
    with running() as service:
        told = service.audit.anchor()
    say("the trail has not grown since the last anchor" if told is None else f"anchored at row {told.seq}")


@audit.command("accept-restore")
def accept_restore(
    yes: Annotated[bool, typer.Option("--yes", help="A backup was put back, and its loss of rows is known.")] = False,
) -> None:
    """Let the trail go on after a backup of the database was put back; every later check still tells of it."""
    if not yes:
        raise InvalidInput("rows written after the backup are given up: add --yes", place="accept-restore")
    with running() as service:
        held = service.audit.accept_restore(who=operator())
    say("the trail goes on from its beginning" if held is None else f"the trail goes on from row {held.seq}")


def _moment(text: str | None, *, last: bool = False) -> datetime | None:
    """Return a moment in the facilities' zone; a last day means up to its end."""
    if text is None:
        return None
    zone = load_settings().zone
    if "T" not in text:
        day = parse_day(text) + timedelta(days=last)
        return datetime.combine(day, time(), zone)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("write moments as YYYY-MM-DDTHH:MM", place="--from, --to") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _as_dict(verdict: Verdict) -> dict[str, Any]:
    return {
        "rows": verdict.n_rows,
        "first_seq": verdict.first_seq,
        "last_seq": verdict.last_seq,
        "anchors": verdict.n_anchors,
        "n_findings": verdict.n_findings,
        "findings": [{"seq": one.seq, "problem": one.problem} for one in verdict.findings],
        "warnings": verdict.warnings,
    }


def _print(verdict: Verdict) -> None:
    say(
        f"{verdict.n_rows} rows checked, {verdict.first_seq} to {verdict.last_seq}, against {verdict.n_anchors} anchors"
    )
    for warning in verdict.warnings:
        say(f"  warning: {warning}")
    for finding in verdict.findings:
        say(f"  row {finding.seq}: {finding.problem}")
    if verdict.is_sound:
        say("the trail is sound")


def _write_ndjson(path: Path, rows: Iterable[AuditRow]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row._asdict(), default=str) + "\n" for row in rows)


def _write_csv(path: Path, rows: Iterable[AuditRow]) -> None:
    write_csv(path, list(AuditRow._fields), (_cells(row) for row in rows))


def _cells(row: NamedTuple) -> tuple[object, ...]:
    """Return cells that a spreadsheet will not run: lists and objects as text, nothing that begins a formula."""
    flat = (
        " ".join(cell) if isinstance(cell, list) else json.dumps(cell) if isinstance(cell, dict) else cell
        for cell in row
    )
    return tuple(safe_cell(cell) for cell in flat)
