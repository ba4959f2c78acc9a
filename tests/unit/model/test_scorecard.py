"""The scorecard is a table that a person could add up."""

import json

import numpy as np
import pytest
from model_cases import a_model

from iit.features.registry import FEATURE_NAMES, INDEX
from iit.model.metrics import auroc
from iit.model.scorecard import Scorecard

TABLE = Scorecard(("age", "late_days_mean_3"), ((15.0, 25.0), (7.0,)), ((0.5, 0.2, -0.1, 0.0), (-0.3, 0.9, 0.1)), -2.0)


def a_row(**values: float) -> np.ndarray:
    row = np.full((1, len(FEATURE_NAMES)), np.nan, np.float32)
    for name, value in values.items():
        row[0, INDEX[name]] = value
    return row


@pytest.mark.parametrize(
    ("values", "odds"),
    [
        pytest.param({}, -2 + 0 + 0.1, id="nothing known"),
        pytest.param({"age": 14.9, "late_days_mean_3": 0}, -2 + 0.5 - 0.3, id="lowest bins"),
        pytest.param({"age": 15, "late_days_mean_3": 7}, -2 + 0.2 + 0.9, id="an edge belongs to the upper bin"),
        pytest.param({"age": 99}, -2 - 0.1 + 0.1, id="above all edges"),
    ],
)
def test_points_add_up(values: dict[str, float], odds: float) -> None:
    assert TABLE.risk(a_row(**values))[0] == pytest.approx(1 / (1 + np.exp(-odds)))


def test_it_survives_being_written_down() -> None:
    assert Scorecard.of(json.loads(json.dumps(TABLE.as_dict()))) == TABLE


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"points": [[0.5, 0.2, -0.1], [-0.3, 0.9, 0.1]]}, id="a point too few"),
        pytest.param({"features": ["age", "shoe_size"]}, id="unknown feature"),
        pytest.param({"features": ["age"]}, id="a feature too few"),
        pytest.param({"base": float("inf")}, id="infinite"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="not whole"):
        Scorecard.of(TABLE.as_dict() | change)


def test_a_trained_table_ranks_patients() -> None:
    trained, dataset, features, parts = a_model()
    assert len(trained.scorecard.features) <= 12
    assert auroc(trained.scorecard.risk(features[parts.test]), dataset.label[parts.test]) > 0.7
