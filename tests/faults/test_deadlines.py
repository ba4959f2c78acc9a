"""A lock, a slow statement or a full pool ends in 503 inside the deadline; a lost connection is tried once more."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Timer

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from tests.documents import a_document, uuid_of
from tests.fault_site import Site

from iit.api.app import create_app
from iit.bootstrap import assemble, audit_keys
from iit.breaker import NEVER, Breaker, State
from iit.deadline import Deadline, within
from iit.domain.errors import Busy, Unavailable
from iit.store.database import Database, PoolSettings, Transaction, open_database

FEATURES = {"features": {"last_late_days": 3.0}}


@pytest.fixture
def hurried(site: Site) -> Iterator[TestClient]:
    """A client of a service whose requests have three seconds, and whose pool has two connections."""
    settings = site.settings.model_copy(
        update={
            "request_deadline_seconds": 3.0,
            "db_pool_size": 1,
            "db_max_overflow": 1,
            "db_pool_timeout_seconds": 1.0,
        }
    )
    database = open_database(
        site.urls.app_url, time_zone=settings.time_zone, audit_keys=audit_keys(settings), pool=settings.pool
    )
    app = create_app(assemble(settings, database))
    with TestClient(app, headers={"X-API-Key": site.key}, raise_server_exceptions=False) as client:
        client.get("/api/v1/models")
        yield client
    database.close()


@contextmanager
def locked(site: Site, table: str) -> Iterator[None]:
    with site.owner() as connection, connection.transaction():
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")  # type: ignore[arg-type]
        yield


def refused_within(client: TestClient, body: dict, seconds: float) -> str:
    began = time.monotonic()
    answer = client.post("/api/v1/predictions", json=body)
    assert time.monotonic() - began < seconds
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    return str(answer.json()["type"])


@pytest.mark.parametrize(
    ("table", "body"),
    [
        pytest.param("audit_heads", FEATURES, id="the trail is locked"),
        pytest.param("records", {"patient_uuid": uuid_of(a_document("stored"))}, id="the records are locked"),
    ],
)
def test_a_lock_that_is_held_is_told_of_in_time(site: Site, hurried: TestClient, table: str, body: dict) -> None:
    with locked(site, table):
        assert refused_within(hurried, body, 3.0) == "urn:iit:problem:busy"
    assert hurried.post("/api/v1/predictions", json=body).status_code in (200, 409)


def test_a_pool_with_no_connection_left_is_told_of_in_time(site: Site, hurried: TestClient) -> None:
    engine = hurried.app.state.service.database.engine  # type: ignore[attr-defined]
    with engine.connect(), engine.connect():
        assert refused_within(hurried, FEATURES, 3.0) == "urn:iit:problem:busy"
    assert hurried.post("/api/v1/predictions", json=FEATURES).json()["stored"] is True


def test_a_slow_statement_ends_before_the_deadline(site: Site) -> None:
    database = site.service.database
    began = time.monotonic()
    with within(Deadline.after(1.0, time.monotonic)), pytest.raises(Busy), database.transaction() as tx:
        tx.execute(text("SELECT pg_sleep(10)"))
    assert 0.5 < time.monotonic() - began < 1.0


def test_a_server_that_is_frozen_is_given_up_before_the_deadline(site: Site) -> None:
    database = site.service.database
    thaw = Timer(20.0, site.freeze, [signal.SIGCONT])
    thaw.start()
    began = time.monotonic()
    try:
        with within(Deadline.after(2.0, time.monotonic)), pytest.raises(Unavailable), database.transaction() as tx:
            site.freeze()
            tx.execute(text("SELECT 1"))
    finally:
        site.freeze(signal.SIGCONT)
        thaw.cancel()
    assert time.monotonic() - began < 2.0
    database.breaker.succeeded()
    database.ping()


def test_when_the_deadline_has_passed_nothing_is_begun(site: Site) -> None:
    with within(Deadline.after(0.0, time.monotonic)), pytest.raises(Busy), site.service.database.transaction():
        pytest.fail("nothing is to be done")


def test_an_answer_that_has_begun_is_not_hurried(site: Site) -> None:
    deadline = Deadline.after(0.01, time.monotonic)
    deadline.lift()
    with within(deadline), site.service.database.transaction() as tx:
        assert tx.execute(text("SHOW statement_timeout")).scalar_one() == "30s"


def end_own_session(database: Database, tx: Transaction) -> None:
    pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with database.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    tx.execute(text("SELECT 1"))


def test_a_connection_that_is_lost_is_tried_once_more(site: Site) -> None:
    database, tries = site.service.database, []

    def work(tx: Transaction) -> int:
        tries.append(1)
        if len(tries) == 1:
            end_own_session(database, tx)
        return int(tx.execute(text("SELECT 7")).scalar_one())

    assert (database.retried(work), len(tries)) == (7, 2)


def test_one_that_is_lost_twice_is_told_of(site: Site) -> None:
    database = site.service.database
    with pytest.raises(Unavailable, match="cannot answer now"):
        database.retried(lambda tx: end_own_session(database, tx))


@pytest.mark.parametrize(("failures", "state"), [(3, State.OPEN), (NEVER, State.CLOSED)], ids=["on", "off"])
def test_a_server_that_is_away_opens_the_breaker_unless_that_is_turned_off(failures: float, state: State) -> None:
    breaker = Breaker("database", time.monotonic, failures)
    database = open_database("postgresql+psycopg://nobody@127.0.0.1:1/none", time_zone="UTC", breaker=breaker)
    for _ in range(3):
        with pytest.raises(Unavailable):
            database.ping()
    assert breaker.state == state


def test_a_busy_server_opens_no_breaker(site: Site) -> None:
    breaker = Breaker("database", time.monotonic, 1)
    database = replace(site.service.database, breaker=breaker, pool=PoolSettings())
    with within(Deadline.after(0.3, time.monotonic)), pytest.raises(Busy), database.transaction() as tx:
        tx.execute(text("SELECT pg_sleep(5)"))
    with pytest.raises(psycopg.errors.SyntaxError), database.transaction() as tx:
        tx.connection.driver_connection.execute("SELEKT")  # type: ignore[union-attr]
    assert breaker.state == State.CLOSED
