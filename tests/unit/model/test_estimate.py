"""What risks claim of their own performance is what comes true where they are calibrated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iit.model.estimate import expected_performance
from iit.model.metrics import auprc, auroc

RISK = np.random.default_rng(5).beta(1, 8, 3000).round(3).clip(0.001, 0.999)


def test_expected_figures_are_the_mean_of_what_happens() -> None:
    rng = np.random.default_rng(6)
    told = expected_performance(RISK, 0.2)
    drawn = [(rng.random(len(RISK)) < RISK).astype(np.int64) for _ in range(200)]
    flagged = RISK >= 0.2
    assert told["prevalence"] == pytest.approx(np.mean([one.mean() for one in drawn]), abs=0.002)
    assert told["auroc"] == pytest.approx(np.mean([auroc(RISK, one) for one in drawn]), abs=0.003)
    assert told["auprc"] == pytest.approx(np.mean([auprc(RISK, one) for one in drawn]), abs=0.01)
    assert told["ppv_high"] == pytest.approx(np.mean([one[flagged].mean() for one in drawn]), abs=0.003)
    assert told["recall_high"] == pytest.approx(np.mean([one[flagged].sum() / one.sum() for one in drawn]), abs=0.005)


@given(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.7]), min_size=2, max_size=12))
def test_expected_auroc_is_the_share_of_pairs_in_the_right_order(risks: list[float]) -> None:
    right = pairs = 0.0
    for i, p in enumerate(risks):
        for j, q in enumerate(risks):
            if i != j:
                pairs += p * (1 - q)
                right += p * (1 - q) * (1.0 if p > q else 0.5 if p == q else 0.0)
    assert expected_performance(np.array(risks), 0.5)["auroc"] == pytest.approx(right / pairs)


def test_nobody_above_the_limit_leaves_ppv_unknown() -> None:
    told = expected_performance(np.array([0.1, 0.2]), 0.5)
    assert np.isnan(told["ppv_high"])
    assert told["recall_high"] == 0
