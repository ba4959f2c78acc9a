"""From records to a model that is judged, kept whole and followed by the service."""

import dataclasses
import io
import json
import shutil
from datetime import timedelta
from pathlib import Path

import joblib
import numpy as np
import pytest
from sqlalchemy import text

from iit.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from iit.domain.interruption import GRACE_DAYS
from iit.domain.record import day_number
from iit.domain.risk import Source
from iit.model.bundle import EXPORT, load_bundle
from iit.model.dataset import build_dataset, features_of
from iit.model.gate import LIMITS, objections
from iit.model.metrics import auroc
from iit.model.registry import Registry
from iit.model.scorer import Scorer
from iit.model.split import split
from iit.model.train import train
from iit.services.champion import Champion
from iit.services.contexts import contexts_of, load_cohort
from iit.services.scoring import ScoringWish
from iit.testing import TESTER
from tests.journeys.conftest import UNTIL, Running


@pytest.fixture
def models(running: Running, tmp_path: Path) -> Path:
    """A copy of the first model and what serves, to be damaged."""
    others = shutil.ignore_patterns("v0.[2-9]*")
    return Path(shutil.copytree(running.service.settings.models_folder, tmp_path / "models", ignore=others))


def test_the_model_beats_the_simple_ones_and_comes_near_the_limit(running: Running) -> None:
    told = running.training.evaluation
    assert told["metrics"]["auroc"] > told["rivals"]["single feature"]["auroc"]
    assert told["metrics"]["auroc"] > 0.7
    assert told["limit"]["auroc_model"] > told["limit"]["auroc_reachable"] - 0.06  # 1,200 patients only


def test_evaluating_again_gives_the_same_figures(running: Running) -> None:
    assert running.judged["metrics"] == pytest.approx(running.training.evaluation["metrics"], abs=1e-9)


def test_simple_rivals_are_judged_on_the_rows_that_were_asked_for(running: Running) -> None:
    told = running.training.evaluation["rivals"]
    again = running.judged["rivals"]
    later = running.service.evaluation.judge(who=TESTER, since=UNTIL - timedelta(days=150))["rivals"]
    assert again.keys() == later.keys() == told.keys()
    for name, one in told.items():
        assert again[name]["auroc"] == pytest.approx(one["auroc"], abs=1e-9), name
        assert later[name]["auroc"] != again[name]["auroc"], name


def test_figures_shown_are_those_of_the_training_and_few(running: Running) -> None:
    shown, figures = running.service.models.show("v0.1"), running.service.models.figures("v0.1")
    told = json.loads(json.dumps(running.training.evaluation))
    assert shown["metrics"] == figures["metrics"] == told["metrics"]
    assert figures["segments"] == told["segments"]
    assert shown["limits"] == json.loads(json.dumps(LIMITS.as_dict()))
    assert len(json.dumps(shown)) < 20_000
    assert len(json.dumps(figures)) < 200_000


def test_evaluation_rows_hold_what_was_promised(running: Running) -> None:
    kept: list[object] = []
    running.service.evaluation.judge(who=TESTER, rows_to=lambda header, rows: kept.extend([header, rows]))
    header, rows = kept
    assert header == ["patient_uuid", "index_date", "as_of", "days_to_expected", "risk", "label"]
    assert {row[5] for row in rows} == {0, 1}  # type: ignore[attr-defined]


def test_no_label_window_reaches_from_training_into_the_test(running: Running) -> None:
    with running.service.database.transaction() as tx:
        cohort = load_cohort(tx)
    contexts = contexts_of(cohort)
    dataset = build_dataset(cohort.columns, cohort.facility, contexts, as_of=day_number(UNTIL))
    parts = split(dataset, cohort.patient_uuids, [one.facility for one in cohort.facilities])
    trained = parts.early | parts.late
    assert (dataset.settled >= dataset.expected + GRACE_DAYS).all()
    assert dataset.settled[parts.early].max() < dataset.settled[parts.late].min()
    assert dataset.settled[trained].max() <= parts.train_until < dataset.settled[parts.calibrate].min()
    assert dataset.settled[parts.calibrate].max() <= parts.calibrate_until < dataset.index_day[parts.test].min()
    tested_patients = set(dataset.patient[parts.unseen_patient])
    assert not tested_patients & set(dataset.patient[trained | parts.calibrate])


def test_shuffled_labels_teach_nothing_and_the_same_seed_gives_the_same_model(running: Running) -> None:
    with running.service.database.transaction() as tx:
        cohort = load_cohort(tx)
    contexts = contexts_of(cohort)
    dataset = build_dataset(cohort.columns, cohort.facility, contexts, as_of=day_number(UNTIL))
    dataset = dataset.take(dataset.trainable & (dataset.landmark == 0))
    features = features_of(dataset, cohort.columns, cohort.facility, contexts)
    np.random.default_rng(0).shuffle(dataset.label)
    parts = split(dataset, cohort.patient_uuids, [one.facility for one in cohort.facilities])
    texts = []
    for _ in range(2):
        trained = train(dataset, features, parts, seed=5)
        texts.append(trained.booster.model_to_string())
    assert texts[0] == texts[1]
    score = trained.booster.predict(features[parts.test])
    assert auroc(score, dataset.label[parts.test]) == pytest.approx(0.5, abs=0.06)


def test_a_silent_facility_is_not_wholly_interrupted(running: Running) -> None:
    """One synthetic facility stops reporting months before the others: its open cycles stay without a label."""
    with running.service.database.transaction() as tx:
        cohort = load_cohort(tx)
    contexts = contexts_of(cohort)
    dataset = build_dataset(cohort.columns, cohort.facility, contexts, as_of=day_number(UNTIL))
    silent = int(contexts.last_known_day.argmin())
    assert contexts.last_known_day[silent] < day_number(UNTIL) - 60
    late = (dataset.facility == silent) & (dataset.expected + GRACE_DAYS > contexts.last_known_day[silent])
    assert late.any()
    assert (dataset.label[late] != 1).all()


def damage(folder: Path, how: str) -> None:
    model = folder / "v0.1" / "model.txt"
    if how == "truncated":
        model.write_bytes(model.read_bytes()[:-100])
    elif how == "one byte":
        data = bytearray(model.read_bytes())
        data[len(data) // 2] ^= 1
        model.write_bytes(bytes(data))
    elif how == "missing":
        model.unlink()
    elif how == "link":
        model.rename(folder / "elsewhere")
        model.symlink_to(folder / "elsewhere")
    elif how == "sums swapped":
        sums = folder / "v0.1" / "SHA256SUMS"
        sums.write_text(sums.read_text().replace("a", "b"))
    elif how == "manifest":
        path = folder / "v0.1" / "bundle.json"
        path.write_text(path.read_text().replace('"high"', '"hihg"'))


@pytest.mark.parametrize("how", ["truncated", "one byte", "missing", "link", "sums swapped", "manifest"])
def test_a_damaged_model_never_loads(models: Path, how: str) -> None:
    damage(models, how)
    with pytest.raises(InvalidInput):
        Registry(models).load("v0.1")


def test_a_running_model_stays_when_the_new_one_is_damaged(models: Path) -> None:
    champion = Champion(models, iter(range(0, 100, 5)).__next__)
    before = champion.current()
    shutil.copytree(models / "v0.1", models / "v0.2")
    registry = json.loads((models / "registry.json").read_text())
    registry["models"].append({**registry["models"][0], "version": "v0.2"})
    registry |= {"champion": "v0.2", "previous": "v0.1"}
    (models / "registry.json").write_text(json.dumps(registry))
    after = champion.current()  # v0.2 says of itself that it is v0.1: it is not what was registered
    assert (after.scorer, after.source) == (before.scorer, Source.PREVIOUS)


def test_without_a_sound_model_nothing_is_made_up(models: Path) -> None:
    damage(models, "manifest")
    with pytest.raises(Unavailable):
        Champion(models, lambda: 0.0).current()


def test_without_sound_trees_the_scorecard_answers_and_says_so(running: Running, models: Path) -> None:
    damage(models, "one byte")
    predictor = dataclasses.replace(running.service.predictor, champion=Champion(models, lambda: 0.0))
    told = predictor.score_features({"late_days_mean_3": 12.0, "age": 31.0}, explain=3).prediction
    assert (told.source, told.degraded, told.model_version) == ("scorecard", True, "v0.1")
    assert 0 < told.iit_risk_score < 1
    assert {reason["feature"] for reason in told.reasons} <= {"late_days_mean_3", "age"}
    assert told.reasons


@pytest.mark.parametrize("name", ["../v0.1", "/etc", "", ".", "a/b", "x" * 65])
def test_a_version_is_never_a_path(models: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        load_bundle(models, name)


def test_the_same_version_is_not_trained_twice(running: Running) -> None:
    with pytest.raises(Conflict, match="exists already"):
        running.service.training.train("v0.1", who=TESTER)


def test_promoting_and_rolling_back(models: Path) -> None:
    registry = Registry(models)
    with pytest.raises(NotFound):
        registry.promote("v9")
    with pytest.raises(Conflict):
        registry.roll_back()
    assert registry.champion() == "v0.1"


def test_the_exported_file_is_the_same_model(running: Running) -> None:
    folder = running.service.settings.models_folder / "v0.1"
    exported = joblib.load(io.BytesIO((folder / EXPORT).read_bytes()))
    bundle = load_bundle(running.service.settings.models_folder, "v0.1")
    cases = np.array(
        [[np.nan if v is None else v for v in row] for row in bundle.manifest["self_test"]["features"]], np.float32
    )
    assert np.array_equal(exported.predict(cases, raw_score=True), Scorer(bundle).raw(cases))


def test_the_gate_names_what_speaks_against_a_model(running: Running) -> None:
    told = json.loads(json.dumps(running.training.evaluation))
    told["segments"] = {}
    told["rivals"] = {"scorecard": {"auroc": 0.99}}
    told["intervals"] |= {"ece": [0.03, 0.05], "calibration_slope": [0.4, 0.6], "observed_expected": [0.9, 1.1]}
    found = objections(told)
    assert len(found) == 3
    assert "does not beat the scorecard" in found[0]


def test_scoring_twice_stores_nothing_twice(running: Running) -> None:
    def stored() -> int:
        with running.service.database.transaction() as tx:
            return int(tx.execute(text("SELECT count(*) FROM predictions")).scalar_one())

    running.service.scoring.score(ScoringWish(), who=TESTER)
    before = stored()
    summary = running.service.scoring.score(ScoringWish(), who=TESTER)
    assert summary.n_scored > 100
    assert stored() == before


def test_batch_and_single_say_the_same(running: Running) -> None:
    kept = []
    running.service.scoring.score(
        ScoringWish(store=False), who=TESTER, on_chunk=lambda rows, _done, _of: kept.extend(rows)
    )
    for row in kept[::50]:
        single = running.service.predictor.score_patient(row.patient_uuid, as_of=row.as_of, explain=5, who=TESTER)
        assert single.prediction.iit_risk_score == row.risk_score
        assert single.prediction.reasons == row.reasons


def test_a_model_travels_to_another_installation_as_an_archive(running: Running, tmp_path: Path) -> None:
    archive, export = running.service.models.export_to(tmp_path / "out", who=TESTER)
    assert (archive.name, export.name) == ("v0.1.tar", EXPORT)
    with pytest.raises(Conflict, match="exists already"):
        running.service.models.export_to(tmp_path / "out", who=TESTER)
    elsewhere = dataclasses.replace(running.service.models, models=tmp_path / "elsewhere")
    assert elsewhere.import_from(archive, who=TESTER) == ("v0.1", objections(running.training.evaluation))
    registry = Registry(tmp_path / "elsewhere")
    assert registry.champion() is None
    assert elsewhere.verify() == ["v0.1"]
    elsewhere.promote("v0.1", who=TESTER, although_rejected=True)
    assert joblib.load(tmp_path / "elsewhere" / EXPORT).num_trees() > 0
    here = Registry(running.service.settings.models_folder).load("v0.1")
    assert registry.load("v0.1").model_text == here.model_text
    with pytest.raises(Conflict):
        elsewhere.import_from(archive, who=TESTER)


def test_foreign_trees_are_calibrated_and_judged_but_never_serve_at_once(running: Running, tmp_path: Path) -> None:
    registry = Registry(running.service.settings.models_folder)
    path = tmp_path / "model.txt"
    path.write_text(registry.load("v0.1").model_text)
    training = dataclasses.replace(running.service.training, models=tmp_path / "models")
    models = dataclasses.replace(running.service.models, models=tmp_path / "models", training=training)
    with pytest.raises(InvalidInput, match="--model-version"):
        models.import_from(path, who=TESTER)
    assert models.import_from(path, who=TESTER, version="v7")[0] == "v7"
    assert Registry(tmp_path / "models").champion() is None
    bundle = Registry(tmp_path / "models").load("v7")
    assert bundle.manifest["origin"] == "elsewhere"
    again = bundle.manifest["evaluation"]["metrics"]["auroc"]
    assert again == pytest.approx(running.training.evaluation["metrics"]["auroc"], abs=0.01)


def test_an_unsafe_or_absent_file_is_not_imported(running: Running, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        running.service.models.import_from(tmp_path / "absent.tar", who=TESTER)
    path = tmp_path / "model.pkl"
    path.write_bytes((running.service.settings.models_folder / "v0.1" / EXPORT).read_bytes())
    with pytest.raises(InvalidInput, match="--unpickle"):
        running.service.models.import_from(path, who=TESTER, version="v8")
