"""A slow request and a slow transaction are told in the log: where and how long, and no value of anybody."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from iit.api.app import create_app
from iit.bootstrap import Service
from iit.config import Settings
from iit.domain.errors import Conflict
from iit.store.database import Database

SOMEBODY = "CANARY-OF-A-SLOW-LINE"


def told(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.msg == event and record.levelname == "WARNING"]


@pytest.fixture(params=[0.0, 60.0], ids=["all are slow", "none is slow"])
def asked(request: pytest.FixtureRequest, service: Service, settings: Settings) -> Iterator[tuple[TestClient, float]]:
    changed = settings.model_copy(update={"slow_request_seconds": request.param})
    with TestClient(create_app(replace(service, settings=changed)), raise_server_exceptions=False) as client:
        yield client, request.param


def test_a_slow_request_is_told_by_its_route(asked: tuple[TestClient, float], caplog: pytest.LogCaptureFixture) -> None:
    client, limit = asked
    answer = client.get(f"/api/v1/patients/{SOMEBODY}/predictions?said={SOMEBODY}")
    assert answer.status_code == 401
    lines = told(caplog, "slow request")
    assert len(lines) == (limit == 0)
    for line in lines:
        assert (line["method"], line["status"]) == ("GET", 401)
        assert line["handler"].startswith("/api/v1/patients/{")
        assert 0 <= line["milliseconds"] < 60_000
        assert SOMEBODY not in str(line)


def slow(database: Database, seconds: float) -> Database:
    return replace(database, pool=replace(database.pool, slow_seconds=seconds))


def wait(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(text("SELECT pg_sleep(0.05), :said"), {"said": SOMEBODY})


@pytest.mark.parametrize(("limit", "is_told"), [(0.04, True), (60.0, False)])
def test_a_slow_transaction_is_told_by_its_place_in_code(
    database: Database, caplog: pytest.LogCaptureFixture, limit: float, is_told: bool
) -> None:
    wait(slow(database, limit))
    lines = told(caplog, "slow transaction")
    assert len(lines) == is_told
    for line in lines:
        module, where = line["place"].split(":")
        assert (module, where.split()[1]) == (__name__, "wait")
        assert 40 <= line["milliseconds"] < 60_000
        assert SOMEBODY not in str(line)


def test_a_slow_transaction_that_fails_or_is_tried_again_is_told_with_who_wished_it(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Conflict), slow(database, 0).transaction():
        raise Conflict("it exists already", place="test")
    slow(database, 0).retried(lambda tx: tx.execute(text("SELECT 1")))
    places = [line["place"] for line in told(caplog, "slow transaction")]
    assert len(places) == 2
    assert all(place.startswith(f"{__name__}:") for place in places)
