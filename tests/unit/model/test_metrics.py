"""Figures against an independent source, and by hand where there is none."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from iit.model import calibrate, metrics
from iit.model.logistic import fit_logistic

RNG = np.random.default_rng(7)
LABEL = (RNG.random(4000) < 0.1).astype(np.int64)
RISK = np.clip(np.round(0.08 + 0.08 * LABEL + 0.05 * RNG.normal(size=4000), 2), 0.01, 0.99)  # with many ties


def test_auroc_agrees() -> None:
    assert metrics.auroc(RISK, LABEL) == pytest.approx(roc_auc_score(LABEL, RISK), abs=1e-12)


def test_auprc_agrees() -> None:
    assert metrics.auprc(RISK, LABEL) == pytest.approx(average_precision_score(LABEL, RISK), abs=1e-12)


def test_brier_agrees() -> None:
    assert metrics.brier(RISK, LABEL) == pytest.approx(brier_score_loss(LABEL, RISK), abs=1e-12)


def test_figures_of_one_class_are_unknown() -> None:
    assert np.isnan(metrics.auroc(RISK, np.zeros(4000, np.int64)))


def test_a_sound_risk_has_slope_1_and_no_error() -> None:
    risk = RNG.uniform(0.02, 0.6, 200_000)
    label = (RNG.random(200_000) < risk).astype(np.int64)
    intercept, slope = metrics.calibration_line(risk, label)
    assert slope == pytest.approx(1, abs=0.03)
    assert intercept == pytest.approx(0, abs=0.03)
    assert metrics.ece(risk, label) < 0.006


def test_the_top_of_each_facility_is_taken() -> None:
    risk = np.array([0.9, 0.1, 0.2, 0.3, 0.8, 0.7])
    label = np.array([1, 0, 0, 0, 0, 1])
    facility = np.array([0, 0, 0, 0, 1, 1])
    # 25 % of four is one, 25 % of two is rounded up to one: the first is right, the second is not.
    assert metrics.top_of_facilities(risk, label, facility, 0.25) == (0.5, 0.5)


def test_net_benefit_by_hand() -> None:
    # At 0.2: two flagged, one right: (1 - 1 * 0.25) / 4.
    assert metrics.net_benefit(np.array([0.5, 0.3, 0.1, 0.0]), np.array([1, 0, 0, 0]), 0.2) == pytest.approx(0.1875)


def test_intervals_hold_the_figure_and_are_the_same_each_time() -> None:
    patient, facility = RNG.integers(0, 900, 4000), RNG.integers(0, 9, 4000)
    once = metrics.bootstrap(RISK, LABEL, facility, patient, rounds=50)
    low, high = once["auroc"]
    assert low < metrics.auroc(RISK, LABEL) < high
    assert once == metrics.bootstrap(RISK, LABEL, facility, patient, rounds=50)


def test_logistic_regression_agrees() -> None:
    design = RNG.normal(size=(3000, 3))
    label = (RNG.random(3000) < 1 / (1 + np.exp(-design @ [1.0, -0.5, 0.2] + 1))).astype(np.int64)
    theirs = LogisticRegression(C=1e6, tol=1e-9, max_iter=1000).fit(design, label)
    ours = fit_logistic(np.column_stack((design, np.ones(3000))), label)
    assert ours == pytest.approx([*theirs.coef_[0], theirs.intercept_[0]], abs=1e-3)


@pytest.mark.parametrize("fitting", [calibrate.fit_platt, calibrate.fit_isotonic], ids=["platt", "isotonic"])
def test_calibration_mends_a_skewed_score(fitting) -> None:
    truth = RNG.uniform(-4, 1, 40_000)
    label = (RNG.random(40_000) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    risk = fitting(3 * truth + 2, label).apply(3 * truth + 2)
    assert metrics.ece(risk, label) < 0.012
    assert (np.diff(risk[np.argsort(truth)]) >= 0).all()


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param({"method": "platt", "x": [-1, 0], "y": []}, id="falling"),
        pytest.param({"method": "isotonic", "x": [0, 1], "y": [0.5, 0.4]}, id="falling steps"),
        pytest.param({"method": "isotonic", "x": [0, float("nan")], "y": [0.1, 0.4]}, id="not a number"),
        pytest.param({"method": "magic", "x": [0, 1], "y": [0.1, 0.4]}, id="unknown method"),
    ],
)
def test_a_damaged_calibration_is_refused(numbers: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="calibration"):
        calibrate.Calibrator.of(numbers)
