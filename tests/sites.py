"""Small installations with a private server that archives its log, for tests of backups and recovery."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import NamedTuple

import psycopg

from iit.bootstrap.upkeep import restorer
from iit.config import Settings
from iit.features.registry import FEATURE_NAMES
from iit.ops.restore.run import Restorer
from iit.store.embedded.binaries import _wheel
from iit.store.embedded.cluster import Cluster, ClusterUrls
from iit.store.migrate import upgrade
from tests.conftest import libpq

FAST = {"fsync": "off", "shared_buffers": "'32MB'", "min_wal_size": "'32MB'"}


@dataclass
class Site:
    """An installation: its folder, settings and running server."""

    folder: Path
    settings: Settings
    cluster: Cluster
    urls: ClusterUrls = field(repr=False)

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(libpq(self.urls.owner_url), autocommit=True) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    @property
    def vault_folder(self) -> Path:
        return Path(self.settings.backup_address)


def a_folder() -> Path:
    """Return a new folder that PostgreSQL's account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="iit-ops-"))
    folder.chmod(0o755 if os.geteuid() == 0 else 0o700)
    return folder


@contextmanager
def a_site_on_the_wheel() -> Iterator[Site]:
    """An installation on the wheel's server, which knows incremental backups; removed afterwards."""
    folder = a_folder()
    (wheel,) = _wheel()
    made = start_site(folder, postgres_bin=wheel)
    yield made
    made.cluster.release()
    shutil.rmtree(folder)


def start_site(folder: Path, *, postgres_bin: Path | None) -> Site:
    settings = Settings(data_dir=folder / "data", wal_archive_dir=folder / "wal", postgres_bin=postgres_bin)
    settings.data_dir.mkdir()
    cluster = Cluster(
        settings.data_dir, postgres_bin=postgres_bin, wal_archive=settings.wal_archive_dir, extra_settings=FAST
    )
    urls = cluster.ensure_running()
    upgrade(urls.owner_url, feature_names=FEATURE_NAMES)
    site = Site(folder, settings, cluster, urls)
    site.sql("INSERT INTO facilities (facility) VALUES ('SYN1')")
    site.sql(
        "INSERT INTO patients (patient_uuid, facility, status)"
        " SELECT 'p' || n, 'SYN1', 'active' FROM generate_series(1, 500) n"
    )
    return site


def fast_restorer(settings: Settings) -> Restorer:
    """Return what restores, without waiting for the disk."""
    return replace(restorer(settings), server_settings=FAST)


class Commit(NamedTuple):
    """A committed row of the table `load`: its number and transaction, and the times just before and after."""

    number: int
    xid: int
    lsn: str
    before: datetime
    after: datetime


@contextmanager
def committing(site: Site, *, pause_seconds: float = 0.005) -> Iterator[list[Commit]]:
    """Have a client commit one row after another, and yield the list of what was acknowledged."""
    site.sql("CREATE TABLE load (n int PRIMARY KEY)")
    commits: list[Commit] = []
    stop = threading.Event()
    address = libpq(site.urls.owner_url)

    def work() -> None:
        with psycopg.connect(address, autocommit=True) as connection:
            for number in count(1):
                if stop.is_set():
                    return
                before = datetime.now(UTC)
                try:
                    row = connection.execute(
                        "INSERT INTO load VALUES (%s) RETURNING pg_current_xact_id()::text, pg_current_wal_lsn()::text",
                        [number],
                    ).fetchone()
                except psycopg.OperationalError:
                    return  # the server is gone
                assert row is not None
                commits.append(Commit(number, int(row[0]), row[1], before, datetime.now(UTC)))
                time.sleep(pause_seconds)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield commits
    finally:
        stop.set()
        worker.join()
