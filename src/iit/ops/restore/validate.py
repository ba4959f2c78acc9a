"""Judging a restored server before anyone relies on it."""

from collections.abc import Mapping
from pathlib import Path

from iit.ops.integrity import Finding, Scope, check
from iit.ops.restore.beside import fitting_binaries
from iit.ops.tools import Tools
from iit.store import migrate, server
from iit.store.database import PoolSettings, open_database
from iit.store.embedded.cluster import Cluster


def validate(
    data_dir: Path,
    *,
    time_zone: str,
    postgres_bin: Path | None,
    rows: Mapping[str, tuple[int, int]] | None = None,
    server_settings: Mapping[str, str] | None = None,
) -> tuple[list[Finding], dict[str, int]]:
    """Start the server of an isolated data folder, check it whole, and stop it.

    Args:
        data_dir: the isolated data folder.
        time_zone: of the facilities.
        postgres_bin: programs to use.
        rows: the numbers of rows that are right, where they are known.
        server_settings: more settings of the server.

    Returns:
        What is wrong, and the number of rows of each table.
    """
    with Cluster(data_dir, postgres_bin=postgres_bin, extra_settings=server_settings).running() as urls:
        patient = PoolSettings(size=2, statement_timeout_ms=0)
        database = open_database(urls.owner_url, time_zone=time_zone, pool=patient)
        try:
            with database.transaction() as tx:
                major = server.major(tx)
                counts = server.row_counts(tx)
            migrate.upgrade(urls.owner_url)
            tools = Tools.to(urls.owner_url, fitting_binaries(postgres_bin, major))
            return check(database, Scope(tools=tools, rows=rows)), counts
        finally:
            database.close()
