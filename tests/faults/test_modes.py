"""Read-only and maintenance: commands that stop every writer or shut the doors, and undo it."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from fastapi.testclient import TestClient
from tests.commands import Command
from tests.conftest import libpq
from tests.documents import a_document, encoded, uuid_of
from tests.fault_site import Site

from iit.api.app import create_app
from iit.bootstrap import Service, service
from iit.domain.errors import ReadOnly
from iit.testing import TESTER

FEATURES = {"features": {"last_late_days": 3.0}}


@pytest.fixture
def iit(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(
        monkeypatch,
        capsys,
        {
            "IIT_DATA_DIR": str(site.settings.data_dir),
            "IIT_DATABASE_URL": site.urls.app_url,
            "IIT_DATABASE_OWNER_URL": site.urls.owner_url,
            "IIT_SECRET_KEY": "0123456789abcdefghijklmnopqrstuv-test",
        },
    )


@pytest.fixture
def read_only(iit: Command) -> Iterator[None]:
    told = iit("db", "read-only", "on")
    assert (told.returncode, "takes no writes" in told.stdout) == (0, True)
    yield
    assert iit("db", "read-only", "off").returncode == 0


def fresh(site: Site) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(libpq(site.urls.app_url), autocommit=True)


WRITE = "INSERT INTO model_metrics (model_id, metric_name, metric_value, segment) VALUES ('x', 'x', 1, 'all')"


def test_open_sessions_are_stopped_too(site: Site, iit: Command) -> None:
    with fresh(site) as pooled:
        pooled.execute("SELECT 1")
        try:
            assert iit("db", "read-only", "on").returncode == 0
            with pytest.raises(psycopg.OperationalError):
                pooled.execute(WRITE)
        finally:
            iit("db", "read-only", "off")


def test_no_new_session_writes_until_it_is_undone(site: Site, iit: Command, read_only: None) -> None:
    with fresh(site) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute(WRITE)
    assert iit("db", "read-only", "off").returncode == 0
    with fresh(site) as connection:
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)


def test_the_service_scores_reads_and_refuses_to_write(site: Site, client: TestClient, read_only: None) -> None:
    assert client.post("/api/v1/predictions", json=FEATURES).json()["stored"] is False
    assert client.get(f"/api/v1/patients/{uuid_of(a_document('stored'))}").status_code == 200
    refused = client.post("/api/v1/patients", json=a_document("new"))
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:iit:problem:read_only")
    site.service.modes.refresh()
    assert site.service.modes.current().is_read_only


def test_a_process_that_starts_meanwhile_serves(site: Site, read_only: None) -> None:
    with service(site.settings) as started:
        started.audit.note_start({})
        assert started.predictor.score_features({"last_late_days": 1.0}, explain=0).prediction.source == "champion"
        with pytest.raises(ReadOnly):
            started.intake.take_one(encoded(a_document("new")), who=TESTER)


def test_both_ways_are_written_down(site: Site, iit: Command) -> None:
    before = site.count("SELECT count(*) FROM maintenance_log WHERE task LIKE 'read-only %%'")
    for switch in ("on", "off"):
        assert iit("db", "read-only", switch).returncode == 0
    assert site.count("SELECT count(*) FROM maintenance_log WHERE task LIKE 'read-only %%'") == before + 2
    for target in ("read-only:on", "read-only:off"):
        assert site.count("SELECT count(*) FROM audit_logs WHERE target = %s", target) > 0
    site.service.spooling.drain()
    assert site.service.audit.verify(who=TESTER).findings == []


def test_in_maintenance_all_but_health_is_told_to_come_again(
    site: Site, client: TestClient, iit: Command, refreshed: Callable[[], Service]
) -> None:
    assert iit("maintenance", "on", "--message", "back at noon").returncode == 0
    refreshed()
    refused = client.post("/api/v1/predictions", json=FEATURES)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
    assert (refused.json()["type"], refused.json()["detail"]) == ("urn:iit:problem:maintenance", "back at noon")
    assert [client.get(path).status_code for path in ("/health/live", "/metrics")] == [200, 200]
    assert iit("maintenance", "off").returncode == 0
    refreshed()
    assert client.post("/api/v1/predictions", json=FEATURES).status_code == 200
    assert iit("maintenance", "off").returncode == 13
    assert site.count("SELECT count(*) FROM maintenance_log WHERE task IN ('maintenance on', 'maintenance off')") == 2


@pytest.fixture
def refreshed(site: Site) -> Callable[[], Service]:
    def look() -> Service:
        site.service.modes.refresh()
        return site.service

    return look


def test_while_the_database_is_away_the_last_standing_holds(site: Site, iit: Command) -> None:
    assert iit("maintenance", "on").returncode == 0
    site.service.modes.refresh()
    site.stop()
    site.service.modes.refresh()
    try:
        assert site.service.modes.current().maintenance == "under maintenance"
    finally:
        site.start()
        assert iit("maintenance", "off").returncode == 0
        site.service.database.breaker.succeeded()
        site.service.modes.refresh()


def test_the_application_starts_with_what_stands(site: Site, iit: Command) -> None:
    assert iit("maintenance", "on").returncode == 0
    try:
        with TestClient(create_app(site.service), headers={"X-API-Key": site.key}) as opened:
            assert opened.get("/api/v1/models").status_code == 503
    finally:
        iit("maintenance", "off")
        site.service.modes.refresh()
