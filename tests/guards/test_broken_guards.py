"""Each guard against leakage, and against models that are not what they seem, is taken away: a test must turn red.

`make test-guards` runs these (about fifteen minutes): every row copies the sources, changes one line of the copy and
runs the tests that ought to see it, in a process of their own.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import iit

ROOT = Path(__file__).parents[2]
SOURCES = Path(iit.__file__).parent
pytestmark = pytest.mark.guards


@dataclass(frozen=True)
class Break:
    """One guard taken away.

    Attributes:
        what: the mistake that the change makes.
        file: of the sources.
        old: what stands there, once.
        new: what is put there.
        test: node of the test that must fail.
    """

    what: str
    file: str
    old: str
    new: str
    test: str


FEATURES, MODEL = "tests/unit/features", "tests/unit/model"
NO_FUTURE = f"{FEATURES}/test_properties.py::test_what_becomes_known_later_changes_nothing"
BREAKS = [
    Break(
        "features use facts before they are known",
        "features/prepare.py",
        "known[i] <= as_of and kind",
        "kind",
        NO_FUTURE,
    ),
    Break(
        "features use facts that have not happened",
        "features/prepare.py",
        "if day[i] <= as_of and known",
        "if known",
        NO_FUTURE,
    ),
    Break(
        "a feature of the future is planted",
        "features/vector.py",
        "    expected = cycles[3, count - 1] if count > 0 else -1\n",
        "    expected = cycles[3, count - 1] if count > 0 else -1\n    out[0] = float(b - a)\n",
        NO_FUTURE,
    ),
    Break(
        "a facility's past months hear of what was told later",
        "features/facility_history.py",
        "        if told[i] <= until:",
        "        if told[i] <= until + 400:",
        f"{FEATURES}/test_context.py::test_no_later_knowledge_reaches_back",
    ),
    Break(
        "a facility's figures take in the day itself",
        "features/facility_history.py",
        "if ends[0, c] < month and",
        "if ends[0, c] < month + 200 and",
        f"{FEATURES}/test_context.py::test_no_later_knowledge_reaches_back",
    ),
    Break(
        "small facilities' rates are not drawn toward the general one",
        "features/context.py",
        "_PRIOR_BOUNDS: Final = (20.0, 1000.0)",
        "_PRIOR_BOUNDS: Final = (0.0, 0.0)",
        f"{FEATURES}/test_context.py::test_rates_are_drawn_toward_the_general_one_the_more_the_smaller_the_facility",
    ),
    Break(
        "rows use facts before they are known",
        "model/landmark_rows.py",
        "            if day[i] <= as_of and known[i] <= as_of:",
        "            if day[i] <= as_of:",
        f"{MODEL}/test_landmark_rows.py::test_what_becomes_known_later_changes_no_row",
    ),
    Break(
        "rows go on after the return is known",
        "model/landmark_rows.py",
        "if on >= superseded or on > as_of",
        "if on > as_of",
        f"{MODEL}/test_landmark_rows.py::test_rows_stop_when_the_return_is_known_not_when_it_happens",
    ),
    Break(
        "a facility that stops reporting becomes interrupted",
        "model/landmark_rows.py",
        "observed = min(as_of, last_known[facility[p]]) - lag[facility[p]]",
        "observed = as_of - lag[facility[p]]",
        f"{MODEL}/test_landmark_rows.py::test_a_facility_that_stops_reporting_is_censored_not_interrupted",
    ),
    Break(
        "reports are thought to come at once",
        "model/landmark_rows.py",
        "observed = min(as_of, last_known[facility[p]]) - lag[facility[p]]",
        "observed = min(as_of, last_known[facility[p]])",
        f"{MODEL}/test_landmark_rows.py::test_an_absence_is_believed_only_after_the_reporting_lag",
    ),
    Break(
        "open windows are trained, which tell of returns alone",
        "model/dataset.py",
        "trainable=is_known & is_closed & ",
        "trainable=is_known & ",
        f"{MODEL}/test_landmark_rows.py::test_an_open_window_is_not_trained_even_after_a_return",
    ),
    Break(
        "training labels reach into later parts",
        "model/split.py",
        "train = seen & (dataset.settled <= train_until)",
        "train = seen & (dataset.index_day <= train_until)",
        f"{MODEL}/test_split.py::test_no_training_label_reaches_into_a_later_part",
    ),
    Break(
        "test cycles began before all labels were known",
        "model/split.py",
        "test=usable & (dataset.index_day > calibrate_until)",
        "test=usable & (dataset.settled > calibrate_until)",
        f"{MODEL}/test_split.py::test_no_training_label_reaches_into_a_later_part",
    ),
    Break(
        "the split looks at labels",
        "model/split.py",
        "train = seen & (dataset.settled <= train_until)",
        "train = seen & (dataset.resolved <= train_until)",
        f"{MODEL}/test_split.py::test_the_split_does_not_look_at_labels",
    ),
    Break(
        "patients straddle",
        "model/split.py",
        "seen = usable & ~unseen_patient & ~unseen_facility",
        "seen = usable & ~unseen_facility",
        f"{MODEL}/test_split.py::test_held_out_patients_and_facilities_teach_nothing",
    ),
    Break(
        "facilities straddle",
        "model/split.py",
        "seen = usable & ~unseen_patient & ~unseen_facility",
        "seen = usable & ~unseen_patient",
        f"{MODEL}/test_split.py::test_held_out_patients_and_facilities_teach_nothing",
    ),
    Break(
        "the test rows are trained, which shuffled labels show",
        "model/train.py",
        "rows(split.early | split.late),",
        "rows(split.early | split.late | split.test),",
        f"{MODEL}/test_train.py::test_shuffled_labels_teach_nothing",
    ),
    Break(
        "the number of trees is chosen on test rows",
        "model/train.py",
        "valid_sets=[rows(split.late, early)]",
        "valid_sets=[rows(split.test, early)]",
        f"{MODEL}/test_train.py::test_later_rows_change_nothing_that_was_made_without_them",
    ),
    Break(
        "the model is calibrated on test rows",
        "model/train.py",
        "    calibrator = calibrate.fit(raw, told.label, told.as_of)\n",
        "    seen = dataset.take(split.test)\n    more = booster.predict(features[split.test], raw_score=True)\n"
        "    calibrator = calibrate.fit(np.asarray(more), seen.label, seen.as_of)\n",
        f"{MODEL}/test_train.py::test_later_rows_change_nothing_that_was_made_without_them",
    ),
    Break(
        "class weights come without a calibration that undoes them",
        "model/train.py",
        "    calibrator = calibrate.fit(raw, told.label, told.as_of)\n",
        "    calibrator = calibrate.fit(raw + 1.0, told.label, told.as_of)\n",
        f"{MODEL}/test_train.py::test_it_finds_what_tells_of_the_risk",
    ),
    Break(
        "chance decides",
        "model/train.py",
        '{**PARAMETERS, "seed": seed,',
        '{**PARAMETERS, "seed": __import__("secrets").randbelow(2**31),',
        f"{MODEL}/test_train.py::test_the_same_seed_and_data_give_the_same_bits",
    ),
    Break(
        "an altered file loads",
        "model/bundle.py",
        "if hashlib.sha256(contents[name]).hexdigest() != digest:",
        "if not contents[name]:",
        f"{MODEL}/test_bundle.py::test_a_damaged_file_never_loads",
    ),
    Break(
        "a forged bundle with sums of its own loads",
        "model/bundle.py",
        "if expected_hash is not None and hashlib.sha256(sums).hexdigest() != expected_hash:",
        "if not sums:",
        f"{MODEL}/test_bundle.py::test_a_forged_bundle_with_fitting_sums_is_not_the_registered_one",
    ),
    Break(
        "a model that says other risks than at training serves",
        "model/scorer.py",
        "if not np.allclose(self.score(features), risks, rtol=0, atol=1e-9):",
        "if not is_whole:",
        f"{MODEL}/test_model_registry.py::test_a_model_that_says_other_risks_than_at_training_is_not_promoted",
    ),
    Break(
        "an unknown value is a reason",
        "model/scorer.py",
        "if not np.isnan(values[place]) and contributions[place] != 0",
        "if contributions[place] != 0",
        f"{MODEL}/test_scorer.py::test_reasons_are_known_features_strongest_first",
    ),
    Break(
        "deep paths get too few points of quadrature",
        "model/trees.py",
        "blocks.append(-(-n_distinct // (2 * LANES)))",
        "blocks.append(min(1, n_distinct))",
        f"{MODEL}/test_contributions.py::test_paths_with_more_features_than_one_block_of_points_serves",
    ),
]


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.what.replace(" ", "-"))
def test_without_the_guard_a_test_fails(one: Break, tmp_path: Path) -> None:
    shutil.copytree(SOURCES, tmp_path / "iit", ignore=shutil.ignore_patterns("__pycache__"))
    changed = tmp_path / "iit" / one.file
    text = changed.read_text(encoding="utf-8")
    assert text.count(one.old) == 1, f"{one.file} no longer holds what this row takes away"
    changed.write_text(text.replace(one.old, one.new), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", one.test],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "IIT_KERNEL_CACHE_DIR": str(tmp_path / "kernels")},
    )  # fmt: skip
    assert done.returncode == 1, done.stdout[-2000:]  # 1 is failed tests; 2 and more would be an error of ours
    assert "failed" in done.stdout
    assert "error" not in done.stdout.rsplit("\n", 2)[-2].lower(), done.stdout[-2000:]
