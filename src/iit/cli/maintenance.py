"""`iit maintenance`, `integrity` and `page`: keeping the service well, and calling people when it is not."""

from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from iit.bootstrap.health import disks_of
from iit.bootstrap.serving import trail
from iit.bootstrap.upkeep import clock, open_vault, owned_database, pager, task_log
from iit.cli import modes
from iit.cli.report import composed, last_month
from iit.cli.shared import Json, operator, say, tell, warn
from iit.config import Settings, load_settings
from iit.domain.errors import InvalidInput, NotFound, ServiceError, Unavailable
from iit.model.registry import Registry
from iit.ops import maintenance as upkeep
from iit.ops import reports
from iit.ops.alerts import SEVERITIES
from iit.ops.backup.catalog import Vault
from iit.ops.integrity import Finding, Scope, check
from iit.ops.restore.beside import fitting_binaries
from iit.ops.tools import Tools
from iit.store import server

maintenance = typer.Typer(help="What is done daily, weekly and monthly.", no_args_is_help=True)
integrity = typer.Typer(help="Whether what is stored is whole.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")]


maintenance.command("on")(modes.maintenance_on)
maintenance.command("off")(modes.maintenance_off)


@maintenance.command("daily")
def daily(dry_run: DryRun = False) -> None:
    """Refresh the planner's figures, remove expired sessions, send kept pages, check disks and backups."""
    settings = load_settings()
    if dry_run:
        say("would analyze our tables, remove expired sessions, send kept pages, check disks and backups")
        return
    with task_log(settings, "maintenance daily", operator().name, warn) as detail:
        with owned_database(settings) as (database, _):
            figures, wrong = upkeep.daily(database, now=clock(settings), disks=disks_of(settings))
        detail.update(figures)
        if settings.pagerduty_routing_key is not None:
            try:
                detail["pages_sent"] = pager(settings).flush()
            except ServiceError as error:
                wrong.append(str(error))
        say(f"{figures['tables']} tables analyzed, {figures['sessions_removed']} expired sessions removed")
        for folder, percent in figures["disk_used_percent"].items():
            say(f"{percent:5.1f} % of the disk of {folder} used")
        if wrong:
            raise Unavailable("; ".join(wrong), place="maintenance daily")


@maintenance.command("weekly")
def weekly(dry_run: DryRun = False) -> None:
    """Vacuum our tables, remove old backups and the log that no backup needs any more."""
    settings = load_settings()
    vault = _vault(settings)
    now = clock(settings)
    if dry_run:
        going = (
            upkeep.prune(vault, now=now.astimezone(UTC), keep_days=settings.backup_keep_days, is_dry=True)
            if vault
            else []
        )
        say(f"would vacuum our tables and remove {len(going)} backups: {', '.join(going) or 'none'}")
        return
    with task_log(settings, "maintenance weekly", operator().name, warn) as detail:
        with owned_database(settings) as (database, _):
            figures = upkeep.weekly(
                database, vault, now=now.astimezone(UTC), keep_days=settings.backup_keep_days,
                logs=[one for one in (settings.wal_archive_dir, settings.wal_copy_dir) if one is not None],
            )  # fmt: skip
        detail.update(figures)
        say(f"{figures['tables']} tables vacuumed; the database takes {figures['database_bytes'] / 1e6:.1f} MB")
        say(f"{len(figures['backups_removed'])} backups and {figures['segments_removed']} log segments removed")


@maintenance.command("monthly")
def monthly(
    out: Annotated[Path | None, typer.Option(help="Folder for the report; else `reports` in the data folder.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Write last month's report of performance, quality and growth as an HTML page and as PDF."""
    settings = load_settings()
    start, end = last_month(settings)
    path = (out or settings.data_dir / "reports") / f"{start:%Y-%m}.html"
    if dry_run:
        say(f"would write {path} and {path.with_suffix('.pdf')}")
        return
    with task_log(settings, "maintenance monthly", operator().name, warn) as detail:
        told = composed(settings, "monthly", start, end)
        for form in (path, path.with_suffix(".pdf")):
            reports.write(told, form)
            say(str(form))
        detail.update(
            report=str(path), predictions=told["n_predictions"], disk_full_in_days=told["growth"]["full_in_days"]
        )


@integrity.command("check")
def check_integrity(
    backup: Annotated[str | None, typer.Option(help="Compare the numbers of rows with this backup's manifest.")] = None,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Check tables, facts, structure, models and audit trail; each finding is named, and any ends with exit code 10."""
    settings = load_settings()
    if dry_run:
        say("would check tables, facts, structure, models and the audit trail")
        return
    with task_log(settings, "integrity check", operator().name, warn) as detail:
        rows = None if backup is None else open_vault(settings).manifest(backup).rows
        with owned_database(settings) as (database, url):
            with database.transaction() as tx:
                major, may_look = server.major(tx), server.is_superuser(tx)
            tools = None
            if may_look:
                tools = Tools.to(url, fitting_binaries(settings.postgres_bin, major))
            else:
                warn("pg_amcheck is left out: it needs a superuser")
            scope = Scope(
                registry=Registry(settings.models_folder), tools=tools, rows=rows,
                audit_chain=partial(trail(settings, database).demand_sound, who=operator()),
            )  # fmt: skip
            findings = check(database, scope)
        detail["findings"] = [vars(one) for one in findings]
        _tell(findings, as_json=as_json)
        if findings:
            raise InvalidInput(f"{len(findings)} findings", place="integrity")


def page(
    summary: Annotated[str | None, typer.Argument(help="What is wrong, in a line; no patient's data.")] = None,
    severity: Annotated[str, typer.Option(help=", ".join(SEVERITIES))] = "critical",
    dedup_key: Annotated[
        str | None, typer.Option(help="Names the incident; the same key is the same incident.")
    ] = None,
    resolve: Annotated[bool, typer.Option("--resolve", help="Close the incident of --dedup-key.")] = False,
    flush: Annotated[bool, typer.Option("--flush", help="Send what was kept while PagerDuty was away.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Call people through PagerDuty; what cannot be sent is kept, and the command fails."""
    settings = load_settings()
    if flush:
        say(f"{pager(settings).flush()} sent")
        return
    if not summary:
        raise InvalidInput("say what is wrong", place="summary")
    if resolve and dedup_key is None:
        raise InvalidInput("is needed with --resolve", place="--dedup-key")
    if dry_run:
        say(f"would page ({severity}): {summary}")
        return
    with task_log(settings, "page", operator().name, warn) as detail:
        action = "resolve" if resolve else "trigger"
        key = pager(settings).page(summary, severity=severity, dedup_key=dedup_key, action=action)
        detail["dedup_key"] = key
    say(key)


def _tell(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        tell([vars(one) for one in findings])
        return
    for one in findings:
        say(f"{one.check}: {one.n} {one.reason}")
    say("all is well" if not findings else f"{len(findings)} findings")


def _vault(settings: Settings) -> Vault | None:
    try:
        return open_vault(settings)
    except NotFound:
        warn("no backup was ever made: there is no key")
        return None
