"""Backups of a private server: each kind made and brought back, and nothing half made or damaged taken for whole."""

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from random import Random

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.sites import FAST, Site, fast_restorer

from iit.bootstrap.upkeep import backup_maker, clock, open_vault
from iit.config import Settings
from iit.domain.errors import Conflict, InvalidInput, NotFound, ServiceError, Unavailable
from iit.ops.backup.catalog import Vault
from iit.ops.backup.fetch import verify
from iit.ops.backup.manifest import Manifest
from iit.ops.backup.run import BackupMaker
from iit.ops.backup.sealing import make_key
from iit.ops.maintenance import prune
from iit.ops.objects import Folder, open_target
from iit.ops.restore.beside import remove_folder
from iit.ops.restore.logical import load_dump
from iit.ops.restore.target import RecoveryTarget
from iit.store.embedded.binaries import _candidates
from iit.store.embedded.cluster import Cluster


@pytest.fixture(scope="module")
def maker(site: Site) -> Iterator[BackupMaker]:
    with backup_maker(site.settings) as made:
        yield made


@pytest.fixture(scope="module")
def full(maker: BackupMaker) -> Manifest:
    return maker.run("full", actor="test")


@pytest.fixture(scope="module")
def vault(full: Manifest, site: Site) -> Vault:
    return open_vault(site.settings)


def rows_of(folder: Path, site: Site, question: str) -> list[tuple[object, ...]]:
    with Cluster(folder, postgres_bin=site.settings.postgres_bin, extra_settings=FAST).running() as urls:
        return Site(folder, site.settings, site.cluster, urls).sql(question)


def states(site: Site) -> list[tuple[object, ...]]:
    return site.sql("SELECT kind, state FROM backups ORDER BY started_at DESC, backup_id DESC LIMIT 1")


def test_an_incremental_backup_comes_back_on_its_full_one(maker: BackupMaker, full: Manifest, site: Site) -> None:
    site.sql("UPDATE patients SET status = 'inactive' WHERE patient_uuid = 'p7'")
    made = maker.run("incremental", actor="test")
    assert (made.kind, made.parent) == ("incremental", full.backup_id)
    assert made.sealed_size < full.sealed_size / 3
    tool = fast_restorer(site.settings)
    report = tool.recover(RecoveryTarget(is_immediate=True), backup_id=made.backup_id, keep_beside=True)
    told = rows_of(report.data_dir, site, "SELECT status, count(*) FROM patients GROUP BY 1 ORDER BY 1")
    remove_folder(report.data_dir)
    assert told == [("active", 499), ("inactive", 1)]
    assert report.findings == []


def test_a_dump_comes_back_in_isolation(maker: BackupMaker, site: Site) -> None:
    made = maker.run("logical", actor="test")
    assert made.rows["patients"] == (500, 500)
    tool = fast_restorer(site.settings)
    report = tool.isolate("dump", clock(site.settings).date())
    assert report.backup_id == made.backup_id
    assert rows_of(report.data_dir, site, "SELECT count(*) FROM patients") == [(500,)]
    with pytest.raises(Conflict, match="exists already"):
        tool.isolate("dump", clock(site.settings).date())
    remove_folder(report.data_dir)


def test_a_rehearsal_checks_the_rows_and_leaves_nothing(full: Manifest, site: Site) -> None:
    report = fast_restorer(site.settings).rehearse()
    assert report.findings == []
    assert report.rows["patients"] == 500
    assert report.seconds["all"] > 0
    assert not report.data_dir.exists()


def test_runs_are_kept_in_the_database(full: Manifest, site: Site) -> None:
    (row,) = site.sql("SELECT state, bytes > 0, target FROM backups WHERE backup_id = %s", full.backup_id)
    assert row == ("good", True, site.settings.backup_address)
    assert site.sql("SELECT count(*) FROM audit_logs WHERE target = %s", f"backup:{full.backup_id}") == [(2,)]


def test_nothing_in_the_target_can_be_read_without_the_key(full: Manifest, site: Site) -> None:
    for path in (site.vault_folder / full.backup_id).iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.name == "manifest.json" or path.read_bytes().startswith(b"IITSEAL1")


@pytest.mark.parametrize("n_flips", [50, pytest.param(1000, marks=pytest.mark.recovery)])
def test_a_flipped_byte_in_any_file_is_found(maker: BackupMaker, vault: Vault, site: Site, n_flips: int) -> None:
    made = maker.run("logical", actor="test")
    files = sorted((site.vault_folder / made.backup_id).iterdir())
    assert verify(vault, made.backup_id) == []
    random = Random(n_flips)
    missed = []
    for number in range(n_flips):
        path = files[number % len(files)]
        whole = path.read_bytes()
        place = random.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ random.randrange(1, 256)]) + whole[place + 1 :])
        if not verify(vault, made.backup_id):
            missed.append((path.name, place))
        path.write_bytes(whole)
    assert missed == []
    assert verify(vault, made.backup_id) == []


@pytest.mark.parametrize(
    "name", ["base.tar.gz.sealed", "pg_wal.tar.gz.sealed", "backup_manifest.sealed", "manifest.json"]
)
def test_damage_of_a_full_backup_is_named_and_stops_a_restore(
    vault: Vault, full: Manifest, site: Site, name: str
) -> None:
    path = site.vault_folder / full.backup_id / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        assert name.removesuffix(".sealed") in verify(vault, full.backup_id)[0]
        with pytest.raises(ServiceError):
            fast_restorer(site.settings).recover(
                RecoveryTarget(is_immediate=True), backup_id=full.backup_id, keep_beside=True
            )
    finally:
        path.write_bytes(whole)
    left = site.settings.data_dir / "restores"
    assert not left.exists() or not list(left.iterdir())


def test_a_missing_file_and_a_file_too_many_are_found(vault: Vault, full: Manifest, site: Site) -> None:
    folder = site.vault_folder / full.backup_id
    (folder / "more.sealed").write_bytes(b"x")
    assert "is not in the manifest" in verify(vault, full.backup_id)[0]
    (folder / "more.sealed").rename(folder / "away")
    (folder / "backup_manifest.sealed").rename(folder / "more")
    assert "there is no" in verify(vault, full.backup_id)[0]
    (folder / "more").rename(folder / "backup_manifest.sealed")
    (folder / "away").unlink()
    assert verify(vault, full.backup_id) == []


def test_another_key_opens_nothing_and_says_why(vault: Vault, full: Manifest, tmp_path: Path) -> None:
    other = replace(vault, key=make_key(tmp_path / "key"))
    (wrong,) = verify(other, full.backup_id)
    assert f"was sealed with the key {vault.key.key_id}" in wrong


def test_a_failed_dump_is_a_failed_backup(maker: BackupMaker, vault: Vault, site: Site) -> None:
    before = vault.ids()
    broken = replace(maker, tools=maker.tools.elsewhere(PGDATABASE="nowhere"))
    with pytest.raises(Unavailable, match="pg_dump: failed with exit code 1"):
        broken.run("logical", actor="test")
    assert vault.ids() == before
    assert states(site) == [("logical", "failed")]


@contextmanager
def files_no_larger_than(n_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", ["logical", pytest.param("full", marks=pytest.mark.recovery)])
def test_a_full_disk_is_a_failed_backup(maker: BackupMaker, vault: Vault, site: Site, kind: str) -> None:
    before = vault.ids()
    with files_no_larger_than(8_000), pytest.raises(Unavailable):
        maker.run(kind, actor="test")
    assert vault.ids() == before
    assert all(verify(vault, backup_id) == [] for backup_id in before[-1:])
    assert states(site) == [(kind, "failed")]
    assert not [path for path in maker.staging.iterdir() if path.is_dir()]


class _Breaking(Folder):
    """A target whose disk is full when the manifest comes."""

    def put(self, name: str, path: Path) -> None:
        if name.endswith("manifest.json"):
            raise Unavailable("full", place="target")
        super().put(name, path)


def test_a_half_made_backup_is_none_and_is_cleared_away(maker: BackupMaker, vault: Vault, site: Site) -> None:
    before = vault.ids()
    with pytest.raises(Unavailable, match="full"):
        replace(maker, vault=replace(vault, target=_Breaking(site.vault_folder))).run("logical", actor="test")
    assert vault.ids() == before
    half = {path.name for path in site.vault_folder.iterdir()} - set(before)
    assert len(half) == 1
    now = clock(site.settings).astimezone(UTC)
    assert prune(vault, now=now, keep_days=30) == []
    assert prune(vault, now=now + timedelta(days=2), keep_days=30) == sorted(half)
    assert {path.name for path in site.vault_folder.iterdir()} == set(before)


def test_one_backup_at_a_time(maker: BackupMaker) -> None:
    with maker._alone(), pytest.raises(Conflict, match="another backup"):
        maker.run("logical", actor="test")


def test_a_run_that_was_killed_is_noted_as_failed_by_the_next(maker: BackupMaker, site: Site) -> None:
    site.sql("INSERT INTO backups VALUES ('killed', 'full', 'running', 'x', now() - interval '1 hour')")
    maker.run("logical", actor="test")
    assert site.sql("SELECT state, reason FROM backups WHERE backup_id = 'killed'") == [("failed", "was broken off")]


def test_an_unknown_kind_is_refused(maker: BackupMaker) -> None:
    with pytest.raises(InvalidInput, match="full, incremental, logical, models"):
        maker.run("everything", actor="test")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="iit-ml-backups")
    yield endpoint
    client.close()
    server.stop()


def test_a_backup_on_s3_comes_back_and_damage_there_is_found(bucket: str, maker: BackupMaker, site: Site) -> None:
    target = open_target("s3://iit-ml-backups/site", endpoint=bucket)
    there = replace(maker.vault, target=target)
    assert there.ids() == []
    made = replace(maker, vault=there).run("full", actor="test")
    assert there.ids() == [made.backup_id]
    assert verify(there, made.backup_id) == []
    report = replace(fast_restorer(site.settings), vault=there).rehearse()
    assert (report.backup_id, report.findings) == (made.backup_id, [])
    client = boto3.client("s3", endpoint_url=bucket)
    client.delete_object(Bucket="iit-ml-backups", Key=f"site/{made.backup_id}/base.tar.gz.sealed")
    client.close()
    assert "there is no" in verify(there, made.backup_id)[0]


def test_a_missing_bucket_or_prefix_is_an_error(bucket: str, maker: BackupMaker) -> None:
    nowhere = replace(maker.vault, target=open_target("s3://nowhere", endpoint=bucket))
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        nowhere.ids()
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        replace(maker, vault=nowhere).run("logical", actor="test")
    empty = replace(maker.vault, target=open_target("s3://iit-ml-backups/empty", endpoint=bucket))
    with pytest.raises(NotFound, match="there is no 20240101"):
        empty.manifest("20240101T020000Z-full")


def test_a_server_that_knows_no_incremental_backups_gets_a_full_one(site: Site) -> None:
    if not Path("/usr/lib/postgresql/15/bin").is_dir():
        pytest.skip("PostgreSQL 15 is not installed")
    folder = site.folder / "older"
    settings = Settings(data_dir=folder, postgres_bin=Path("/usr/lib/postgresql/15/bin"))
    said: list[str] = []
    with backup_maker(settings) as older:
        made = older.run("incremental", actor="test", say=said.append)
    assert made.kind == "full"
    assert made.backup_id.endswith("-full")
    assert said == ["PostgreSQL 15 knows no incremental backups (17 does): a full one is made"]
    shutil.rmtree(folder)


def test_a_dump_is_not_loaded_with_programs_of_another_version(maker: BackupMaker, site: Site) -> None:
    others = [one.folder for one in _candidates() if one.major != maker.tools.major]
    if not others:
        pytest.skip("needs a second version of PostgreSQL")
    dump = maker.run("logical", actor="test")
    with pytest.raises(Conflict, match="needs programs of version"):
        load_dump(maker.vault, dump, site.urls.owner_url, name="other", postgres_bin=others[0], time_zone="UTC")
    assert site.sql("SELECT count(*) FROM pg_database WHERE datname = 'other'") == [(0,)]
