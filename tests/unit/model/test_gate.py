"""A model serves only if it is better, calibrated, and leaves no segment behind."""

import pytest

from iit.model.gate import objections

SOUND = {
    "metrics": {"auroc": 0.78, "ece": 0.011, "calibration_slope": 1.02},
    "intervals": {"ece": (0.008, 0.015), "calibration_slope": (0.97, 1.07)},
    "rivals": {"scorecard": {"auroc": 0.76}, "single feature": {"auroc": 0.69}, "champion": {"auroc": 0.77}},
    "segments": {"sex: male": {"n": 500.0, "auroc": 0.75, "champion_auroc": 0.77}},
}


def segment(**figures: float) -> dict:
    return SOUND | {"segments": {"sex: male": figures}}


def test_a_sound_model_may_serve() -> None:
    assert objections(SOUND) == []


def test_the_first_model_has_no_champion_to_beat() -> None:
    assert objections(SOUND | {"rivals": {"scorecard": {"auroc": 0.76}}}) == []


@pytest.mark.parametrize("rival", ["scorecard", "single feature", "champion"])
@pytest.mark.parametrize("score", [0.78, 0.99], ids=["a tie", "better"])
def test_each_rival_must_be_beaten(rival: str, score: float) -> None:
    (found,) = objections(SOUND | {"rivals": {rival: {"auroc": score}}})
    assert f"does not beat the {rival}" in found


@pytest.mark.parametrize(
    ("intervals", "reason"),
    [
        pytest.param({"ece": (0.021, 0.04), "calibration_slope": (0.9, 1.1)}, "calibration error", id="error"),
        pytest.param({"ece": (0.0, 0.01), "calibration_slope": (1.26, 1.6)}, "calibration slope", id="too flat"),
        pytest.param({"ece": (0.0, 0.01), "calibration_slope": (0.5, 0.79)}, "calibration slope", id="too steep"),
    ],
)
def test_a_badly_calibrated_model_is_kept_back(intervals: dict, reason: str) -> None:
    (found,) = objections(SOUND | {"intervals": intervals})
    assert reason in found


def test_an_undecided_calibration_is_no_reason() -> None:
    assert objections(SOUND | {"intervals": {"ece": (0.015, 0.03), "calibration_slope": (0.7, 1.4)}}) == []


def test_a_segment_left_behind_is_a_reason() -> None:
    (found,) = objections(segment(n=500, auroc=0.70, champion_auroc=0.74))
    assert "segment sex: male" in found


@pytest.mark.parametrize(
    "figures",
    [
        pytest.param({"n": 499, "auroc": 0.5, "champion_auroc": 0.74}, id="too few rows"),
        pytest.param({"n": 900, "auroc": 0.72, "champion_auroc": 0.74}, id="hardly behind"),
        pytest.param({"n": 900, "auroc": 0.5}, id="no champion"),
    ],
)
def test_a_segment_that_tells_nothing_is_no_reason(figures: dict) -> None:
    assert objections(segment(**figures)) == []
