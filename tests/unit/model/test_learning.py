"""The learning curve takes ever more patients, whole ones, and judges on the same rows."""

from itertools import pairwise

import numpy as np
import pytest
from model_cases import a_dataset, a_split

from iit.domain.errors import InvalidInput
from iit.model.learning import SHARES, learning_curve, training_of
from iit.model.metrics import auroc
from iit.model.split import Split

DATASET, FEATURES = a_dataset()
PARTS = a_split(DATASET)
LABEL = DATASET.label[PARTS.test]


def curve(grow) -> list[dict[str, float]]:
    return learning_curve(DATASET, FEATURES, PARTS, grow=grow, whole=LABEL * 0.5 + 0.25, seed=3)


def test_each_share_holds_the_smaller_ones_and_whole_patients() -> None:
    seen: list[Split] = []

    def grow(parts: Split):
        seen.append(parts)
        return lambda rows: np.full(len(rows), 0.3)

    points = curve(grow)
    patients = [set(DATASET.patient[one.early | one.late].tolist()) for one in seen]
    assert [one["n_patients"] for one in points] == [*map(len, patients), len(np.unique(DATASET.patient[PARTS.early]))]
    for fewer, more in pairwise(patients):
        assert fewer < more
    for one, who in zip(seen, patients, strict=True):
        assert (one.test == PARTS.test).all()
        kept = PARTS.early & np.isin(DATASET.patient, list(who))
        assert (one.early == kept).all()
        assert not (one.early & ~PARTS.early).any()


def test_points_are_judged_on_the_test_rows_with_intervals() -> None:
    points = curve(training_of(DATASET, FEATURES, seed=1, threads=1))
    assert points[-1]["auroc"] == 1.0
    assert points[-1]["share"] == 1.0
    risk = training_of(DATASET, FEATURES, seed=1, threads=1)(PARTS)(FEATURES[PARTS.test])
    assert points[-2]["auroc"] < auroc(risk, LABEL) + 0.02
    for one in points:
        assert one["auroc_low"] <= one["auroc"] <= one["auroc_high"]
    assert {one["share"] for one in points} <= {*SHARES, 1.0}


def test_too_few_records_give_no_curve() -> None:
    few = np.arange(len(DATASET)) < 0
    nobody = Split(0, 0, few, few, few, PARTS.test, few, few)
    with pytest.raises(InvalidInput, match="learning curve"):
        learning_curve(DATASET, FEATURES, nobody, grow=lambda _: lambda rows: rows[:, 0], whole=LABEL * 0.5, seed=1)
