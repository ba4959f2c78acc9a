"""Making a backup: take, hash, seal, store, and at last the manifest. A failed part is a failed backup."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from iit import __version__
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, InvalidInput, NotFound, ServiceError, Unavailable
from iit.ops.backup import sources
from iit.ops.backup.catalog import PHYSICAL, Vault, chain, newest
from iit.ops.backup.manifest import KINDS, MANIFEST, BackedFile, Manifest, encode
from iit.ops.backup.sealing import file_hash, seal, unseal
from iit.ops.backup.sources import Taken
from iit.ops.tools import Tools
from iit.store import backups as backup_store
from iit.store import server
from iit.store.database import Database

SUFFIX: Final = ".sealed"
"""What the name of a sealed file ends with."""
_INCREMENTAL_FROM: Final = 17


@dataclass(frozen=True, kw_only=True)
class BackupMaker:
    """Makes backups of one installation.

    Attributes:
        database: with the owner's rights.
        tools: programs that fit the server and know the way to it.
        vault: where they go.
        staging: private folder for what is being made.
        models: folder of models.
        check_models: raises if a model is damaged.
        audit_anchor: returns the last link of the audit trail's chain, where there is one; asked before the backup
            begins, so that what was backed up holds it.
        now: the present time.
    """

    database: Database
    tools: Tools
    vault: Vault
    staging: Path
    models: Path
    check_models: Callable[[], None]
    now: Callable[[], datetime]
    audit_anchor: Callable[[], str | None] = lambda: None

    def run(self, kind: str, *, actor: str, say: Callable[[str], None] = lambda _: None) -> Manifest:
        """Make a backup and return its manifest; what was there before stays whatever happens.

        Args:
            kind: full, incremental, logical or models.
            actor: who asks.
            say: told what an operator should know.

        Raises:
            Conflict: another backup is being made. Unavailable, NotFound, InvalidInput: it failed, and why.
        """
        if kind not in KINDS:
            raise InvalidInput(f"must be one of {', '.join(KINDS)}", place="kind")
        parent = self._parent(say) if kind == "incremental" else None
        if kind == "incremental" and parent is None:
            kind = "full"
        started_at = self.now().astimezone(UTC)
        backup_id = f"{started_at:%Y%m%dT%H%M%S}{started_at.microsecond // 1000:03}Z-{kind}"
        with self._alone(), self._recorded(backup_id, kind, started_at, actor) as folder:
            try:
                anchor = self.audit_anchor()
                return self._store(backup_id, kind, started_at, self._take(kind, parent, folder), folder, anchor)
            except OSError as cause:
                raise Unavailable(cause.strerror or "failed", place=f"backup ({self.staging})") from cause

    def _take(self, kind: str, parent: Manifest | None, folder: Path) -> Taken:
        if kind == "logical":
            return sources.take_logical(self.database, self.tools, folder)
        if kind == "models":
            return sources.take_models(self.models, folder, self.check_models)
        if parent is None:
            return sources.take_physical(self.database, self.tools, folder)
        with self._server_manifest(parent) as path:
            return sources.take_physical(self.database, self.tools, folder, parent=(parent.backup_id, path))

    def _parent(self, say: Callable[[str], None]) -> Manifest | None:
        """Return what an incremental backup can build on; None, with the reason told, if only a full one will do."""
        with self.database.transaction() as tx:
            major = server.major(tx)
            summarizes = server.setting(tx, "summarize_wal") == "on"
            identity = server.describe(tx)["system_identifier"]
        if major < _INCREMENTAL_FROM:
            say(f"PostgreSQL {major} knows no incremental backups (17 does): a full one is made")
            return None
        if not summarizes:
            say("summarize_wal is off, so that no incremental backup can be made: a full one is made")
            return None
        found, _ = self.vault.manifests()
        ours = [one for one in found if one.server.get("system_identifier") == identity]
        try:
            parent = newest(ours, PHYSICAL)
            chain(ours, parent)
        except NotFound as error:
            say(f"{error}: a full one is made")
            return None
        return parent

    @contextmanager
    def _server_manifest(self, parent: Manifest) -> Iterator[Path]:
        """Yield the server's own manifest of a backup, which an incremental one is compared with."""
        sealed, plain = self.staging / "parent.sealed", self.staging / "parent.manifest"
        try:
            self.vault.target.get(f"{parent.backup_id}/backup_manifest{SUFFIX}", sealed)
            with sealed.open("rb") as source, plain.open("wb") as sink:
                unseal(source, sink, self.vault.key, place=f"{parent.backup_id}/backup_manifest")
            yield plain
        finally:
            sealed.unlink(missing_ok=True)
            plain.unlink(missing_ok=True)

    def _store(
        self, backup_id: str, kind: str, started_at: datetime, taken: Taken, folder: Path, anchor: str | None
    ) -> Manifest:
        finished_at = self.now().astimezone(UTC)
        files = [self._store_file(backup_id, path) for path in sorted(folder.iterdir())]
        manifest = Manifest(
            backup_id=backup_id, kind=kind, parent=taken.parent, started_at=started_at, finished_at=finished_at,
            service_version=__version__, server=taken.server, rows=taken.rows, audit_anchor=anchor,
            key_id=self.vault.key.key_id, files=files,
        )  # fmt: skip
        path = folder / MANIFEST
        path.write_bytes(encode(manifest, self.vault.key))
        self.vault.target.put(f"{backup_id}/{MANIFEST}", path)
        return manifest

    def _store_file(self, backup_id: str, path: Path) -> BackedFile:
        sealed = path.with_name(path.name + SUFFIX)
        with path.open("rb") as source, sealed.open("wb") as sink:
            seal(source, sink, self.vault.key)
        backed = BackedFile(
            name=path.name, size=path.stat().st_size, sha256=file_hash(path),
            sealed_size=sealed.stat().st_size, sealed_sha256=file_hash(sealed),
        )  # fmt: skip
        path.unlink()
        self.vault.target.put(f"{backup_id}/{sealed.name}", sealed)
        sealed.unlink()
        return backed

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.staging.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.staging / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as cause:
                raise Conflict("another backup is being made", place="backup") from cause
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _recorded(self, backup_id: str, kind: str, started_at: datetime, actor: str) -> Iterator[Path]:
        """Yield an empty private folder and keep in the database what became of the run."""
        for rest in self.staging.iterdir():
            if rest.is_dir():
                shutil.rmtree(rest)
        folder = self.staging / backup_id
        folder.mkdir(mode=0o700)
        act = AuditEvent(event_type=EventType.BACKUP, actor=actor, action="execute", target=f"backup:{backup_id}")
        with self.database.transaction() as tx:
            target = str(self.vault.target)
            backup_store.start(tx, backup_id, kind=kind, target=target, started_at=started_at, audit=act)
        try:
            yield folder
        except ServiceError as error:
            with suppress(Unavailable), self.database.transaction() as tx:  # the reason may be that it is away
                failed = replace(act, outcome="failed")
                backup_store.fail(tx, backup_id, finished_at=self.now(), reason=str(error), audit=failed)
            raise
        finally:
            shutil.rmtree(folder)
        size = sum(one.size for one in self.vault.target.listing(f"{backup_id}/"))
        with self.database.transaction() as tx:
            backup_store.succeed(tx, backup_id, finished_at=self.now(), size=size, audit=act)
