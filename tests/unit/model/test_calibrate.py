"""Calibrated risks mean what they say, keep the order of scores, and survive being written down."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iit.model import calibrate
from iit.model.calibrate import Calibrator, fit_isotonic, fit_platt, log_loss
from iit.model.logistic import sigmoid
from iit.model.metrics import auroc, calibration_line, ece

RNG = np.random.default_rng(3)
RAW = RNG.normal(-2, 1.2, 30_000)
LINEAR = (RNG.random(30_000) < sigmoid(0.6 * RAW + 0.4)).astype(np.int64)
BENT = (RNG.random(30_000) < 0.05 + 0.4 * sigmoid(4 * (RAW + 1.5))).astype(np.int64)  # level at both ends
ORDER = np.arange(30_000)


def test_platt_finds_the_curve() -> None:
    found = fit_platt(RAW, LINEAR)
    assert found.x == pytest.approx((0.6, 0.4), abs=0.08)


@pytest.mark.parametrize("label", [LINEAR, BENT], ids=["logistic", "bent"])
def test_later_rows_are_calibrated(label: np.ndarray) -> None:
    half = RAW[:15_000]
    risk = calibrate.fit(half, label[:15_000], ORDER[:15_000]).apply(RAW[15_000:])
    assert ece(risk, label[15_000:]) < 0.015
    assert calibration_line(risk, label[15_000:])[1] == pytest.approx(1, abs=0.1)


def test_the_method_is_chosen_by_the_later_half() -> None:
    assert calibrate.fit(RAW, LINEAR, ORDER).method == "platt"
    assert calibrate.fit(RAW, BENT, ORDER).method == "isotonic"


def test_a_step_is_never_ranked_away_at_the_ends() -> None:
    """The highest scores decide who is called first: they must not all be told the same."""
    found = fit_isotonic(RAW, LINEAR)
    highest = np.sort(RAW)[-50:]
    assert len(np.unique(found.apply(highest))) == 50
    assert auroc(found.apply(RAW), LINEAR) == pytest.approx(auroc(RAW, LINEAR), abs=0.002)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(120, 900), st.sampled_from([fit_platt, fit_isotonic]))
def test_risk_never_falls_as_the_score_rises(seed: int, n: int, fitting) -> None:
    rng = np.random.default_rng(seed)
    raw = np.round(rng.normal(size=n) * 3, 1)
    label = (rng.random(n) < rng.uniform(0.05, 0.9)).astype(np.int64)
    label[:2] = (0, 1)
    found = fitting(raw, label)
    risk = found.apply(np.linspace(-60, 60, 500))
    assert (np.diff(risk) >= 0).all()
    assert risk.min() >= 1e-4
    assert risk.max() <= 1 - 1e-4
    assert np.array_equal(Calibrator.of(json.loads(json.dumps(found.as_dict()))).apply(raw), found.apply(raw))


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param({"method": "platt", "x": [-1.0, 0.0], "y": []}, id="falling curve"),
        pytest.param({"method": "platt", "x": [1.0], "y": []}, id="half a curve"),
        pytest.param({"method": "isotonic", "x": [0.0, 1.0], "y": [0.5, 0.2]}, id="falling steps"),
        pytest.param({"method": "isotonic", "x": [1.0, 1.0], "y": [0.1, 0.2]}, id="steps on one place"),
        pytest.param({"method": "isotonic", "x": [0.0, 1.0], "y": [0.1]}, id="a point without a height"),
        pytest.param({"method": "isotonic", "x": [0.0, float("nan")], "y": [0.1, 0.2]}, id="not a number"),
        pytest.param({"method": "beta", "x": [1.0, 2.0], "y": [0.1, 0.2]}, id="unknown method"),
    ],
)
def test_numbers_that_make_no_rising_function_are_refused(numbers: dict) -> None:
    with pytest.raises(ValueError, match="calibration"):
        Calibrator.of(numbers)


def test_log_loss_by_hand() -> None:
    assert log_loss(np.array([0.8, 0.5]), np.array([1, 0])) == pytest.approx(-(np.log(0.8) + np.log(0.5)) / 2)
