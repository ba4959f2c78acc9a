"""The simple models are fitted on training rows and then are just numbers."""

import json

import numpy as np
import pytest
from model_cases import a_dataset, a_split

from iit.features.registry import INDEX
from iit.model.baselines import LogisticBaseline, SingleFeature, fit_baseline, single_feature
from iit.model.metrics import auroc

DATASET, FEATURES = a_dataset()
PARTS = a_split(DATASET)
GROWN = PARTS.early | PARTS.late
BASELINE = fit_baseline(FEATURES[GROWN], DATASET.label[GROWN])
TESTED = FEATURES[PARTS.test]


def test_the_logistic_regression_finds_what_tells_of_the_risk() -> None:
    risk = BASELINE.risk(TESTED)
    assert auroc(risk, DATASET.label[PARTS.test]) > 0.72
    assert risk.min() > 0
    assert risk.max() < 1


def test_it_tells_the_same_risks_from_its_numbers() -> None:
    again = LogisticBaseline.of(json.loads(json.dumps(BASELINE.as_dict())))
    assert np.array_equal(again.risk(TESTED), BASELINE.risk(TESTED))


def test_the_risk_of_a_row_does_not_depend_on_the_others() -> None:
    assert BASELINE.risk(TESTED[:3]) == pytest.approx(BASELINE.risk(TESTED)[:3], abs=1e-12)


@pytest.mark.parametrize("name", ["middle", "spread", "weights"])
def test_half_a_regression_is_refused(name: str) -> None:
    numbers = BASELINE.as_dict()
    with pytest.raises(ValueError, match="not whole"):
        LogisticBaseline.of(numbers | {name: numbers[name][:-1]})


def test_an_unknown_value_ranks_in_the_middle_of_the_training_rows() -> None:
    rows = np.zeros((4, 98), np.float32)
    rows[:, INDEX["age"]] = [1.0, np.nan, 3.0, 2.0]
    single = single_feature(rows, INDEX["age"], -1)
    assert single.score(rows).tolist() == [-1, -2, -3, -2]
    assert single.score(rows[:2]).tolist() == [-1, -2]
    assert SingleFeature.of(json.loads(json.dumps(single.as_dict()))) == single
