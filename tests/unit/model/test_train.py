"""Training finds what is there, invents nothing, and gives the same bits again."""

import numpy as np
import pytest
from model_cases import a_dataset, a_model, a_split

from iit.model.metrics import auroc
from iit.model.train import manifest_of, train

TRAINED, DATASET, FEATURES, PARTS = a_model()
TEST_LABEL = DATASET.label[PARTS.test]


def test_it_finds_what_tells_of_the_risk() -> None:
    risk = TRAINED.calibrator.apply(TRAINED.booster.predict(FEATURES[PARTS.test], raw_score=True))
    assert auroc(risk, TEST_LABEL) > 0.72
    assert TRAINED.single.name == "late_days_mean_3"
    assert TRAINED.single.direction == 1
    assert abs(risk.mean() - TEST_LABEL.mean()) < 0.03


def test_shuffled_labels_teach_nothing() -> None:
    dataset, features = a_dataset()
    np.random.default_rng(8).shuffle(dataset.label.reshape(-1, 2))  # the two landmarks of a cycle stay together
    found = train(dataset, features, a_split(dataset), seed=1, threads=1)
    score = found.booster.predict(features[PARTS.test], raw_score=True)
    assert auroc(score, dataset.label[PARTS.test]) == pytest.approx(0.5, abs=0.04)


def test_the_same_seed_and_data_give_the_same_bits() -> None:
    again = train(DATASET, FEATURES, PARTS, seed=1, threads=1)
    assert again.booster.model_to_string() == TRAINED.booster.model_to_string()
    assert (again.calibrator, again.scorecard, again.bands) == (TRAINED.calibrator, TRAINED.scorecard, TRAINED.bands)


def test_another_seed_gives_another_model() -> None:
    other = train(DATASET, FEATURES, PARTS, seed=2, threads=1)
    assert other.booster.model_to_string() != TRAINED.booster.model_to_string()


def test_the_number_of_threads_changes_no_tree() -> None:
    other = train(DATASET, FEATURES, PARTS, seed=1, threads=2)
    assert np.array_equal(other.booster.predict(FEATURES), TRAINED.booster.predict(FEATURES))


def test_later_rows_change_nothing_that_was_made_without_them() -> None:
    dataset, features = a_dataset()
    features[PARTS.test] = 77
    dataset.label[PARTS.test] = 1
    found = train(dataset, features, PARTS, seed=1, threads=1)
    assert found.booster.model_to_string() == TRAINED.booster.model_to_string()
    assert (found.calibrator, found.scorecard, found.bands) == (TRAINED.calibrator, TRAINED.scorecard, TRAINED.bands)


def test_progress_is_told_to_its_end() -> None:
    told: list[tuple[str, int, int]] = []
    train(DATASET, FEATURES, PARTS, seed=1, threads=1, progress=lambda *one: told.append(one))
    stage, done, of = told[-1]
    assert (stage, done) == ("growing trees", of)
    assert of == TRAINED.booster.num_trees()


def test_the_self_test_holds_the_risks_of_its_rows() -> None:
    told = manifest_of(TRAINED, version="v1", features=FEATURES)["self_test"]
    rows = np.array([[np.nan if v is None else v for v in row] for row in told["features"]], np.float32)
    assert TRAINED.calibrator.apply(TRAINED.booster.predict(rows, raw_score=True)).tolist() == told["risks"]
    assert np.isnan(rows).any()
