"""The doctor at servers that are full, stop, archive in vain or are of another make; and no finding is unproven."""

import ast
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest
import uvicorn
from psycopg import sql
from tests.conftest import libpq

from iit.api.app import create_app
from iit.bootstrap import Service
from iit.bootstrap.doctor import diagnose
from iit.features.registry import FEATURE_NAMES, FEATURE_SET_VERSION
from iit.model.bundle import LIBRARIES, write_bundle
from iit.ops.doctor import machine
from iit.ops.doctor.findings import REMEDIES
from iit.store import diagnosis
from iit.store.embedded.cluster import Cluster, ClusterUrls

MOST = 20
"""Connections of the small server, one of them for its owner."""


def until(is_so: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., set[str]]:
    """The codes found at a database, by an installation that is sound but for what a test plants."""

    def look(url: str, folder: Path = tmp_path, port: int = 0) -> set[str]:
        monkeypatch.setenv("IIT_DATA_DIR", str(folder))
        monkeypatch.setenv("IIT_DATABASE_URL", url)
        return {one.code for one in diagnose(os.environ, host="127.0.0.1", port=port, workers=1)}

    return look


@pytest.fixture(scope="module")
def small() -> Iterator[ClusterUrls]:
    """A server with few connections whose archive command fails."""
    folder = Path(tempfile.mkdtemp(prefix="iit-doctor-"))
    folder.chmod(0o755)
    wishes = {
        "fsync": "off", "shared_buffers": "'16MB'", "max_connections": str(MOST), "superuser_reserved_connections": "1",
        "archive_mode": "on", "archive_command": "'false'",
    }  # fmt: skip
    cluster = Cluster(folder, extra_settings=wishes)
    yield cluster.ensure_running()
    cluster.release()
    shutil.rmtree(folder)


def test_a_server_with_few_and_with_no_connections_left_is_told_apart(
    small: ClusterUrls, seen: Callable[..., set[str]]
) -> None:
    assert not {"connections_short", "database_full"} & seen(small.app_url)
    with ExitStack() as held:

        def hold(n: int) -> None:
            for _ in range(n):
                held.enter_context(psycopg.connect(libpq(small.owner_url)))

        hold(MOST - 2)
        assert "connections_short" in seen(small.app_url)
        hold(1)  # the owner's is left
        assert "database_full" in seen(small.app_url)
        hold(1)
        assert "database_full" in seen(small.app_url)


def test_a_limit_of_the_database_that_is_reached_is_told(small: ClusterUrls, seen: Callable[..., set[str]]) -> None:
    with psycopg.connect(libpq(small.owner_url), autocommit=True) as owner:
        name = sql.Identifier(owner.info.dbname)
        owner.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(name))
        try:
            assert "database_full" in seen(small.app_url)
        finally:
            owner.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(name))


def test_a_log_that_is_archived_in_vain_is_told(small: ClusterUrls, seen: Callable[..., set[str]]) -> None:
    with psycopg.connect(libpq(small.owner_url), autocommit=True) as owner:
        owner.execute("SELECT pg_switch_wal() FROM pg_create_restore_point('one')")

        def is_counted() -> bool:
            row = owner.execute("SELECT failed_count > 0 FROM pg_stat_archiver").fetchone()
            return bool(row and row[0])

        until(is_counted)
        assert "archive_failing" in seen(small.app_url)


def test_a_database_of_another_encoding_is_told(small: ClusterUrls, seen: Callable[..., set[str]]) -> None:
    with psycopg.connect(libpq(small.owner_url), autocommit=True) as owner:
        owner.execute("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
        told = owner.info.dbname
    assert "database_encoding" in seen(small.app_url.replace(f"/{told}?", "/bytes?"))
    assert "database_encoding" not in seen(small.app_url)


def test_a_server_that_stops_is_told(small: ClusterUrls, seen: Callable[..., set[str]]) -> None:
    """The last at this server: it waits for a session to end and lets nobody in meanwhile."""
    with closing(psycopg.connect(libpq(small.owner_url), autocommit=True)) as last:
        last.execute("ALTER SYSTEM SET archive_command = 'true'")  # else it would stop late
        last.execute("SELECT pg_reload_conf()")
        row = last.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
        assert row is not None
        os.kill(int(row[0].split()[0]), signal.SIGTERM)
        until(lambda: "database_starting" in seen(small.app_url))


@pytest.mark.parametrize(
    ("code", "limit", "moved"),
    [
        pytest.param("database_version", "BETWEEN 15 AND 18", "BETWEEN 97 AND 98", id="a version of no support"),
        pytest.param("transaction_long", "'5 minutes'", "'0 seconds'", id="a transaction left open"),
    ],
)
def test_what_lies_beyond_a_limit_is_told(
    database_urls: ClusterUrls,
    seen: Callable[..., set[str]],
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    limit: str,
    moved: str,
) -> None:
    """No server of that make, and no time to wait, is at hand: the limit is moved to where the database is."""
    with psycopg.connect(libpq(database_urls.app_url)) as left_open:
        left_open.execute("SELECT 1")
        assert code not in seen(database_urls.app_url)
        assert limit in diagnosis.QUESTIONS[code]
        monkeypatch.setitem(diagnosis.QUESTIONS, code, diagnosis.QUESTIONS[code].replace(limit, moved))
        assert code in seen(database_urls.app_url)


def test_the_service_itself_is_told_from_another_program_on_its_port(
    service: Service, database_urls: ClusterUrls, seen: Callable[..., set[str]]
) -> None:
    server = uvicorn.Server(uvicorn.Config(create_app(service), port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        found = seen(database_urls.app_url, port=port)
    finally:
        server.should_exit = True
        thread.join()
    assert "service_running" in found
    assert "port_taken" not in found


def test_a_folder_that_is_not_there_yet_is_told(
    database_urls: ClusterUrls, tmp_path: Path, seen: Callable[..., set[str]]
) -> None:
    assert "data_dir_missing" in seen(database_urls.app_url, tmp_path / "data")
    assert "data_dir_missing" not in seen(database_urls.app_url)


def test_a_secret_of_the_installation_that_others_can_read_is_told(
    database_urls: ClusterUrls, tmp_path: Path, seen: Callable[..., set[str]]
) -> None:
    (tmp_path / "backup_key").touch(0o644)
    assert "secret_open" in seen(database_urls.app_url)


def test_a_machine_without_openmp_is_told(
    database_urls: ClusterUrls, seen: Callable[..., set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)  # how Python itself says: not installed
    monkeypatch.setattr(machine, "WANTED", b"libgomp-of-nowhere.so.1")
    assert "openmp_missing" in seen(database_urls.app_url)


def test_a_model_made_for_other_features_is_told(
    database_urls: ClusterUrls, tmp_path: Path, seen: Callable[..., set[str]]
) -> None:
    numbers = {
        "version": "v1", "feature_set_version": FEATURE_SET_VERSION + 1, "features": list(FEATURE_NAMES),
        "calibrator": {"method": "platt", "x": [1, 0], "y": []}, "bands": {"medium": 0.2, "high": 0.5},
        "scorecard": {"features": [], "edges": [], "points": [], "base": 0}, "libraries": dict.fromkeys(LIBRARIES, "1"),
    }  # fmt: skip
    files = {"model.txt": b"tree", "bundle.json": json.dumps(numbers).encode(), "card.md": b"# v1"}
    digest = write_bundle(tmp_path / "models", "v1", files)
    entry = {"version": "v1", "status": "champion", "bundle_sha256": digest}
    registry = {"champion": "v1", "previous": None, "models": [entry]}
    (tmp_path / "models" / "registry.json").write_text(json.dumps(registry))
    assert "feature_set_unknown" in seen(database_urls.app_url)


def _named_as_found(tree: ast.AST) -> set[str]:
    """Return the words of a module's tests that are not only asserted to be absent."""
    absent = {
        id(part)
        for compared in ast.walk(tree)
        if isinstance(compared, ast.Compare) and isinstance(compared.ops[0], ast.NotIn)
        for part in ast.walk(compared)
    }
    return {
        str(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in absent
    }


def test_each_finding_is_planted_in_some_test() -> None:
    modules = Path(__file__).parent.glob("test_doctor*.py")
    named = set[str]().union(*(_named_as_found(ast.parse(module.read_text())) for module in modules))
    assert set(REMEDIES) - named == set()
