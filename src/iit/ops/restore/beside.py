"""Restoring beside what runs: a backup becomes a private server in a data folder of its own, at the wanted moment."""

import shutil
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from iit.domain.errors import Conflict, InvalidInput, Unavailable
from iit.ops.backup.catalog import Vault
from iit.ops.backup.fetch import fetch
from iit.ops.backup.manifest import Manifest
from iit.ops.restore.target import RecoveryTarget
from iit.ops.tools import Tools
from iit.store.embedded.account import Account
from iit.store.embedded.binaries import Binaries, find_binaries
from iit.store.embedded.cluster import APPLICATION_ROLE, OWNER_ROLE
from iit.store.embedded.places import Places, choose_places, link_of, password_file, root_of
from iit.store.embedded.recovery import Recovered, recover


@dataclass(frozen=True)
class Restored:
    """A restored data folder, its server stopped.

    Attributes:
        data_dir: what `IIT_DATA_DIR` would be.
        manifest: the backup it came from.
        recovered: how far the log was replayed.
        seconds: by step: fetch, combine, verify, replay.
    """

    data_dir: Path
    manifest: Manifest
    recovered: Recovered
    seconds: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class RestorePlan:
    """What to restore and where to.

    Attributes:
        links: the full backup and the incremental ones on it.
        data_dir: an empty or missing folder.
        target: the moment.
        log_folders: where closed segments of the log are.
        postgres_bin: programs to use; else they are found.
        passwords_from: a data folder whose passwords the restored server keeps; else new ones are made.
        server_settings: more settings of the server while it replays the log.
    """

    links: Sequence[Manifest]
    data_dir: Path
    target: RecoveryTarget
    log_folders: Sequence[Path] = ()
    postgres_bin: Path | None = None
    passwords_from: Path | None = None
    server_settings: Mapping[str, str] = field(default_factory=dict)


def restore_beside(vault: Vault, plan: RestorePlan, *, say: Callable[[str], None] = lambda _: None) -> Restored:
    """Restore a backup into a data folder of its own. On failure nothing of it remains.

    Raises:
        Conflict: the folder is used already, or the programs do not fit. NotFound: the moment is out of reach.
        InvalidInput: the backup or the log is damaged.
    """
    last = plan.links[-1]
    binaries = fitting_binaries(plan.postgres_bin, last.server_major)
    if plan.data_dir.exists() and any(plan.data_dir.iterdir()):
        raise Conflict("is used already", place=str(plan.data_dir))
    plan.data_dir.mkdir(parents=True, exist_ok=True)
    places = choose_places(plan.data_dir, Account.current())
    is_done = False
    try:
        restored = _restore(vault, plan, places, binaries, say)
        is_done = True
    except OSError as cause:
        raise Unavailable(cause.strerror or "failed", place=f"restore ({plan.data_dir})") from cause
    finally:
        if not is_done:
            remove_folder(plan.data_dir)
    return restored


def fitting_binaries(override: Path | None, major: int) -> Binaries:
    """Return programs of a version.

    Raises:
        Conflict: there are none of it.
    """
    binaries = find_binaries(override, major=major)
    if binaries.major != major:
        raise Conflict(f"needs programs of version {major}; those found are of {binaries.major}", place="PostgreSQL")
    return binaries


def remove_folder(data_dir: Path) -> None:
    """Remove an isolated data folder with its cluster, wherever that lies."""
    link = link_of(root_of(data_dir))
    if link.is_symlink():
        shutil.rmtree(link.resolve(), ignore_errors=True)
    shutil.rmtree(data_dir)


def _restore(
    vault: Vault, plan: RestorePlan, places: Places, binaries: Binaries, say: Callable[[str], None]
) -> Restored:
    tools = Tools(binaries.folder, binaries.major)
    incoming = places.data.with_name("incoming")
    incoming.mkdir(mode=0o700)
    watch = _Watch()
    folders = []
    for manifest in plan.links:
        say(f"fetching {manifest.backup_id}")
        folders.append(_unpack(vault, manifest, incoming / manifest.backup_id))
    watch.lap("fetch")
    if len(folders) > 1:
        tools.run("pg_combinebackup", "--no-sync", f"--output={places.data}", *map(str, folders))
        watch.lap("combine")
    else:
        folders[0].rename(places.data)
    shutil.rmtree(incoming)
    say("checking every file against the server's manifest")
    tools.run("pg_verifybackup", "--quiet", str(places.data))
    watch.lap("verify")
    places.data.chmod(0o700)
    Account.current().take(places.data)
    _keep_passwords(plan.passwords_from, places)
    say("replaying the log")
    recovered = recover(
        places, binaries, log_folders=plan.log_folders, target={**plan.server_settings, **plan.target.settings()},
        superuser=plan.links[-1].server.get("superuser", OWNER_ROLE),
    )  # fmt: skip
    watch.lap("replay")
    return Restored(plan.data_dir, plan.links[-1], recovered, watch.seconds)


def _unpack(vault: Vault, manifest: Manifest, folder: Path) -> Path:
    data = folder / "data"
    data.mkdir(parents=True, mode=0o700)
    fetch(vault, manifest, folder)
    try:
        for name, into in (("base.tar.gz", data), ("pg_wal.tar.gz", data / "pg_wal")):
            with tarfile.open(folder / name, "r:gz") as archive:
                archive.extractall(into, filter="data")
            (folder / name).unlink()
    except tarfile.TarError as cause:
        raise InvalidInput("cannot be unpacked", place=manifest.backup_id) from cause
    (folder / "backup_manifest").rename(data / "backup_manifest")
    return data


def _keep_passwords(source: Path | None, places: Places) -> None:
    for role in (OWNER_ROLE, APPLICATION_ROLE) if source is not None else ():
        file = password_file(root_of(Path(str(source))), role)
        if file.exists():
            copy = places.password_file(role)
            copy.touch(mode=0o600)
            copy.write_text(file.read_text(encoding="ascii"), encoding="ascii")


class _Watch:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, step: str) -> None:
        now = time.monotonic()
        self.seconds[step] = round(now - self._since, 2)
        self._since = now
