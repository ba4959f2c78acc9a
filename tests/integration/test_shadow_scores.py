"""What a shadow model says is kept once, beside the prediction, and is seen by no reading for people."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from tests.predictions import a_prediction

from iit.domain.audit import AuditEvent
from iit.domain.errors import InvalidInput, NotFound
from iit.services.answers import audit_of
from iit.services.shadow import Shadow
from iit.store import predictions as prediction_store
from iit.store import shadows as shadow_store
from iit.store.database import Database
from iit.store.predictions import PredictionRow
from iit.store.shadows import ShadowScore

EVENT = AuditEvent(event_type="prediction", actor="test", action="execute", target="shadow")


@pytest.fixture
def given(database: Database) -> Iterator[PredictionRow]:
    row = a_prediction(str(uuid4()), date(2024, 3, 1))
    with database.transaction() as tx:
        prediction_store.save(tx, [row], audit=[audit_of(row)])
    yield row
    with database.transaction() as tx:
        tx.execute(text("DELETE FROM predictions"))


def kept(database: Database) -> list[tuple[object, ...]]:
    with database.transaction() as tx:
        return [tuple(row) for row in tx.execute(text("SELECT model_version, risk_score FROM shadow_scores"))]


def test_a_score_is_kept_once_and_goes_with_its_prediction(database: Database, given: PredictionRow) -> None:
    for risk in (0.5, 0.75):
        with database.transaction() as tx:
            shadow_store.save(tx, [ShadowScore(given.prediction_id, "v2", risk)], audit=EVENT)
    assert kept(database) == [("v2", 0.5)]
    with database.transaction() as tx:
        found = prediction_store.of_patient(tx, str(given.patient_uuid), limit=10)
        tx.execute(text("DELETE FROM predictions"))
    assert [one.row.model_version for one in found] == ["v1"]
    assert kept(database) == []


def test_without_a_shadow_nothing_is_kept(database: Database, given: PredictionRow, tmp_path: Path) -> None:
    Shadow(database, tmp_path).keep_beside(given, actor="test")
    assert kept(database) == []
    with pytest.raises(NotFound, match="iit models shadow"):
        Shadow(database, tmp_path).compare()


def test_a_damaged_registry_does_not_stop_the_champion(
    database: Database, given: PredictionRow, tmp_path: Path
) -> None:
    (tmp_path / "registry.json").write_text("{")
    shadow = Shadow(database, tmp_path)
    with database.transaction() as tx:
        assert shadow.keep(tx, [given], actor="test") == 0
    with pytest.raises(InvalidInput):
        shadow.compare()
