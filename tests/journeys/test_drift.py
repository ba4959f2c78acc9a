"""The world goes on unchanged, or changes: the service notices the second and keeps quiet about the first."""

import json
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from iit.api.app import create_app
from iit.bootstrap import Service, assemble, audit_keys
from iit.cli.main import app
from iit.config import Settings
from iit.domain.access import Role
from iit.domain.errors import Conflict, InvalidInput, NotFound
from iit.ingest.sources import documents
from iit.model.registry import Registry
from iit.services import contexts
from iit.services.keys import KeyWish
from iit.services.monitoring import DriftReport
from iit.services.scoring import ScoringWish
from iit.store.database import open_database
from iit.store.embedded.cluster import ClusterUrls
from iit.synth import Shift, write_cohort
from iit.testing import TESTER
from tests.conftest import a_copy

END = date(2025, 6, 30)
TRAINED = END - timedelta(days=94)
QUIET = TRAINED + timedelta(days=16)  # the day before the world changes
LISTS = [QUIET + timedelta(days=after) for after in (8, 22, 36, 50)]
PATIENTS = 1000
SHIFT = Shift(
    on=QUIET + timedelta(days=1),
    log_lateness=1.2,
    supply_30_share=0.8,
    silent_facilities=1,
    lost_viral_loads=1.0,
)
LARGEST = "SYN00000001"


def a_service(urls: ClusterUrls, folder: Path) -> Service:
    settings = Settings(data_dir=folder / "data", secret_key="0123456789abcdefghijklmnopqrstuv-test")  # type: ignore[arg-type]
    settings.data_dir.mkdir()
    database = open_database(
        urls.app_url, time_zone=settings.time_zone, audit_keys=audit_keys(settings), pool=settings.pool
    )
    return assemble(settings, database)


class Lived(NamedTuple):
    service: Service
    urls: ClusterUrls
    quiet: DriftReport
    changed: DriftReport


@pytest.fixture(scope="module")
def lived(cluster: ClusterUrls) -> Iterator[Lived]:
    """A model of a quarter ago, a day on which all is as it was, and a day long after everything has changed."""
    folder = Path(tempfile.mkdtemp(prefix="iit-drift-"))
    urls = a_copy(cluster, "drift")
    service = a_service(urls, folder)
    cohort = folder / "cohort"
    write_cohort(cohort, patients=PATIENTS, seed=3, until=END, shift=SHIFT)
    service.intake.take(documents([cohort]), who=TESTER)
    contexts.refresh(service.database)
    service.training.train("v1", who=TESTER, as_of=TRAINED)
    Registry(service.settings.models_folder).promote("v1")
    quiet = a_day(service, QUIET)
    for day in LISTS:
        service.scoring.score(ScoringWish(as_of=day, explain=0), who=TESTER)
    yield Lived(service, urls, quiet, a_day(service, END))
    service.database.close()
    rmtree(folder)


def a_day(service: Service, day: date) -> DriftReport:
    """Return what the daily run finds after the day's scoring."""
    service.scoring.score(ScoringWish(as_of=day, explain=0), who=TESTER)
    return service.monitoring.run_daily(as_of=day, who=TESTER).drift


def test_an_unchanged_world_raises_no_alert(lived: Lived) -> None:
    report = lived.quiet
    assert not any(report.alerts.values()), report
    assert report.n_listed > 500
    assert max(one.psi for name, one in report.features.items() if not name.startswith("fac_")) < 0.1


def test_a_changed_world_raises_alerts_within_one_run(lived: Lived) -> None:
    report = lived.changed
    moved = {name for name, one in report.features.items() if one.is_large}
    assert report.alerts["data"]
    assert moved & {"days_supplied_last", "days_supplied_mean_3", "mmd_band"}
    assert moved & {"days_since_vl", "vl_category", "vl_overdue", "n_vl_24m"}
    assert report.alerts["quality"]
    assert LARGEST in report.fallen
    assert report.alerts["label"], report.live
    assert report.alerts["performance"]


def test_alerts_are_kept_told_and_exported(lived: Lived) -> None:
    service, report = lived.service, lived.changed
    key = service.access.keys.create(KeyWish(label="test", role=Role.ADMINISTRATOR), who=TESTER)
    with TestClient(create_app(service), headers={"X-API-Key": key}) as client:
        told = client.get("/api/v1/drift?since=30d").json()
        assert told["alerts"] == {kind: value for kind, value in report.alerts.items() if value is not None}
        assert told["features"][0]["psi"] >= told["features"][0]["limit"]
        assert told["runs"][0]["alerts"] == told["alerts"]
        performance = client.get("/api/v1/analytics/model-performance").json()
        assert performance["live"]["auroc"]["low"] <= performance["live"]["auroc"]["value"]
        assert performance["at_training"]["metrics"]["auroc"] > 0.5
        cascade = client.get("/api/v1/analytics/cascade").json()
        assert cascade["registered"] > 0.95 * PATIENTS  # of the silent facility, late comers have no document
        assert cascade["active"] >= cascade["on_list"] >= cascade["high_risk"] > 0
        assert cascade["interrupted"] > 0
        counts = client.get("/api/v1/analytics/risk-distribution").json()["counts"]
        assert sum(one["n"] for one in counts) >= cascade["on_list"]
        metrics = client.get("/metrics").text
        assert 'iit_drift_alert{kind="data"} 1.0' in metrics
        assert 'iit_feature_psi{feature="days_supplied_last"}' in metrics
        assert "\niit_prediction_accuracy " in metrics
        assert "\niit_data_quality_score " in metrics
        assert client.get("/api/v1/drift?since=never").status_code == 422


def test_the_commands_say_the_same(
    lived: Lived, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IIT_DATA_DIR", str(lived.service.settings.data_dir))
    monkeypatch.setenv("IIT_DATABASE_URL", lived.urls.app_url)
    monkeypatch.setenv("IIT_DATABASE_OWNER_URL", lived.urls.owner_url)

    def said(*arguments: str) -> str:
        app(list(arguments), standalone_mode=False)
        return capsys.readouterr().out

    assert "0 outcomes added, 0 changed, 0 open again" in said("outcomes", "resolve", "--as-of", str(END))
    told = json.loads(said("drift", "--as-of", str(END), "--json"))
    assert told["alerts"] == lived.changed.alerts
    assert told["features"]["days_since_vl"]["psi"] == pytest.approx(lived.changed.features["days_since_vl"].psi)
    text = said("drift", "--as-of", str(END))
    assert "data         ALERT" in text
    assert f"data of {LARGEST} have become worse" in text


def test_a_candidate_is_tried_unseen_then_serves_and_the_alerts_end(lived: Lived) -> None:
    service = lived.service
    registry = Registry(service.settings.models_folder)
    with pytest.raises(Conflict):
        registry.set_shadow("v1")
    service.training.train("v2", who=TESTER, as_of=END)
    registry.promote("v1")
    registry.set_shadow("v2")
    service.scoring.score(ScoringWish(as_of=END, explain=0), who=TESTER)
    with service.database.transaction() as tx:
        shadows = tx.execute(text("SELECT model_version, count(*) FROM shadow_scores GROUP BY 1")).all()
        shown = set(tx.execute(text("SELECT DISTINCT model_version FROM predictions")).scalars())
    assert shown == {"v1"}
    assert shadows[0][0] == "v2"
    assert shadows[0][1] > 500
    after = service.patients.worklist(facility=None, as_of=END, limit=1000, who=TESTER)
    assert {row.model_version for row in after} == {"v1"}
    with pytest.raises(InvalidInput, match="resolved predictions"):
        service.shadow.compare()

    registry.set_shadow(None)
    registry.promote("v2")
    service.champion._looked = float("-inf")
    report = a_day(service, END)
    assert report.model_version == "v2"
    assert not any(report.alerts.values()), report


def test_without_lists_there_is_nothing_to_compare(lived: Lived) -> None:
    with pytest.raises(NotFound, match="iit score"):
        lived.service.monitoring.drift(since="1d", as_of=date(2020, 1, 1), who=TESTER)


def test_gauges_outlive_the_database(lived: Lived) -> None:
    service = lived.service
    before = {figure for figure in service.gauges.figures() if figure[0] == "iit_drift_alert"}
    assert {labels for _, labels, _ in before} >= {("data",), ("quality",), ("score",)}
    gone = assemble(
        service.settings,
        open_database(
            "postgresql+psycopg://nobody@127.0.0.1:1/none",
            time_zone="Africa/Lagos",
            audit_keys=audit_keys(service.settings),
        ),
    )
    assert before.isdisjoint(gone.gauges.figures())
    gone.gauges._held = service.gauges._held
    gone.gauges._looked = float("-inf")
    assert before <= set(gone.gauges.figures())
    gone.database.close()
