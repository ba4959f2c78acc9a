"""Putting a restored cluster in the place of the one that served; the old one is kept beside it."""

import fcntl
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from iit.domain.errors import Conflict, Unavailable
from iit.store.embedded.account import Account
from iit.store.embedded.binaries import find_binaries
from iit.store.embedded.cluster import APPLICATION_ROLE, OWNER_ROLE, locked
from iit.store.embedded.places import Places, choose_places, link_of, reachable, root_of
from iit.store.embedded.wal import archive_history

_SEGMENT: Final = re.compile(r"[0-9A-F]{24}")


def is_in_use(data_dir: Path) -> bool:
    """Return whether a process uses the private server of a data folder."""
    root = root_of(data_dir)
    if not (root / "users").exists():
        return False
    handle = os.open(root / "users", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def has_data(data_dir: Path) -> bool:
    """Return whether a data folder holds a private server's data."""
    return (home_of(data_dir) / "data" / "PG_VERSION").exists()


def log_folder(data_dir: Path, system_identifier: str) -> Path | None:
    """Return the folder with the log of the private server, if it is still there and of that very server.

    A service that was started after a loss has made a new server, whose log leads nowhere.
    """
    folder = home_of(data_dir) / "data" / "pg_wal"
    if not folder.is_dir():
        return None
    segments = [path for path in folder.iterdir() if _SEGMENT.fullmatch(path.name)]
    return folder if any(_server_of(path) == system_identifier for path in segments) else None


def home_of(data_dir: Path) -> Path:
    """Return the folder in which a data folder's cluster lies."""
    root = root_of(data_dir)
    link = link_of(root)
    return link.resolve() if link.is_symlink() else root


def _server_of(segment: Path) -> str:
    with segment.open("rb") as file:
        header = file.read(32)
    return str(int.from_bytes(header[24:32], sys.byteorder))  # xlp_sysid of XLogLongPageHeaderData


def exchange(
    data_dir: Path, restored_dir: Path, *, label: str, postgres_bin: Path | None, archive: Path | None
) -> Path | None:
    """Put the restored cluster in the place of the one that serves.

    Args:
        data_dir: the installation's data folder.
        restored_dir: the data folder that was restored into; its server is stopped.
        label: how the folder of the old data is marked.
        postgres_bin: programs to stop an idle server with.
        archive: where the log is archived: the new history is told there, so that later restores find their way.

    Returns:
        Where the old data lie now; None if there were none.

    Raises:
        Conflict: the server is in use: stop the service first. Unavailable: the folders cannot be renamed.
    """
    account = Account.current()
    ours, new = choose_places(data_dir, account), choose_places(restored_dir, account)
    with locked(ours.root / "lock"), _unused(ours, postgres_bin, account):
        if archive is not None:
            archive_history(new.data, archive, ours.run, account)
        old = ours.data.with_name(f"data.before-{label}")
        try:
            had_data = ours.data.exists()
            if had_data:
                ours.data.rename(old)
            new.data.rename(ours.data)
        except OSError as cause:
            raise Unavailable(f"cannot be renamed: {cause.strerror}", place=str(new.data)) from cause
        for role in (OWNER_ROLE, APPLICATION_ROLE):
            os.replace(new.password_file(role), ours.password_file(role))
    return old if had_data else None


@contextmanager
def _unused(places: Places, postgres_bin: Path | None, account: Account) -> Iterator[None]:
    """Hold the server so that nobody can begin to use it, stopped."""
    handle = os.open(places.root / "users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            raise Conflict("the private server is in use: stop the service first", place="restore") from cause
        if (places.data / "postmaster.pid").exists():  # left running by a user that was killed
            version = places.data / "PG_VERSION"
            major = int(version.read_text(encoding="ascii")) if version.exists() else None
            binaries = reachable(find_binaries(postgres_bin, major=major), account)
            account.run([binaries.program("pg_ctl"), "-D", str(places.data), "stop", "-m", "immediate", "-w"])
        yield
    finally:
        os.close(handle)
