"""The manifest: what a backup consists of and what it was taken from. A backup exists once its manifest does."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from iit.domain.errors import InvalidInput
from iit.ops.backup.sealing import BackupKey

MANIFEST: Final = "manifest.json"
KINDS: Final = ("full", "incremental", "logical", "models")
_FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class BackedFile:
    """One file of a backup, before and after sealing. Sizes in bytes, SHA-256 in hexadecimal digits."""

    name: str
    size: int
    sha256: str
    sealed_size: int
    sealed_sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup consists of.

    Attributes:
        backup_id: time (UTC) and kind, unique in a target.
        kind: full, incremental, logical or models.
        parent: the backup that an incremental one builds on.
        started_at: before anything was read.
        finished_at: when all was read; a restore to a time before this needs an older backup.
        service_version: version of this service.
        server: version, system identifier, timeline and positions in the WAL, as text.
        rows: number of rows of each table just before and just after; equal for a logical backup.
        audit_anchor: last link of the audit trail's hash chain, where there is one.
        key_id: which key it is sealed with.
        files: its files.
    """

    backup_id: str
    kind: str
    parent: str | None
    started_at: datetime
    finished_at: datetime
    service_version: str
    server: Mapping[str, str]
    rows: Mapping[str, tuple[int, int]]
    audit_anchor: str | None
    key_id: str
    files: Sequence[BackedFile] = field(default_factory=tuple)

    @property
    def sealed_size(self) -> int:
        """Bytes it takes in the target, without the manifest."""
        return sum(file.sealed_size for file in self.files)

    @property
    def server_major(self) -> int:
        """Major version of the server it was taken from."""
        return int(self.server["version_num"]) // 10_000


def encode(manifest: Manifest, key: BackupKey) -> bytes:
    """Return the manifest as a line of JSON and a line with its signature."""
    line = json.dumps({"format": _FORMAT, **asdict(manifest)}, default=datetime.isoformat, sort_keys=True).encode()
    return line + b"\n" + key.sign(line).encode() + b"\n"


def decode(data: bytes, key: BackupKey, *, place: str) -> Manifest:
    """Return a manifest whose signature fits.

    Raises:
        InvalidInput: damaged, of another format, or sealed with another key.
    """
    line, _, signature = data.partition(b"\n")
    if signature != key.sign(line).encode() + b"\n":
        raise InvalidInput(_why_not(line, key), place=place)
    told = json.loads(line)
    if told.pop("format") != _FORMAT:
        raise InvalidInput("is of a format that this version does not know", place=place)
    return Manifest(
        **{
            **told,
            "started_at": datetime.fromisoformat(told["started_at"]),
            "finished_at": datetime.fromisoformat(told["finished_at"]),
            "rows": {table: (before, after) for table, (before, after) in told["rows"].items()},
            "files": tuple(BackedFile(**file) for file in told["files"]),
        }
    )


def _why_not(line: bytes, key: BackupKey) -> str:
    try:
        told: Any = json.loads(line)
        other = told["key_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "is damaged"
    if isinstance(other, str) and other != key.key_id and len(other) == len(key.key_id):
        return f"is damaged, or was sealed with the key {other[:16]}; the key given is {key.key_id}"
    return "is damaged: its signature does not fit"
