"""`iit restore`: back to a moment, to a day in isolation, or in rehearsal."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from iit.bootstrap.upkeep import alert, clock, owned_database, restorer, task_log
from iit.cli.shared import Json, operator, say, tell, warn
from iit.config import Settings, load_settings
from iit.domain.errors import InvalidInput, ServiceError
from iit.ops import reports
from iit.ops.backup.catalog import PHYSICAL, newest
from iit.ops.maintenance import REHEARSAL
from iit.ops.restore.beside import remove_folder
from iit.ops.restore.choice import of_day, parse_day, parse_moment
from iit.ops.restore.logical import load_dump
from iit.ops.restore.models import restore_models
from iit.ops.restore.run import Report, Restorer
from iit.ops.restore.target import RecoveryTarget
from iit.ops.restore.told import rehearsed
from iit.store import databases

_RESTORABLE = (*PHYSICAL, "logical")


def restore(
    point_in_time: Annotated[
        str | None, typer.Option(help="2024-01-01 14:30:00, in the service's zone or its own.")
    ] = None,
    xid: Annotated[int | None, typer.Option(min=3, help="Up to this transaction.")] = None,
    lsn: Annotated[str | None, typer.Option(help="Up to this place of the log, 0/3000148.")] = None,
    name: Annotated[str | None, typer.Option(help="Up to this restore point.")] = None,
    before: Annotated[bool, typer.Option("--before", help="Stop just before the moment instead of with it.")] = False,
    backup_only: Annotated[bool, typer.Option("--backup-only", help="The backup's own state, no later log.")] = False,
    backup: Annotated[str | None, typer.Option(help="Begin from this backup instead of the best.")] = None,
    namespace: Annotated[
        str | None, typer.Option(help="Restore in isolation, into a data folder of this name.")
    ] = None,
    backup_date: Annotated[
        str | None, typer.Option(help="Day of the backup for --namespace, 2024-01-01; else the newest.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the namespace.")] = False,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Restore the newest backup beside, check, remove.")
    ] = False,
    logical: Annotated[bool, typer.Option("--logical", help="Load the newest dump (or --backup) into place.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="Put the models of the newest backup (or --backup) in place.")
    ] = False,
    keep_side_by_side: Annotated[
        bool, typer.Option("--keep-side-by-side", help="Leave it beside what serves.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Replace what serves without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Bring back a backup: to the newest moment, or the one given; beside first, then in place, the old kept."""
    settings = load_settings()
    tool = restorer(settings)
    if rehearse:
        _rehearse(settings, tool, dry_run=dry_run, as_json=as_json)
        return
    if namespace is not None:
        _namespace(settings, tool, namespace, backup_date, remove=remove, dry_run=dry_run, as_json=as_json)
        return
    if logical or models:
        _parts(settings, tool, "logical" if logical else "models", backup, is_dry=dry_run, is_sure=yes)
        return
    moment = None if point_in_time is None else _moment(settings, point_in_time)
    target = RecoveryTarget(
        time=moment, xid=xid, lsn=lsn, name=name, is_inclusive=not before, is_immediate=backup_only
    )  # fmt: skip
    links = tool.base(target, backup)
    warn(f"from {', '.join(one.backup_id for one in links)}")
    if dry_run:
        return
    if not keep_side_by_side:
        _confirm("the private server's data will be replaced; those of now are kept beside", is_sure=yes)
    with task_log(settings, "restore", operator().name, warn) as detail:
        report = tool.recover(target, backup_id=backup, keep_beside=keep_side_by_side, say=warn)
        detail.update(_figures(report))
    _tell(report, "restored", as_json=as_json)


def _rehearse(settings: Settings, tool: Restorer, *, dry_run: bool, as_json: bool) -> None:
    if dry_run:
        chosen = newest(tool.vault.manifests()[0], PHYSICAL).backup_id
        say(f"would restore {chosen} beside what runs, check it and remove it")
        return
    try:
        with task_log(settings, REHEARSAL, operator().name, warn) as detail:
            report = tool.rehearse(say=warn)
            kept = settings.data_dir / "reports" / f"rehearsal-{clock(settings):%Y%m%dT%H%M%S}.html"
            reports.write(rehearsed(report, at=clock(settings)), kept)
            detail.update({**_figures(report), "report": str(kept)})
            _tell(report, "rehearsed", as_json=as_json)
            _judge(report)
    except ServiceError:
        alert(settings, "The rehearsal of a restore failed", dedup_key="restore-rehearsal", warn=warn)
        raise


def _moment(settings: Settings, text: str) -> datetime:
    moment = parse_moment(text, zone=settings.zone, now=clock(settings))
    local, universal = moment.astimezone(settings.zone), moment.astimezone(UTC)
    warn(f"to {local:%Y-%m-%d %H:%M:%S} {settings.time_zone}, which is {universal:%Y-%m-%d %H:%M:%S} UTC")
    return moment


def _namespace(
    settings: Settings, tool: Restorer, name: str, day: str | None, *, remove: bool, dry_run: bool, as_json: bool
) -> None:
    folder = tool.namespace(name)
    if remove:
        if not folder.is_dir():
            raise InvalidInput("there is none of that name", place=f"namespace {name}")
        say(f"{'would remove' if dry_run else 'removing'} {folder}")
        if not dry_run:
            remove_folder(folder)
        return
    found, _ = tool.vault.manifests()
    if day is None:
        on = newest(found, _RESTORABLE).finished_at.astimezone(settings.zone).date()
    else:
        on = parse_day(day, today=clock(settings).date())
    if dry_run:
        chosen = of_day(found, on, zone=settings.zone, kinds=_RESTORABLE)
        say(f"would restore {chosen.backup_id} into {folder}")
        return
    with task_log(settings, "restore in isolation", operator().name, warn) as detail:
        report = tool.isolate(name, on, say=warn)
        detail.update(_figures(report))
    _tell(report, "restored in isolation", as_json=as_json)
    if not as_json:
        say(f"serve it with IIT_DATA_DIR={report.data_dir}; remove it with iit restore --namespace {name} --remove")
    _judge(report)


def _parts(
    settings: Settings, tool: Restorer, kind: str, backup_id: str | None, *, is_dry: bool, is_sure: bool
) -> None:
    manifest = tool.vault.manifest(backup_id) if backup_id else newest(tool.vault.manifests()[0], (kind,))
    if manifest.kind != kind:
        raise InvalidInput(f"is no {kind} backup", place=manifest.backup_id)
    warn(f"from {manifest.backup_id}")
    if is_dry:
        return
    what = "database" if kind == "logical" else "models"
    _confirm(f"the {what} will be replaced; those of now are kept beside", is_sure=is_sure)
    label = f"{clock(settings):%Y%m%d%H%M%S}"
    with task_log(settings, f"restore {kind}", operator().name, warn) as detail:
        detail["backup_id"] = manifest.backup_id
        if kind == "models":
            old = restore_models(tool.vault, manifest, settings.models_folder, label=label)
            say(f"models of {manifest.backup_id} in place; those before: {old}")
            return
        with owned_database(settings) as (_, url):
            fresh, kept = (f"{databases.name_of(url)}_{word}_{label}" for word in ("restored", "before"))
            load_dump(
                tool.vault, manifest, url, name=fresh, postgres_bin=settings.postgres_bin, time_zone=settings.time_zone
            )
            databases.exchange(url, fresh, keep_as=kept)
        say(f"{manifest.backup_id} in place; the database before is {kept}")


def _confirm(what: str, *, is_sure: bool) -> None:
    if not is_sure and not sys.stdin.isatty():
        raise InvalidInput(f"{what}: give --yes", place="restore")
    if not is_sure and not typer.confirm(f"{what}. Go on?"):
        raise InvalidInput("not confirmed; nothing was changed", place="restore")


def _judge(report: Report) -> None:
    if report.findings:
        raise InvalidInput("; ".join(one.reason for one in report.findings), place=report.backup_id)


def _figures(report: Report) -> dict[str, object]:
    return {
        "backup_id": report.backup_id,
        "last_commit": report.last_commit,
        "rows": report.rows,
        "seconds": report.seconds,
        "findings": [one.reason for one in report.findings],
    }


def _tell(report: Report, word: str, *, as_json: bool) -> None:
    if as_json:
        tell({**_figures(report), "data_dir": str(report.data_dir), "old_data": str(report.old_data or "")})
        return
    say(f"{word}: {report.backup_id} in {report.seconds.get('all', 0):.1f} s, {len(report.findings)} findings")
    if report.last_commit:
        say(f"  last commit  {report.last_commit}")
    say(f"  data         {report.data_dir}")
    if report.old_data:
        say(f"  data before  {report.old_data}")
    for finding in report.findings:
        say(f"  {finding.check}: {finding.n} {finding.reason}")
