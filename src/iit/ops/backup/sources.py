"""What a backup is taken from: each kind writes its files into a folder, by PostgreSQL's own tools."""

import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from iit.domain.errors import NotFound, Unavailable
from iit.ops.tools import Tools
from iit.store import server
from iit.store.database import Database

Rows = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Taken:
    """What was taken, besides the files.

    Attributes:
        server: the server as it was at the end.
        rows: rows of each table before and after.
        parent: the backup that it builds on.
    """

    server: Mapping[str, str] = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    parent: str | None = None


def take_physical(database: Database, tools: Tools, folder: Path, *, parent: tuple[str, Path] | None = None) -> Taken:
    """Take a base backup: full, or what changed since `parent` (its id and its `backup_manifest`)."""
    with database.transaction() as tx:
        before = server.row_counts(tx)
        start = server.describe(tx)["lsn"]
    options = [f"--incremental={parent[1]}"] if parent is not None else []
    tools.run(
        "pg_basebackup", f"--pgdata={folder}", "--format=tar", "--compress=client-gzip:1", "--wal-method=stream",
        "--checkpoint=fast", "--manifest-checksums=SHA256", "--no-password", "--no-sync", *options,
    )  # fmt: skip
    found = {path.name for path in folder.iterdir()}
    if found != {"base.tar.gz", "pg_wal.tar.gz", "backup_manifest"}:
        raise Unavailable("the server has tablespaces of its own, which are not supported", place="pg_basebackup")
    with database.transaction() as tx:
        told = {**server.describe(tx), "start_lsn": start, "schema": server.schema_revision(tx)}
        after = server.row_counts(tx)
    rows = {table: (before.get(table, 0), count) for table, count in after.items()}
    return Taken(told, rows, parent[0] if parent is not None else None)


def take_logical(database: Database, tools: Tools, folder: Path) -> Taken:
    """Dump the database as one snapshot sees it; the rows are counted in the same snapshot."""
    with database.transaction() as tx:
        snapshot = server.export_snapshot(tx)
        counts = server.row_counts(tx)
        told = {**server.describe(tx), "schema": server.schema_revision(tx)}
        tools.run(
            "pg_dump", "--format=custom", "--compress=1", "--no-owner", "--no-password", "--lock-wait-timeout=60s",
            f"--snapshot={snapshot}", f"--file={folder / 'database.dump'}",
        )  # fmt: skip
    tools.run("pg_restore", "--list", str(folder / "database.dump"))
    return Taken(told, {table: (count, count) for table, count in counts.items()})


def take_models(models: Path, folder: Path, check: Callable[[], None]) -> Taken:
    """Pack the folder of models after `check` found each of them whole."""
    if not (models / "registry.json").is_file():
        raise NotFound("there are no models", place=str(models))
    check()
    with tarfile.open(folder / "models.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(models, arcname="models", filter=_plain_owner)
    return Taken()


def _plain_owner(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if not (member.isreg() or member.isdir()) or Path(member.name).name.startswith("."):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
