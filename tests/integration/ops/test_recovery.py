"""Back to a second, to a transaction, and back from the loss of the data folder, while commits go on."""

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from tests.sites import FAST, Commit, Site, a_folder, committing, fast_restorer, start_site

from iit.bootstrap.upkeep import backup_maker
from iit.domain.errors import Conflict, InvalidInput, NotFound
from iit.ops.restore.beside import remove_folder
from iit.ops.restore.run import Report
from iit.ops.restore.target import RecoveryTarget
from iit.store.embedded.binaries import _wheel
from iit.store.embedded.cluster import Cluster


@pytest.fixture(scope="module")
def busy() -> Iterator[tuple[Site, list[Commit]]]:
    """A site whose commits went on while and after it was backed up, and then lost a table's rows."""
    folder = a_folder()
    (wheel,) = _wheel()
    site = start_site(folder, postgres_bin=wheel)
    with committing(site) as commits:
        with backup_maker(site.settings) as maker:
            maker.run("full", actor="test")
        time.sleep(1.5)
    site.sql("TRUNCATE load")
    yield site, commits
    site.cluster.release()
    shutil.rmtree(folder)


def numbers_in(report: Report, site: Site) -> list[int]:
    with Cluster(report.data_dir, postgres_bin=site.settings.postgres_bin, extra_settings=FAST).running() as urls:
        beside = Site(report.data_dir, site.settings, site.cluster, urls)
        return [int(str(row[0])) for row in beside.sql("SELECT n FROM load ORDER BY n")]


def test_a_moment_between_two_commits_holds_the_first_and_not_the_second(busy: tuple[Site, list[Commit]]) -> None:
    site, commits = busy
    last, following = commits[-40], commits[-39]
    moment = last.after + (following.before - last.after) / 2
    report = fast_restorer(site.settings).recover(RecoveryTarget(time=moment), keep_beside=True)
    found = numbers_in(report, site)
    remove_folder(report.data_dir)
    assert found == [commit.number for commit in commits if commit.number <= last.number]


@pytest.mark.parametrize(
    ("is_inclusive", "missing"),
    [pytest.param(True, 0, id="with it"), pytest.param(False, 1, id="just before it", marks=pytest.mark.recovery)],
)
def test_a_transaction_is_reached_exactly(busy: tuple[Site, list[Commit]], is_inclusive: bool, missing: int) -> None:
    site, commits = busy
    chosen = commits[-20]
    target = RecoveryTarget(xid=chosen.xid, is_inclusive=is_inclusive)
    report = fast_restorer(site.settings).recover(target, keep_beside=True)
    found = numbers_in(report, site)
    remove_folder(report.data_dir)
    assert found == [commit.number for commit in commits if commit.number <= chosen.number - missing]


def test_moments_out_of_reach_are_refused_and_leave_nothing(busy: tuple[Site, list[Commit]]) -> None:
    site, commits = busy
    tool = fast_restorer(site.settings)
    with pytest.raises(NotFound, match="the oldest moment is"):
        tool.recover(RecoveryTarget(time=datetime(2024, 1, 1, tzinfo=UTC)), keep_beside=True)
    with pytest.raises(NotFound, match="after the newest that can be recovered: the last commit in the log was at"):
        tool.recover(RecoveryTarget(xid=commits[-1].xid + 1_000_000), keep_beside=True)
    assert not list((site.settings.data_dir / "restores").iterdir())


def test_a_server_in_use_is_not_replaced(busy: tuple[Site, list[Commit]]) -> None:
    site, _ = busy
    with pytest.raises(Conflict, match="stop the service first"):
        fast_restorer(site.settings).recover(RecoveryTarget(), keep_beside=False)


def test_a_damaged_segment_of_the_log_stops_the_recovery(busy: tuple[Site, list[Commit]]) -> None:
    site, commits = busy
    assert site.settings.wal_archive_dir is not None
    moment = commits[-1].after
    (segment,) = [
        one
        for one in sorted(site.settings.wal_archive_dir.glob("*.gz"))
        if one.name[:24] == segment_of(site, commits[-1])
    ]
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-200] + bytes(200))
    try:
        with pytest.raises(InvalidInput, match="cannot be replayed"):
            fast_restorer(site.settings).recover(RecoveryTarget(time=moment), keep_beside=True)
    finally:
        segment.write_bytes(whole)


def segment_of(site: Site, commit: Commit) -> str:
    return str(site.sql("SELECT pg_walfile_name(%s::pg_lsn)", commit.lsn)[0][0])
