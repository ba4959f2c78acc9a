"""The cohort that benchmarks train on is the one the product would read."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from benchmarks.model_quality import records
from benchmarks.model_quality.cohort import Cohort, prepare
from benchmarks.model_quality.records import ZONE, cached_records, make_records

from iit.features.columns import Columns, pack, unpack
from iit.features.registry import FEATURE_NAMES
from iit.ingest.nmrs import read_nmrs
from iit.synth import cohort_documents, write_cohort
from iit.synth.blocks import Plan

PLAN = Plan(patients=200, seed=3, until=date(2025, 6, 30))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return prepare(make_records(PLAN))


def same(a: Columns, b: Columns) -> bool:
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in Columns.__dataclass_fields__)


def test_records_are_those_of_the_documents_in_the_order_of_the_database(cohort: Cohort) -> None:
    told = [read_nmrs(data, zone=ZONE).record for _, _, data in cohort_documents(patients=200, seed=3)]
    told.sort(key=lambda record: record.patient.patient_uuid)
    assert cohort.records.patients == [record.patient.patient_uuid for record in told]
    assert [cohort.records.facilities[place] for place in cohort.records.facility] == [
        record.patient.facility for record in told
    ]
    assert same(cohort.records.columns, unpack([pack(record) for record in told]))


def test_true_risks_are_those_written_beside_the_documents(cohort: Cohort, tmp_path: Path) -> None:
    write_cohort(tmp_path / "out", patients=200, seed=3)
    lines = (tmp_path / "out" / "true_risks.csv").read_text().splitlines()[1:]
    places = {patient: place for place, patient in enumerate(cohort.records.patients)}
    written = {}
    for line in lines:
        patient, index_day, _, *risks = line.split(",")
        written[places[patient], (date.fromisoformat(index_day) - date(1970, 1, 1)).days] = risks
    kept = zip(cohort.records.cycle_patient.tolist(), cohort.records.cycle_day.tolist(), strict=True)
    assert list(kept) == sorted(written)
    told = [["" if np.isnan(risk) else f"{risk:.6f}" for risk in row] for row in cohort.records.truth]
    assert told == [written[key] for key in sorted(written)]


def test_every_landmark_has_its_features_and_nearly_all_a_true_risk(cohort: Cohort) -> None:
    assert cohort.features.shape == (len(cohort.dataset), len(FEATURE_NAMES))
    assert cohort.dataset.trainable.all()
    assert np.isnan(cohort.truth[:, 0]).mean() < 0.02


def test_cached_records_are_the_same_and_other_sources_make_them_anew(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IIT_BENCH_CACHE_DIR", str(tmp_path))
    cached_records(PLAN)
    again = cached_records(PLAN)
    assert same(again.columns, cohort.records.columns)
    assert again.patients == cohort.records.patients
    assert np.array_equal(again.truth, cohort.records.truth, equal_nan=True)
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(records, "_SOURCES", ("domain/record.py",))
    cached_records(PLAN)
    assert len(list(tmp_path.iterdir())) == 2
