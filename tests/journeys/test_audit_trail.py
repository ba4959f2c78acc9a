"""Every act that a door lets through stands on the trail, with who, what, from where and why."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from iit.domain.access import on_behalf_of
from iit.domain.errors import Conflict
from iit.model.registry import Registry
from iit.store import audit
from iit.store.audit import AuditFilter, AuditRow
from iit.testing import TESTER
from tests.documents import a_document, encoded, uuid_of
from tests.journeys.conftest import Running

Rows = Callable[[], list[AuditRow]]
DOCUMENT = a_document("on the trail")


@pytest.fixture
def rows(running: Running) -> Iterator[Rows]:
    """What was put on the trail since the test began."""

    def all_rows() -> list[AuditRow]:
        with running.service.database.transaction() as tx:
            return list(audit.search(tx, AuditFilter(), newest=False))

    before = len(all_rows())
    yield lambda: all_rows()[before:]


def test_each_kind_of_request_has_its_kind_of_event(api: TestClient, rows: Rows) -> None:
    uuid = uuid_of(DOCUMENT)
    api.post("/api/v1/patients", content=encoded(DOCUMENT))
    api.get(f"/api/v1/patients/{uuid}")
    api.get(f"/api/v1/patients/{uuid}/timeline")
    prediction = api.post("/api/v1/predictions", content=encoded(DOCUMENT)).json()["prediction_id"]
    api.get(f"/api/v1/patients/{uuid}/predictions")
    api.get(f"/api/v1/predictions/{prediction}")
    page = api.get("/api/v1/patients", params={"limit": 7}).json()["patients"]
    worklist = api.get("/api/v1/worklist", params={"limit": 5}).json()["worklist"]
    told = rows()
    assert [row.event_type for row in told] == [
        "records_imported", "patient_read", "patient_read", "prediction", "patient_read", "prediction_read",
        "patients_listed", "worklist_read",
    ]  # fmt: skip
    assert [row.target for row in told[1:5]] == [f"patient:{uuid}"] * 4
    assert told[0].patients == told[5].patients == [uuid]
    assert told[6].patients == [one["patient_uuid"] for one in page]
    assert (told[7].patients or []) == [one["patient_uuid"] for one in worklist]


def test_an_event_tells_from_where_and_why(api: TestClient, rows: Rows) -> None:
    answers = [
        api.get("/api/v1/patients", params={"limit": 1}, headers={"X-Purpose": purpose})
        for purpose in ("treatment", "Jane Doe asked me to")
    ]
    told = rows()
    assert [row.request_id for row in told] == [answer.headers["X-Request-ID"] for answer in answers]
    assert [row.purpose for row in told] == ["treatment", "unstated"]
    assert {row.address for row in told} == {"testclient"}
    assert all(row.actor.startswith("key:") for row in told)


def test_what_was_asked_for_in_vain_is_not_quoted(api: TestClient, rows: Rows) -> None:
    api.get("/api/v1/patients/Jane Doe")
    api.get("/api/v1/worklist", params={"facility": "Jane Doe"})
    api.get("/api/v1/patients", params={"facility": "Jane Doe"})
    assert "Jane" not in repr(rows())
    assert {row.target for row in rows()} <= {"patients", "facilities"}


def test_promotion_and_roll_back_are_noted_before_and_after(running: Running, rows: Rows) -> None:
    service = running.service
    objections = Registry(service.settings.models_folder).entry("v0.1")["objections"]
    service.models.promote("v0.1", who=on_behalf_of("user:ada"), although_rejected=True)
    with pytest.raises(Conflict):
        service.models.roll_back(who=on_behalf_of("user:ada"))
    told = [(row.event_type, row.outcome, row.target) for row in rows()]
    assert told == [
        ("model_promoted", "started", "model:v0.1"),
        ("model_promoted", "ok", "model:v0.1"),
        ("model_rolled_back", "started", "model:v0.1"),
        ("model_rolled_back", "failed", "model:v0.1"),
    ]
    assert rows()[1].detail == {"objections": len(objections)}


def test_training_is_on_the_trail(running: Running) -> None:
    with running.service.database.transaction() as tx:
        told = list(audit.search(tx, AuditFilter(event_types=["model_trained"]), newest=False))
    assert [row.outcome for row in told][:2] == ["started", "ok"]


def test_the_whole_trail_of_the_journeys_is_sound(running: Running, tmp_path: Path) -> None:
    verdict = running.service.audit.verify(who=TESTER)
    assert verdict.findings == []
    assert verdict.n_rows > 10
