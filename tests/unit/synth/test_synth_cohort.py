import csv
import json
from collections import Counter
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from iit.domain.errors import Conflict, InvalidInput
from iit.domain.interruption import NEVER
from iit.domain.landmarks import LANDMARK_OFFSETS
from iit.domain.record import day_number
from iit.ingest.sources import survey
from iit.synth import CohortSummary, Shift, cohort_documents, write_cohort
from iit.synth.blocks import Plan, blocks
from iit.synth.cohort import MANIFEST
from iit.synth.truths import open_landmarks

UNTIL = date(2025, 6, 30)
LANDMARKS = ("reachable_m14", "reachable_m7", "reachable_0", "reachable_p7", "reachable_p14", "reachable_p21")


def digest(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CohortSummary]:
    out = tmp_path_factory.mktemp("synth") / "cohort"
    return out, write_cohort(out, patients=120, seed=2, until=UNTIL)


def truths(out: Path) -> list[dict[str, str]]:
    with (out / "true_risks.csv").open(encoding="ascii", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_same_seed_gives_the_same_bytes(cohort: tuple[Path, CohortSummary], tmp_path: Path) -> None:
    out, summary = cohort

    assert write_cohort(tmp_path, patients=120, seed=2, until=UNTIL) == summary
    assert digest(tmp_path) == digest(out)


def test_another_seed_gives_other_patients() -> None:
    one = {uuid for _, uuid, _ in cohort_documents(patients=20, seed=1)}
    other = {uuid for _, uuid, _ in cohort_documents(patients=20, seed=2)}

    assert not one & other


def test_a_smaller_cohort_begins_a_larger_one() -> None:
    large = list(cohort_documents(patients=30, seed=3))

    assert list(cohort_documents(patients=12, seed=3)) == large[:12]


def test_patients_of_different_blocks_differ() -> None:
    uuids = [uuid for _, uuid, _ in cohort_documents(patients=503, seed=3)]

    assert len(set(uuids)) == 503


def test_a_file_a_patient_lies_in_the_folder_of_the_facility(cohort: tuple[Path, CohortSummary]) -> None:
    out, summary = cohort
    files = list(out.glob("*/*.json"))

    assert len(files) == summary.patients == 120
    for file in files:
        header = json.loads(file.read_bytes())["messageHeader"]
        assert file.name == header["fileName"]
        assert file.parent.name == header["facilityDatimCode"]
    assert sum(file.stat().st_size for file in files) == summary.n_bytes


def test_streamed_documents_are_the_written_ones(cohort: tuple[Path, CohortSummary]) -> None:
    out, _ = cohort

    for datim, uuid, data in cohort_documents(patients=120, seed=2, until=UNTIL):
        assert (out / datim / f"{datim}_{uuid}.json").read_bytes() == data


def test_the_manifest_says_that_all_is_synthetic(cohort: tuple[Path, CohortSummary]) -> None:
    out, summary = cohort
    manifest = json.loads((out / MANIFEST).read_text())

    assert manifest["synthetic"] is True
    assert (manifest["seed"], manifest["until"]) == (2, "2025-06-30")
    assert manifest["counts"]["cycles"] == summary.cycles == len(truths(out))
    assert manifest["counts"]["patients"] == 120
    assert sum(summary.facilities.values()) == 120
    assert {f["datim"] for f in manifest["facilities"]} >= set(summary.facilities)


def test_an_importer_given_the_folder_finds_the_documents_and_nothing_else(cohort: tuple[Path, CohortSummary]) -> None:
    out, summary = cohort

    assert (survey([out]).n_files, survey([out]).n_ignored) == (summary.patients, 2)


def test_counts_add_up(cohort: tuple[Path, CohortSummary]) -> None:
    _, summary = cohort

    assert 0 < summary.interruptions < summary.resolved <= summary.cycles - summary.competing
    assert summary.prevalence == summary.interruptions / summary.resolved


def test_true_risks_are_probabilities_of_exported_cycles(cohort: tuple[Path, CohortSummary]) -> None:
    out, _ = cohort
    written = {path.stem.split("_", 1)[1] for path in out.glob("*/*.json")}
    rows = truths(out)

    assert {row["patient_uuid"] for row in rows} == written
    for row in rows:
        assert row["index_date"] < row["expected_date"]
        assert row["index_date"] <= "2025-06-30"
        told = [row[name] for name in ("risk", "reachable_pickup", *LANDMARKS) if row[name]]
        assert all(0.0 < float(risk) < 1.0 for risk in told)
        assert row["risk"] and row["reachable_pickup"]


def test_a_row_a_cycle_and_no_day_twice(cohort: tuple[Path, CohortSummary]) -> None:
    out, _ = cohort

    assert max(Counter((row["patient_uuid"], row["index_date"]) for row in truths(out)).values()) == 1


def test_landmarks_are_told_only_while_the_patient_is_still_out() -> None:
    (block,) = blocks(Plan(patients=300, seed=5, until=UNTIL))
    cycles = block.scene.cycles
    is_open = open_landmarks(block.scene)

    for i in range(0, len(cycles), 7):
        for column, offset in enumerate(LANDMARK_OFFSETS, start=1):
            day = cycles.expected[i] + offset
            is_out = cycles.back[i] > day and cycles.exit_day[i] > day
            assert is_open[i, column] == (is_out and day <= block.scene.last_day[i])
    assert (cycles.back == NEVER).any()
    assert not is_open[:, 1].all()


def test_a_shift_changes_later_days_only(tmp_path: Path) -> None:
    on = date(2024, 7, 1)
    write_cohort(tmp_path / "plain", patients=150, seed=9, until=UNTIL)
    write_cohort(tmp_path / "shifted", patients=150, seed=9, until=UNTIL, shift=Shift(on=on, log_lateness=0.5))

    plain, shifted = truths(tmp_path / "plain"), truths(tmp_path / "shifted")

    def mean(rows: list[dict[str, str]]) -> float:
        risks = [float(row["risk"]) for row in rows if row["index_date"] >= on.isoformat()]
        return sum(risks) / len(risks)

    assert mean(shifted) > mean(plain) * 1.5
    assert json.loads((tmp_path / "shifted" / MANIFEST).read_text())["shift"]["on"] == "2024-07-01"


def test_progress_is_told_and_ends_with_all_patients(tmp_path: Path) -> None:
    told: list[int] = []

    write_cohort(tmp_path, patients=120, seed=2, until=UNTIL, progress=told.append)

    assert told == [50, 100, 120]


def test_an_earlier_export_day_ends_the_cohort_there() -> None:
    latest = max(json.loads(data)["messageHeader"]["touchTime"] for _, _, data in cohort_documents(
        patients=40, seed=2, until=date(2021, 3, 31)
    ))  # fmt: skip

    assert latest <= "2021-03-31 00:00:00"
    assert day_number(date.fromisoformat(latest[:10])) > day_number(date(2021, 2, 1))


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")

    with pytest.raises(Conflict):
        write_cohort(tmp_path, patients=1)

    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        pytest.param({"patients": 0}, "patients", id="no patients"),
        pytest.param({"seed": -1}, "seed", id="negative seed"),
        pytest.param({"until": date(2011, 12, 31)}, "until", id="before the world begins"),
        pytest.param({"shift": Shift(on=UNTIL, supply_30_share=1.2)}, "shift.supply_30_share", id="share above 1"),
    ],
)
def test_figures_out_of_range_are_refused(arguments: dict[str, object], place: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        cohort_documents(**arguments)  # type: ignore[arg-type]

    assert refused.value.place == place
