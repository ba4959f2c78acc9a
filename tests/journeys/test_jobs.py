"""Work that outlasts a request: in a process of its own, watched, cancelled, and taken up after a crash."""

import csv
import io
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from iit.domain.access import Principal
from iit.domain.errors import Conflict, InvalidInput, Unavailable
from iit.services.jobs import Jobs, Tell
from tests.journeys.conftest import TESTER, Running

LONGEST_SECONDS = 120


def ended(api: TestClient, job_id: str) -> dict[str, Any]:
    until = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < until:
        job: dict[str, Any] = api.get(f"/api/v1/jobs/{job_id}").json()
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.2)
    raise AssertionError("the job did not end")


def test_retraining_runs_in_a_process_of_its_own_and_registers_the_model(api: TestClient, running: Running) -> None:
    answer = api.post("/api/v1/models/retrain", json={"model_version": "v0.2"})
    assert answer.status_code == 202
    assert answer.json()["state"] in ("queued", "running")
    again = api.post("/api/v1/models/retrain", json={"model_version": "v0.3"})
    assert (again.status_code, again.json()["type"]) == (409, "urn:iit:problem:conflict")
    job = ended(api, answer.json()["job_id"])
    assert (job["state"], job["reason"]) == ("done", None)
    assert job["result"]["model_version"] == "v0.2"
    assert job["stage"] is not None
    # The same records and seed: it cannot beat the champion, and stays at hand as rejected.
    (entry,) = [one for one in api.get("/api/v1/models").json()["models"] if one["version"] == "v0.2"]
    assert entry["status"] == ("candidate" if not job["result"]["objections"] else "rejected")
    assert api.post("/api/v1/models/retrain", json={"model_version": "v0.2"}).status_code == 409


def test_a_batch_scores_a_facility_and_its_results_can_be_downloaded(api: TestClient, running: Running) -> None:
    (facility,) = [one[0] for one in running.service.patients.facilities(who=TESTER)][:1]
    answer = api.post("/api/v1/batches", json={"facility": facility, "explain": 2})
    assert answer.status_code == 202
    batch = answer.json()["job_id"]
    job = ended(api, batch)
    assert job["state"] == "done"
    assert 0 < job["result"]["n_scored"] <= job["result"]["n_patients"]
    told = api.get(f"/api/v1/batches/{batch}/results")
    rows = list(csv.DictReader(io.StringIO(told.text)))
    assert len(rows) >= job["result"]["n_scored"]  # with those that other tests asked for singly
    assert {row["facility"] for row in rows} == {facility}
    assert all(0 < float(row["risk"]) < 1 for row in rows)


def test_a_batch_of_a_state_scores_only_those_who_live_there(running: Running) -> None:
    with running.service.database.transaction() as tx:
        state, n = tx.execute(
            text(
                "SELECT state_province, count(*) FROM patients WHERE state_province IS NOT NULL "
                "GROUP BY 1 ORDER BY 2 LIMIT 1"
            )
        ).one()  # fmt: skip
    result = running.service.scoring.run({"state": state}, TESTER, lambda *_: None)
    assert result["n_patients"] == n
    assert result["n_scored"] <= n


@pytest.mark.parametrize(
    ("wish", "place"),
    [
        pytest.param({"as_of": "9999-12-31"}, "as_of", id="a day in the future"),
        pytest.param({"facility": "a\x00"}, "facility", id="a facility that cannot be stored"),
        pytest.param({"state": "a\x00"}, "state", id="a state that cannot be stored"),
    ],
)
def test_a_batch_that_cannot_be_meant_is_refused(
    api: TestClient, running: Running, wish: dict[str, str], place: str
) -> None:
    answer = api.post("/api/v1/batches", json=wish)
    assert answer.status_code == 422, answer.text
    assert place in answer.text
    with running.service.database.transaction() as tx:
        assert tx.execute(text("SELECT max(listed_on) FROM facilities")).scalar() < running.service.today()


def test_nobody_is_scored_as_of_a_day_to_come(running: Running) -> None:
    with pytest.raises(InvalidInput, match="future"):
        running.service.scoring.run({"as_of": "9999-12-31"}, TESTER, lambda *_: None)


def test_there_are_no_results_of_what_is_no_finished_batch(api: TestClient) -> None:
    assert api.get(f"/api/v1/batches/{uuid4()}/results").status_code == 404
    (training,) = [job for job in api.get("/api/v1/jobs").json()["jobs"] if job["kind"] == "train"][:1]
    assert api.get(f"/api/v1/batches/{training['job_id']}").status_code == 404


@pytest.fixture
def jobs(running: Running) -> Jobs:
    """Jobs whose process is never started: each test does what that process would."""
    kinds = {"sleep": _told_steps, "break": _break, "away": _away}
    return Jobs(running.service.database, kinds, lambda _job_id: None, time.monotonic)


def _told_steps(arguments: Any, _who: Principal, tell: Tell) -> dict[str, Any]:
    for step in range(arguments["steps"]):
        tell("sleeping", step, arguments["steps"])
        time.sleep(0.05)
    return {"slept": arguments["steps"]}


def _break(_arguments: Any, _who: Principal, _tell: Tell) -> dict[str, Any]:
    raise KeyError("a name that must not be told")


def _away(_arguments: Any, _who: Principal, _tell: Tell) -> dict[str, Any]:
    raise Unavailable("no model is in service")


def test_a_job_that_breaks_tells_nothing_of_its_inside(jobs: Jobs) -> None:
    job = jobs.run(jobs.submit("break", {}, who=TESTER).job_id)
    assert (job.state, job.reason) == ("failed", "the service failed; its log tells more")
    assert jobs.run(jobs.submit("away", {}, who=TESTER).job_id).reason == "no model is in service"


def test_a_waiting_job_that_is_cancelled_never_runs(jobs: Jobs) -> None:
    job = jobs.submit("sleep", {"steps": 1}, who=TESTER)
    assert jobs.cancel(job.job_id, who=TESTER).state == "cancelled"
    with pytest.raises(Conflict, match="not waiting"):
        jobs.run(job.job_id)
    with pytest.raises(Conflict, match="has ended"):
        jobs.cancel(job.job_id, who=TESTER)


def test_a_running_job_that_is_cancelled_stops(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iit.services.jobs._BEAT_SECONDS", 0.05)
    job = jobs.submit("sleep", {"steps": 400}, who=TESTER)
    with ThreadPoolExecutor() as pool:
        outcome = pool.submit(jobs.run, job.job_id)
        while jobs.get(job.job_id).state != "running":
            time.sleep(0.02)
        jobs.cancel(job.job_id, who=TESTER)
    assert outcome.result().state == "cancelled"


def test_a_job_whose_process_died_is_started_again_and_one_that_lives_is_not(jobs: Jobs) -> None:
    job = jobs.submit("sleep", {"steps": 1}, who=TESTER)
    with jobs.database.transaction() as tx:
        tx.execute(
            text("UPDATE jobs SET state = 'running', heartbeat_at = now() - interval '59 seconds' WHERE job_id = :id"),
            {"id": job.job_id},
        )
    started: list[Any] = []
    watching = Jobs(jobs.database, jobs.kinds, started.append, time.monotonic)
    watching.resume()
    assert job.job_id not in started
    with jobs.database.transaction() as tx:
        tx.execute(
            text("UPDATE jobs SET heartbeat_at = now() - interval '61 seconds' WHERE job_id = :id"), {"id": job.job_id}
        )
    watching.resume()
    assert started == [job.job_id]
    assert watching.run(job.job_id).result == {"slept": 1}
