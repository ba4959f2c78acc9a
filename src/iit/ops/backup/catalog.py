"""What backups a target holds, which of them a restore needs, and which may go."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from iit.domain.errors import InvalidInput, NotFound
from iit.ops.backup.manifest import MANIFEST, Manifest, decode
from iit.ops.backup.sealing import BackupKey
from iit.ops.objects import Target

_ORPHAN_AGE = timedelta(days=1)
PHYSICAL = ("full", "incremental")


@dataclass(frozen=True)
class Vault:
    """Where backups lie and what they are sealed with."""

    target: Target
    key: BackupKey

    def ids(self) -> list[str]:
        """Return the ids of all backups, oldest first."""
        return _whole(stored.name for stored in self.target.listing())

    def manifest(self, backup_id: str) -> Manifest:
        """Return a backup's manifest.

        Raises:
            NotFound: there is no such backup. InvalidInput: the manifest is damaged.
        """
        with tempfile.TemporaryDirectory(prefix="iit-manifest-") as folder:
            path = Path(folder) / MANIFEST
            self.target.get(f"{backup_id}/{MANIFEST}", path)
            found = decode(path.read_bytes(), self.key, place=f"{backup_id}/{MANIFEST}")
        if found.backup_id != backup_id:
            raise InvalidInput("belongs to another backup", place=f"{backup_id}/{MANIFEST}")
        return found

    def manifests(self) -> tuple[list[Manifest], dict[str, str]]:
        """Return all readable manifests, oldest first, and by id why others are not."""
        found, damaged = [], {}
        for backup_id in self.ids():
            try:
                found.append(self.manifest(backup_id))
            except (InvalidInput, NotFound) as error:
                damaged[backup_id] = str(error)
        return found, damaged


def newest(manifests: Sequence[Manifest], kinds: Sequence[str], *, until: datetime | None = None) -> Manifest:
    """Return the newest backup of some kinds that was finished by a time.

    Raises:
        NotFound: there is none; says how far back one can go.
    """
    fitting = [one for one in manifests if one.kind in kinds]
    early = [one for one in fitting if until is None or one.finished_at <= until]
    if early:
        return max(early, key=lambda one: one.finished_at)
    if fitting:
        oldest = min(one.finished_at for one in fitting)
        raise NotFound(
            f"nothing reaches back that far: the oldest moment is {oldest:%Y-%m-%d %H:%M:%S %Z}", place="backup"
        )
    raise NotFound(f"there is no backup of kind {' or '.join(kinds)}", place="backup")


def chain(manifests: Sequence[Manifest], last: Manifest) -> list[Manifest]:
    """Return the backups that restoring one takes: the full one first.

    Raises:
        NotFound: one that it builds on is gone.
    """
    known = {one.backup_id: one for one in manifests}
    links = [last]
    while links[0].parent is not None:
        if links[0].parent not in known:
            raise NotFound(f"builds on {links[0].parent}, which is gone or damaged", place=links[0].backup_id)
        links.insert(0, known[links[0].parent])
    return links


def removable(manifests: Sequence[Manifest], *, now: datetime, keep_days: int) -> list[str]:
    """Return which backups may go: older than `keep_days`, and nothing that is kept needs them.

    The newest good backup of each kind always stays, with all that it builds on.
    """
    limit = now - timedelta(days=keep_days)
    kept = {one.backup_id for one in manifests if one.finished_at >= limit}
    for kind in {one.kind for one in manifests}:
        kept.add(newest(manifests, (kind,)).backup_id)
    by_id: Mapping[str, Manifest] = {one.backup_id: one for one in manifests}
    needed = set(kept)
    for backup_id in kept:
        parent = by_id[backup_id].parent
        while parent is not None and parent in by_id:
            needed.add(parent)
            parent = by_id[parent].parent
    return [one.backup_id for one in manifests if one.backup_id not in needed]


def discard(vault: Vault, backup_id: str) -> None:
    """Remove a backup: its manifest first, so that a half removed one is none."""
    vault.target.remove(f"{backup_id}/{MANIFEST}")
    for stored in vault.target.listing(f"{backup_id}/"):
        vault.target.remove(stored.name)


def leftovers(vault: Vault, *, now: datetime) -> list[str]:
    """Return the ids of half-made backups: files without a manifest, begun more than a day ago."""
    names = [stored.name for stored in vault.target.listing()]
    begun = {name.split("/")[0] for name in names if "/" in name}
    return sorted(one for one in begun.difference(_whole(names)) if _is_old(one, now))


def _whole(names: Iterable[str]) -> list[str]:
    return sorted(name.removesuffix(f"/{MANIFEST}") for name in names if name.endswith(f"/{MANIFEST}"))


def _is_old(backup_id: str, now: datetime) -> bool:
    try:
        started = datetime.strptime(backup_id[:15], "%Y%m%dT%H%M%S").replace(tzinfo=now.tzinfo)
    except ValueError:
        return False  # not ours
    return started < now - _ORPHAN_AGE
