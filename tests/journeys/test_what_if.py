"""Asking how the risk would move, from outside."""

from datetime import date, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.journeys.conftest import Running


@pytest.fixture(scope="module")
def patient(running: Running) -> str:
    with running.service.database.transaction() as tx:
        query = text("SELECT patient_uuid FROM patients WHERE risk_score IS NOT NULL ORDER BY 1 DESC LIMIT 1")
        return str(tx.execute(query).scalar_one())


def count(running: Running) -> int:
    with running.service.database.transaction() as tx:
        return int(tx.execute(text("SELECT count(*) FROM predictions")).scalar_one())


def test_more_days_supplied_move_the_expected_day_and_are_told_beside_the_prediction(
    api: TestClient, running: Running, patient: str
) -> None:
    before = count(running)
    cycle = api.get(f"/api/v1/patients/{patient}/timeline").json()["cycles"][-1]
    told = api.post("/api/v1/predictions", json={"patient_uuid": patient, "what_if": {"days_supplied": 180}}).json()
    plain = api.post("/api/v1/predictions", json={"patient_uuid": patient}).json()
    assert "what_if" not in plain
    assert told["iit_risk_score"] == plain["iit_risk_score"]
    beside = told["what_if"]
    assert beside["changes"] == {"days_supplied": 180}
    assert date.fromisoformat(beside["expected_date"]) == date.fromisoformat(cycle["pickup_on"]) + timedelta(days=180)
    assert beside["difference"] == pytest.approx(beside["iit_risk_score"] - told["iit_risk_score"])
    assert beside["note"].startswith("association")
    assert count(running) == before + 2  # the supposition is no prediction


def test_features_may_be_supposed_too(api: TestClient) -> None:
    body = {"features": {"late_days_mean_3": 0.0, "n_prev_iit": 0}, "what_if": {"late_days_mean_3": 25}}
    told = api.post("/api/v1/predictions", json=body).json()
    again = api.post("/api/v1/predictions", json={"features": {"late_days_mean_3": 25, "n_prev_iit": 0}}).json()
    assert told["what_if"]["iit_risk_score"] == again["iit_risk_score"]


@pytest.mark.parametrize("what_if", [{}, {"days_supplied": 400}, {"income": 3}, None, [1]])
def test_an_impossible_supposition_is_refused(api: TestClient, patient: str, what_if: object) -> None:
    answer = api.post("/api/v1/predictions", json={"patient_uuid": patient, "what_if": what_if})
    expected = 200 if what_if is None else 422
    assert answer.status_code == expected
    if expected == 422:
        assert answer.json()["errors"][0]["place"] == "what_if"
