"""What is done daily and weekly so that the service stays as fast and as small as it should be."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from iit.ops.backup.catalog import PHYSICAL, Vault, discard, leftovers, removable
from iit.ops.backup.manifest import Manifest
from iit.store import backups as backup_store
from iit.store import maintenance as maintenance_store
from iit.store.database import Database

_SEGMENT: Final = re.compile(r"([0-9A-F]{8})([0-9A-F]{16})(?:\.[0-9A-F]{8}\.backup|\.partial)?(?:\.gz)?")
_LATE: Final = timedelta(hours=26)
REHEARSAL: Final = "restore rehearsal"
"""Name of the task in the log of maintenance."""
LONGEST_UNREHEARSED: Final = timedelta(days=100)
"""A quarter and some days."""


@dataclass(frozen=True, kw_only=True)
class DiskLimits:
    """Folders whose disks are watched, and the share of them in percent that may be used."""

    folders: Sequence[Path]
    percent: float


def daily(database: Database, *, now: datetime, disks: DiskLimits) -> tuple[dict[str, Any], list[str]]:
    """Refresh figures, remove expired sessions, look at disks and backups; return figures and what is wrong.

    A backup that was not restored for long, were it in rehearsal, is wrong, too.
    """
    with database.transaction() as tx:
        n_sessions = maintenance_store.remove_expired(tx, now=now)
        latest = backup_store.latest_good(tx)
        trusted_since = maintenance_store.last_success(tx, REHEARSAL) or backup_store.first_whole(tx)
    n_tables = maintenance_store.tend(database, is_vacuum=False)
    used = {str(folder): used_percent(folder) for folder in disks.folders if folder.is_dir()}
    wrong = [
        f"the disk of {folder} is {percent:.0f} % full; the limit is {disks.percent:.0f} %"
        for folder, percent in used.items()
        if percent > disks.percent
    ]
    figures = {"tables": n_tables, "sessions_removed": n_sessions, "disk_used_percent": used}
    return figures, [*wrong, *_late(latest, now), *_unrehearsed(trusted_since, now)]


def weekly(
    database: Database, vault: Vault | None, *, now: datetime, keep_days: int, logs: Sequence[Path]
) -> dict[str, Any]:
    """Vacuum, remove old backups and the log that no backup needs any more; return figures."""
    n_tables = maintenance_store.tend(database, is_vacuum=True)
    with database.transaction() as tx:
        size = maintenance_store.sizes(tx)["all"]
    removed, segments = [], 0
    if vault is not None:
        removed = prune(vault, now=now, keep_days=keep_days)
        kept = vault.manifests()[0] if logs else []
        segments = sum(prune_log(folder, kept) for folder in logs)
    return {"tables": n_tables, "database_bytes": size, "backups_removed": removed, "segments_removed": segments}


def prune(vault: Vault, *, now: datetime, keep_days: int, is_dry: bool = False) -> list[str]:
    """Remove backups that are old and not needed, and half-made ones; return which."""
    found, _ = vault.manifests()
    going = [*removable(found, now=now, keep_days=keep_days), *leftovers(vault, now=now)]
    for backup_id in going if not is_dry else ():
        discard(vault, backup_id)
    return going


def prune_log(archive: Path, manifests: Sequence[Manifest]) -> int:
    """Remove segments of the log from before the oldest backup of a whole server; return how many.

    With no such backup nothing is removed. Histories of the log stay.
    """
    starts = [_segment_of(one.server["start_lsn"]) for one in manifests if one.kind in PHYSICAL]
    if not starts or not archive.is_dir():
        return 0
    n_removed = 0
    for path in archive.iterdir():
        match = _SEGMENT.fullmatch(path.name)
        if match and match[2] < min(starts):
            path.unlink()
            n_removed += 1
    return n_removed


def used_percent(folder: Path) -> float:
    """Return how much of the disk of a folder is used, in percent of what is ours to use."""
    usage = shutil.disk_usage(folder)
    ours = usage.used + usage.free
    return 100 * usage.used / ours if ours else 0.0  # file systems such as /proc have no size


def _late(latest: dict[str, datetime], now: datetime) -> list[str]:
    whole = [when for kind, when in latest.items() if kind != "models"]
    if not whole:
        return []
    age = now - max(whole)
    return [f"the newest backup is {age.total_seconds() / 3600:.0f} h old"] if age > _LATE else []


def _unrehearsed(since: datetime | None, now: datetime) -> list[str]:
    """Complain where no restore was rehearsed since, which is the first backup where none ever was."""
    if since is None or now - since <= LONGEST_UNREHEARSED:
        return []
    return [f"no restore was rehearsed in the last {(now - since).days} days: iit restore --rehearse"]


def _segment_of(lsn: str) -> str:
    high, low = (int(part, 16) for part in lsn.split("/"))
    return f"{high:08X}{low >> 24:08X}"  # segments of 16 MiB, as our server has
