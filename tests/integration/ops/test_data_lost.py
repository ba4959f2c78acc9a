"""The data folder is lost while commits go on: what was acknowledged comes back, and how much and how fast is told."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from tests.conftest import libpq
from tests.sites import FAST, Site, a_site_on_the_wheel, committing, fast_restorer

from iit.bootstrap.upkeep import backup_maker
from iit.domain.errors import NotFound
from iit.ops.restore.target import RecoveryTarget
from iit.store.embedded.cluster import Cluster
from iit.store.embedded.exchange import has_data

ARCHIVED_WITHIN_SECONDS = 60  # archive_timeout is 30 s; the rest is for the copy


@pytest.fixture
def site() -> Iterator[Site]:
    with a_site_on_the_wheel() as made:
        yield made


def lose_everything(site: Site) -> None:
    """Kill the server and remove its data, as a disk would."""
    postgres = site.settings.data_dir / "postgres"
    pid = int((postgres / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            psycopg.connect(libpq(site.urls.owner_url)).close()
        except psycopg.OperationalError:
            break
        time.sleep(0.05)
    shutil.rmtree(postgres / "data")
    site.cluster.release()


RECEIVER = """
import os, signal, sys, time
from pathlib import Path
from iit.ops.backup.receive import receive
from iit.ops.tools import Tools
from iit.store.database import open_database
from iit.store.server import connection_environment

url, programs, copy, archive = os.environ["URL"], *map(Path, sys.argv[1:])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
tools = Tools(programs, 18, connection_environment(url))
receive(open_database(url, time_zone="UTC"), tools, copy, archive=archive, is_synchronous=True, sleep=time.sleep)
"""


@contextmanager
def receiver(site: Site) -> Iterator[None]:
    """Have the log copied synchronously by a process of its own, as `iit backup receive-wal --synchronous` does."""
    settings = site.settings
    command = [sys.executable, "-W", "ignore", "-c", RECEIVER]
    folders = [str(one) for one in (settings.postgres_bin, settings.wal_copy_dir, settings.wal_archive_dir)]
    environment = {**os.environ, "URL": site.urls.owner_url}
    with subprocess.Popen([*command, *folders], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while not site.sql("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)


def test_with_a_synchronous_copy_nothing_acknowledged_is_lost(site: Site) -> None:
    site.settings = site.settings.model_copy(update={"wal_copy_dir": site.folder / "copy"})
    with backup_maker(site.settings) as maker:
        maker.run("full", actor="test")
    with receiver(site), committing(site) as commits:
        time.sleep(1)
        lose_everything(site)
    began = time.monotonic()
    report = fast_restorer(site.settings).recover(RecoveryTarget(), keep_beside=False)
    seconds = time.monotonic() - began
    assert report.data_dir == site.settings.data_dir
    cluster = Cluster(
        site.settings.data_dir, postgres_bin=site.settings.postgres_bin,
        wal_archive=site.settings.wal_archive_dir, extra_settings=FAST,
    )  # fmt: skip
    with cluster.running() as urls:
        back = Site(site.folder, site.settings, cluster, urls)
        (row,) = back.sql("SELECT max(n), count(*) FROM load")
        assert len(commits) > 10
        assert int(str(row[0])) >= commits[-1].number
        assert row[0] == row[1]
        assert_next_restore_finds_the_new_branch(back, cluster)
    print(f"commits acknowledged {len(commits)}, lost 0, back after {seconds:.1f} s")  # noqa: T201


def assert_next_restore_finds_the_new_branch(site: Site, cluster: Cluster) -> None:
    """A second restore from the same backup follows the log past the first restore."""
    site.sql("CREATE TABLE after_restore (n int)")
    report = fast_restorer(site.settings).recover(RecoveryTarget(), keep_beside=True)
    with Cluster(report.data_dir, postgres_bin=site.settings.postgres_bin, extra_settings=FAST).running() as urls:
        assert Site(site.folder, site.settings, cluster, urls).sql("SELECT count(*) FROM after_restore") == [(0,)]


def test_a_service_that_started_anew_after_the_loss_misleads_no_restore(site: Site) -> None:
    with backup_maker(site.settings) as maker:
        maker.run("full", actor="test")
    lose_everything(site)
    assert not has_data(site.settings.data_dir)
    with Cluster(site.settings.data_dir, postgres_bin=site.settings.postgres_bin, extra_settings=FAST).running():
        pass
    assert has_data(site.settings.data_dir)
    report = fast_restorer(site.settings).recover(RecoveryTarget(), keep_beside=False)
    assert report.rows["patients"] == 500
    assert report.old_data is not None


def test_a_log_folder_that_is_missing_stops_a_restore(site: Site) -> None:
    with backup_maker(site.settings) as maker:
        maker.run("full", actor="test")
    assert site.settings.wal_archive_dir is not None
    away = site.settings.wal_archive_dir.rename(site.folder / "away")
    with pytest.raises(NotFound, match="commits would be lost silently"):
        fast_restorer(site.settings).recover(RecoveryTarget(), keep_beside=True)
    away.rename(site.settings.wal_archive_dir)


@pytest.mark.recovery
def test_with_the_archive_alone_less_than_a_minute_is_lost(site: Site) -> None:
    with backup_maker(site.settings) as maker:
        maker.run("full", actor="test")
    with committing(site) as commits:
        time.sleep(45)
        lose_everything(site)
    began = time.monotonic()
    fast_restorer(site.settings).recover(RecoveryTarget(), keep_beside=False)
    seconds = time.monotonic() - began
    cluster = Cluster(site.settings.data_dir, postgres_bin=site.settings.postgres_bin, extra_settings=FAST)
    with cluster.running() as urls:
        kept = int(str(Site(site.folder, site.settings, cluster, urls).sql("SELECT max(n) FROM load")[0][0]))
    last = next(commit for commit in commits if commit.number == kept)
    lost = (commits[-1].after - last.after).total_seconds()
    print(f"commits {len(commits)}, kept {kept}, lost {lost:.1f} s, back after {seconds:.1f} s")  # noqa: T201
    assert lost <= ARCHIVED_WITHIN_SECONDS


def test_without_a_copy_the_old_log_beside_a_damaged_table_is_used(site: Site) -> None:
    """The data folder is still there: its own log leads to the very last commit."""
    with backup_maker(site.settings) as maker:
        maker.run("full", actor="test")
    with committing(site) as commits:
        time.sleep(0.5)
    site.cluster.release()
    old = site.settings.data_dir / "postgres" / "data"
    (old / "global" / "pg_control").unlink()
    report = fast_restorer(site.settings).recover(RecoveryTarget(), keep_beside=False)
    assert report.old_data is not None
    assert (report.old_data / "PG_VERSION").exists()
    cluster = Cluster(site.settings.data_dir, postgres_bin=site.settings.postgres_bin, extra_settings=FAST)
    with cluster.running() as urls:
        (row,) = Site(site.folder, site.settings, cluster, urls).sql("SELECT max(n), count(*) FROM load")
    assert row == (commits[-1].number, len(commits))
