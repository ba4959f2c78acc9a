"""A model serves only if it is better, calibrated, and leaves no segment behind."""

from typing import Any

import pytest

from iit.model.gate import LIMITS, objections

CHAMPION = {
    "auroc": 0.77, "auroc_ahead": 0.01, "auroc_ahead_low": 0.004, "auroc_ahead_high": 0.016,
    "brier": 0.1, "brier_ahead": 0.001, "brier_ahead_low": -0.0002, "brier_ahead_high": 0.002,
}  # fmt: skip
WOMEN = {
    "n": 500.0, "n_patients": 100.0, "auroc": 0.75,
    "reference_auroc": 0.74, "reference_ahead": 0.01, "reference_ahead_high": 0.02,
    "observed_expected": 1.1, "observed_expected_low": 0.9, "observed_expected_high": 1.3,
    "recall_top_20": 0.5, "recall_top_20_high": 0.6,
}  # fmt: skip
SOUND: dict[str, Any] = {
    "metrics": {"auroc": 0.78, "ece": 0.011, "calibration_slope": 1.02, "observed_expected": 1, "recall_top_20": 0.55},
    "intervals": {"ece": [0.008, 0.015], "calibration_slope": [0.97, 1.07], "observed_expected": [0.95, 1.06]},
    "rivals": {"scorecard": {"auroc": 0.76}, "single feature": {"auroc": 0.69}, "champion": CHAMPION},
    "segments": {"sex: female": WOMEN},
    "reference": "champion",
}


def found(**changed: Any) -> list[str]:
    return objections(SOUND | changed)


def beside_champion(**figures: float) -> list[str]:
    return found(rivals={"champion": CHAMPION | figures})


def with_interval(name: str, low: float, high: float) -> list[str]:
    return found(intervals=SOUND["intervals"] | {name: [low, high]})


def with_segment(name: str = "sex: female", **figures: float) -> list[str]:
    return found(segments={name: WOMEN | figures})


def test_a_sound_model_may_serve() -> None:
    assert found() == []


def test_the_first_model_has_no_champion_to_beat() -> None:
    assert found(rivals={"scorecard": {"auroc": 0.76}}, reference="scorecard") == []


@pytest.mark.parametrize("rival", ["scorecard", "single feature", "logistic regression"])
@pytest.mark.parametrize(
    ("score", "n"), [(0.7799, 0), (0.78, 1), (0.99, 1)], ids=["hardly worse", "a tie", "better"]
)  # fmt: skip
def test_each_simple_rival_must_be_beaten(rival: str, score: float, n: int) -> None:
    told = found(rivals={rival: {"auroc": score}})
    assert len(told) == n
    assert all(f"AUROC 0.7800 does not beat the {rival}'s {score:.4f}" == one for one in told)


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        pytest.param({"auroc_ahead_low": 0.0}, "not shown to beat the champion", id="it may be a tie"),
        pytest.param({"auroc_ahead_low": 0.0001}, None, id="it ranks better"),
        pytest.param({"auroc_ahead_low": -0.005, "brier_ahead_low": 0.0001}, None, id="it tells better risks"),
        pytest.param(
            {"auroc": 0.781, "auroc_ahead": -0.001, "auroc_ahead_low": -0.004, "brier_ahead_low": 0.0001},
            None,
            id="it tells better risks and ranks a little worse",
        ),
        pytest.param({"auroc_ahead_low": -0.0051, "brier_ahead_low": 0.0001}, "may rank worse", id="and ranks worse"),
        pytest.param({"brier_ahead_low": -0.001}, None, id="it ranks better, risks are at the limit"),
        pytest.param({"brier_ahead_low": -0.0011}, "may tell worse risks", id="it ranks better, risks are worse"),
    ],
)
def test_the_champion_stays_unless_the_candidate_is_shown_to_be_better(figures: dict, reason: str | None) -> None:
    told = beside_champion(**figures)
    assert [reason in one for one in told] == ([True] if reason else [])


def test_an_objection_carries_its_figures() -> None:
    (told,) = beside_champion(auroc_ahead_low=-0.001)
    assert told == (
        "not shown to beat the champion: AUROC better by 0.0100 (95 % interval -0.0010 to 0.0160); "
        "Brier score better by 0.00100 (95 % interval -0.00020 to 0.00200)"
    )


@pytest.mark.parametrize(
    ("name", "low", "high", "reason"),
    [
        pytest.param("ece", 0.021, 0.04, "calibration error 0.0110", id="error"),
        pytest.param("ece", 0.02, 0.04, None, id="error at the limit"),
        pytest.param("calibration_slope", 1.26, 1.6, "calibration slope 1.02 (1.26 to 1.60)", id="too flat"),
        pytest.param("calibration_slope", 1.25, 1.6, None, id="flat at the limit"),
        pytest.param("calibration_slope", 0.5, 0.79, "calibration slope", id="too steep"),
        pytest.param("calibration_slope", 0.5, 0.8, None, id="steep at the limit"),
        pytest.param("observed_expected", 1.26, 1.4, "ratio of observed to expected", id="risks too low"),
        pytest.param("observed_expected", 0.6, 0.79, "ratio of observed to expected", id="risks too high"),
        pytest.param("observed_expected", 0.6, 1.4, None, id="undecided"),
    ],
)
def test_a_badly_calibrated_model_is_kept_back(name: str, low: float, high: float, reason: str | None) -> None:
    assert [(reason or "") in one for one in with_interval(name, low, high)] == ([True] if reason else [])


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        pytest.param({"reference_ahead": -0.031, "reference_ahead_high": -0.001}, "falls behind", id="ranked worse"),
        pytest.param({"reference_ahead": -0.03, "reference_ahead_high": -0.001}, None, id="ranked worse at the limit"),
        pytest.param({"reference_ahead": -0.2, "reference_ahead_high": 0.0}, None, id="ranked worse, or by chance"),
        pytest.param({"observed_expected_low": 1.51}, "1.10 times as many", id="risks too low"),
        pytest.param({"observed_expected_low": 1.5}, None, id="risks low at the limit"),
        pytest.param({"observed_expected_high": 0.66}, "times as many", id="risks too high"),
        pytest.param({"recall_top_20_high": 0.349}, "reach 50.0% of its interruptions", id="reached less"),
        pytest.param({"recall_top_20_high": 0.351}, None, id="reached less at the limit"),
    ],
)
def test_a_segment_left_behind_is_a_reason(figures: dict, reason: str | None) -> None:
    told = with_segment(**figures)
    assert [reason in one and one.startswith("segment sex: female: ") for one in told] == ([True] if reason else [])
    assert with_segment(**figures, n=LIMITS.segment_rows - 1) == []
    assert with_segment(**figures, n_patients=LIMITS.segment_patients - 1) == []


def test_days_of_the_cycle_are_compared_with_the_reference_only() -> None:
    assert with_segment("landmark: pick-up", recall_top_20_high=0.0, observed_expected_low=9.0) == []
    assert len(with_segment("landmark: pick-up", reference_ahead=-0.1, reference_ahead_high=-0.05)) == 1
