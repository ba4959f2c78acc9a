"""Risks told back to an OpenMRS over real sockets: once a patient and day, whatever goes wrong on the way."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import stamina
from sqlalchemy import text
from tests.documents import a_document, encoded, uuid_of
from tests.openmrs.web import Openmrs, serving

from iit.breaker import closed_breaker
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import NotAllowed, Unavailable
from iit.ingest.openmrs.rest import Rest, read_web_address
from iit.services.intake import Intake
from iit.services.write_back import Targets, WriteBack
from iit.store import predictions as prediction_store
from iit.store.database import Database
from iit.store.predictions import PredictionRow
from iit.testing import TESTER

ZONE = ZoneInfo("Africa/Lagos")
CONCEPT, ATTRIBUTE = "risk-concept", "risk-attribute"
AS_OF = date(2024, 3, 1)
NAMES = ("one", "two", "three")


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def site(database: Database) -> Iterator[Openmrs]:
    intake = Intake(database, ZONE, lambda: datetime.now(ZONE))
    made = Openmrs()
    for name in NAMES:
        document = a_document(name)
        intake.take_one(encoded(document), who=TESTER)
        made.patients[uuid_of(document)] = document["messageData"]
    yield made
    with database.transaction() as tx:
        for table in ("patients", "predictions", "watermarks"):
            tx.execute(text(f"DELETE FROM {table}"))  # noqa: S608


@pytest.fixture
def write_back(site: Openmrs, database: Database) -> Iterator[WriteBack]:
    with serving(site) as url:
        rest = Rest(read_web_address(url), closed_breaker("openmrs"), limit_seconds=1.0)
        yield WriteBack(database, rest, Targets(CONCEPT, ATTRIBUTE), None, ZONE, lambda: datetime.now(UTC))
        rest.close()


def predict(database: Database, risk: float, *, band: str = "high", source: str = "champion", name: str = "") -> None:
    for one in (name,) if name else NAMES:
        row = PredictionRow(uuid4(), uuid_of(a_document(one)), "SYN000001", "v1.0", AS_OF, AS_OF, risk, band, [], [], 1,
                            source, 1.0, [], "test")  # fmt: skip
        event = AuditEvent(event_type=EventType.PREDICTION, actor="test", action="create", target="predictions")
        with database.transaction() as tx:
            prediction_store.save(tx, [row], audit=[event])


def test_a_risk_is_told_once_a_patient_and_day(write_back: WriteBack, site: Openmrs, database: Database) -> None:
    predict(database, 0.314)
    assert vars(write_back.run(who=TESTER)) == {"n_told": 3, "n_same": 0, "n_refused": 0}
    assert {(one["person"], one["obsDatetime"][:10], one["value"]) for one in site.obs} == {
        (uuid, "2024-03-01", 31.4) for uuid in site.patients
    }
    assert [one["value"] for marks in site.attributes.values() for one in marks] == ["high"] * 3
    site.asked.clear()
    assert vars(write_back.run(who=TESTER)) == {"n_told": 0, "n_same": 0, "n_refused": 0}
    assert site.asked == []
    predict(database, 0.314)
    assert write_back.run(who=TESTER).n_same == 3
    predict(database, 0.05, band="low")
    assert write_back.run(who=TESTER).n_told == 3
    assert [one["value"] for one in site.obs] == [5.0] * 3
    assert [one["value"] for marks in site.attributes.values() for one in marks] == ["low"] * 3


@pytest.mark.parametrize(
    "mood",
    [pytest.param("done", id="done, and the answer lost"), pytest.param("drop", id="lost before it was done"),
     pytest.param((500, {}), id="an error"), pytest.param((429, {"Retry-After": "0"}), id="too many")],
)  # fmt: skip
def test_a_lost_answer_makes_no_second_one(write_back: WriteBack, site: Openmrs, database: Database, mood: Any) -> None:
    predict(database, 0.5)
    for place in range(12):
        site.moods = [None] * place + [mood]
        with database.transaction() as tx:
            tx.execute(text("DELETE FROM watermarks"))
        write_back.run(who=TESTER)
    assert len(site.obs) == 3
    assert [len(marks) for marks in site.attributes.values()] == [1, 1, 1]


def test_after_an_outage_the_next_run_tells_the_rest(
    write_back: WriteBack, site: Openmrs, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iit.services.write_back.BATCH", 1)
    predict(database, 0.5)
    site.moods = [None] * 4 + [(503, {})] * 20
    with pytest.raises(Unavailable):
        write_back.run(who=TESTER)
    assert len(site.obs) == 1
    site.moods.clear()
    assert write_back.run(who=TESTER).n_told == 2
    assert len(site.obs) == 3


def test_who_is_unknown_there_is_left_out(write_back: WriteBack, site: Openmrs, database: Database) -> None:
    predict(database, 0.5)
    del site.patients[uuid_of(a_document("two"))]
    only_answers = replace(write_back, targets=Targets(CONCEPT, None))
    assert vars(only_answers.run(who=TESTER)) == {"n_told": 2, "n_same": 0, "n_refused": 1}


def test_a_refusal_of_all_ends_the_run(write_back: WriteBack, site: Openmrs, database: Database) -> None:
    predict(database, 0.5)
    site.moods = [(403, {})]
    with pytest.raises(NotAllowed):
        write_back.run(who=TESTER)
    assert write_back.run(who=TESTER).n_told == 3


def test_what_no_model_said_is_not_told(write_back: WriteBack, site: Openmrs, database: Database) -> None:
    predict(database, 0.5, source="scorecard")
    assert write_back.run(who=TESTER).n_told == 0


def test_only_the_facilitys_patients_are_told(write_back: WriteBack, site: Openmrs, database: Database) -> None:
    predict(database, 0.5)
    assert replace(write_back, facility="ELSEWHERE").run(who=TESTER).n_told == 0


def test_telling_leaves_the_audit_trail_naming_whom(write_back: WriteBack, site: Openmrs, database: Database) -> None:
    predict(database, 0.5)
    write_back.run(who=TESTER)
    with database.transaction() as tx:
        rows = tx.execute(
            text("SELECT patients FROM audit_logs WHERE event_type = 'patients_exported' ORDER BY seq DESC LIMIT 1")
        ).scalar_one()
    assert sorted(rows) == sorted(site.patients)
