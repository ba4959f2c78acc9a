"""Where backups lie: a folder, or a bucket of S3 or of anything that speaks like it."""

import os
import shutil
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

from iit.domain.errors import InvalidInput, NotFound, Unavailable
from iit.model.bundle import sync_folder


class Stored(NamedTuple):
    """A stored file: its name with slashes, and its size in bytes."""

    name: str
    size: int


class Target(Protocol):
    """A place for files. A name appears when its file is whole, never before."""

    def __str__(self) -> str:
        """Return how an operator would name it."""

    def put(self, name: str, path: Path) -> None:
        """Store a file durably.

        Raises:
            Unavailable: the target is full, away or refuses.
        """

    def get(self, name: str, path: Path) -> None:
        """Fetch a file.

        Raises:
            NotFound: there is none. Unavailable: the target is away or refuses.
        """

    def listing(self, prefix: str = "") -> list[Stored]:
        """Return the files below a prefix, by name.

        Raises:
            Unavailable: the target is away or refuses.
        """

    def remove(self, name: str) -> None:
        """Remove a file. Idempotent."""


class Folder:
    """A folder of this machine, or mounted on it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return str(self._root)

    def put(self, name: str, path: Path) -> None:
        """Store a file: copied under a temporary name, synchronised, renamed."""
        final = self._root / name
        draft = final.with_name(f".{final.name}.draft")
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with path.open("rb") as source, draft.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
                sink.flush()
                os.fsync(sink.fileno())
            draft.chmod(0o600)
            draft.rename(final)
            sync_folder(final.parent)
        except OSError as cause:
            draft.unlink(missing_ok=True)
            raise Unavailable(f"{name} cannot be stored: {cause.strerror}", place=f"backup target {self}") from cause

    def get(self, name: str, path: Path) -> None:
        """Copy a file."""
        try:
            shutil.copyfile(self._root / name, path)
        except FileNotFoundError as cause:
            raise NotFound(f"there is no {name}", place=f"backup target {self}") from cause
        except OSError as cause:
            raise Unavailable(f"{name} cannot be fetched: {cause.strerror}", place=f"backup target {self}") from cause

    def listing(self, prefix: str = "") -> list[Stored]:
        """Return the files below a prefix; drafts do not count."""
        if not self._root.is_dir():
            return []
        found = [
            Stored(str(path.relative_to(self._root)), path.stat().st_size)
            for path in self._root.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        ]
        return sorted(one for one in found if one.name.startswith(prefix))

    def remove(self, name: str) -> None:
        """Remove a file, and its folder with the last one."""
        path = self._root / name
        path.unlink(missing_ok=True)
        folder = path.parent
        while folder != self._root and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def open_target(address: str, *, endpoint: str | None = None) -> Target:
    """Return the target of a folder's path or of `s3://bucket/prefix`.

    Args:
        address: where.
        endpoint: URL of an S3 that is not Amazon's.
    """
    if address.startswith("s3://"):
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        if not bucket:
            raise InvalidInput("must be s3://bucket or s3://bucket/prefix", place="backup target")
        # Loaded when asked for: the client costs every other command a third of a second.
        made: Target = import_module("iit.ops.bucket").Bucket(bucket, prefix.strip("/"), endpoint=endpoint)
        return made
    return Folder(Path(address).expanduser())
