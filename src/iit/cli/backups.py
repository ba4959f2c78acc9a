"""`iit backup`: making, listing, checking and pruning backups."""

import signal
import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from iit.bootstrap.upkeep import alert, backup_maker, clock, log_source, open_vault, pgbackrest, task_log
from iit.cli.shared import Json, operator, say, tell, warn
from iit.config import Settings, load_settings
from iit.domain.errors import InvalidInput, NotFound, ServiceError
from iit.ops.backup.fetch import verify as verify_backup
from iit.ops.backup.manifest import KINDS, Manifest
from iit.ops.backup.pgbackrest import TYPES
from iit.ops.backup.receive import receive
from iit.ops.maintenance import prune as prune_backups

backup = typer.Typer(help="Backups: sealed, checked, on a folder or S3.", no_args_is_help=True)


@backup.command("run")
def run(
    kind: Annotated[str, typer.Option(help=", ".join(KINDS))] = "full",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Make a backup; a failed part is a failed backup, and what was there before stays."""
    settings = load_settings()
    stanza = settings.pgbackrest_stanza if kind in TYPES else None
    if dry_run:
        say(f"would make a {kind} backup in {settings.backup_address if stanza is None else f'pgBackRest, {stanza}'}")
        return
    try:
        if stanza is not None:
            _run_elsewhere(settings, stanza, kind, as_json=as_json)
            return
        with task_log(settings, f"backup {kind}", operator().name, warn) as detail, backup_maker(settings) as maker:
            made = maker.run(kind, actor=operator().name, say=warn)
            detail.update(backup_id=made.backup_id, bytes=made.sealed_size)
    except ServiceError:
        alert(settings, f"The {kind} backup failed", dedup_key=f"backup-{kind}", warn=warn)
        raise
    if as_json:
        tell(_summary(made))
        return
    seconds = (made.finished_at - made.started_at).total_seconds()
    say(f"{made.backup_id}: {made.sealed_size / 1e6:.1f} MB in {seconds:.1f} s, in {settings.backup_address}")
    if settings.backup_key_file is None:
        say(f"sealed with {settings.data_dir / 'backup_key'}: keep a copy elsewhere, nothing opens it without")


def _run_elsewhere(settings: Settings, stanza: str, kind: str, *, as_json: bool) -> None:
    with task_log(settings, f"backup {kind}", operator().name, warn) as detail, pgbackrest(settings, stanza) as asked:
        made = asked.run(kind, actor=operator().name)
        detail.update(made)
    if as_json:
        tell(made)
    else:
        say(f"{made['label']}: {made['bytes'] / 1e6:.1f} MB, by pgBackRest")


@backup.command("list")
def list_backups(as_json: Json = False) -> None:
    """List the backups of the target, oldest first."""
    found, damaged = open_vault(load_settings()).manifests()
    if as_json:
        tell([*map(_summary, found), *({"backup_id": one, "damaged": why} for one, why in damaged.items())])
        return
    for one in found:
        on = f"on {one.parent}" if one.parent else ""
        say(
            f"{one.backup_id:<30} {one.finished_at:%Y-%m-%d %H:%M:%S}Z {one.sealed_size / 1e6:>10.1f} MB  {on}".rstrip()
        )
    for backup_id, why in damaged.items():
        say(f"{backup_id:<30} DAMAGED {why}")


@backup.command("verify")
def verify(
    backup_ids: Annotated[list[str] | None, typer.Argument(help="Backups to check; by default all.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch, hash and unseal every byte; exit 10 if anything is wrong, 11 if there is nothing to check."""
    vault = open_vault(load_settings())
    chosen = backup_ids or vault.ids()
    if not chosen:
        raise NotFound("there are no backups", place=str(vault.target))
    findings = {backup_id: verify_backup(vault, backup_id) for backup_id in chosen}
    if as_json:
        tell(findings)
    else:
        for backup_id, wrong in findings.items():
            say(f"{backup_id}: {'; '.join(wrong) if wrong else 'whole'}")
    n_damaged = sum(bool(wrong) for wrong in findings.values())
    if n_damaged:
        raise InvalidInput(f"{n_damaged} of {len(findings)} backups are damaged", place=str(vault.target))


@backup.command("prune")
def prune(
    keep_days: Annotated[int | None, typer.Option(min=1, help="Days to keep; else the setting.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go.")] = False,
) -> None:
    """Remove old backups; the newest of each kind and all that kept ones build on always stay."""
    settings = load_settings()
    days = keep_days or settings.backup_keep_days
    going = prune_backups(open_vault(settings), now=clock(settings).astimezone(UTC), keep_days=days, is_dry=dry_run)
    for backup_id in going:
        say(backup_id)
    say(f"{len(going)} {'would be removed' if dry_run else 'removed'}")


@backup.command("receive-wal")
def receive_wal(
    synchronous: Annotated[
        bool, typer.Option("--synchronous", help="Commits wait for the copy: none is lost, none goes on without it.")
    ] = False,
) -> None:
    """Copy the log into IIT_WAL_COPY_DIR as it is written, until told to end (SIGTERM or Ctrl-C)."""
    settings = load_settings()
    if settings.wal_copy_dir is None:
        raise InvalidInput("is not set", place="IIT_WAL_COPY_DIR")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with log_source(settings) as (database, tools):
        receive(
            database, tools, settings.wal_copy_dir, archive=settings.wal_archive_dir,
            is_synchronous=synchronous, sleep=time.sleep,
        )  # fmt: skip


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "backup_id": manifest.backup_id,
        "kind": manifest.kind,
        "parent": manifest.parent,
        "started_at": _text(manifest.started_at),
        "finished_at": _text(manifest.finished_at),
        "bytes": manifest.sealed_size,
        "rows": {table: after for table, (_, after) in manifest.rows.items()},
        "audit_anchor": manifest.audit_anchor,
        "server": manifest.server,
    }


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
