"""Restoring a dump: into a fresh database, checked, then exchanged with the one that serves by renaming."""

import tempfile
from pathlib import Path

from iit.domain.errors import InvalidInput
from iit.ops.backup.catalog import Vault
from iit.ops.backup.fetch import fetch
from iit.ops.backup.manifest import Manifest
from iit.ops.integrity import Scope, check
from iit.ops.restore.beside import fitting_binaries
from iit.ops.tools import Tools
from iit.store import databases, server
from iit.store.database import PoolSettings, open_database


def load_dump(
    vault: Vault, manifest: Manifest, url: str, *, name: str, postgres_bin: Path | None, time_zone: str
) -> None:
    """Load a dump into a new database beside that of a URL, and check it. On failure the new database is removed.

    Raises:
        InvalidInput: what was loaded is not what was dumped. Conflict: the programs are not of the server's version.
        Unavailable: the dump cannot be loaded.
    """
    databases.create(url, name)
    is_done = False
    try:
        fresh = databases.with_database(url, name)
        database = open_database(fresh, time_zone=time_zone, pool=PoolSettings(size=2, statement_timeout_ms=0))
        try:
            with database.transaction() as tx:
                major = server.major(tx)
            binaries = fitting_binaries(postgres_bin, major)
            tools = Tools.to(fresh, binaries)
            with tempfile.TemporaryDirectory(prefix="iit-restore-") as folder:
                fetch(vault, manifest, Path(folder))
                tools.run(
                    "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-password",
                    f"--dbname={name}", str(Path(folder) / "database.dump"),
                )  # fmt: skip
            findings = check(database, Scope(rows=manifest.rows))
        finally:
            database.close()
        if findings:
            raise InvalidInput("; ".join(one.reason for one in findings), place=manifest.backup_id)
        is_done = True
    finally:
        if not is_done:
            databases.drop(url, name)
