"""Everyone is in one segment of each family, and its figures are those of its rows alone."""

import numpy as np
import pytest
from model_cases import a_model

from iit.features.registry import INDEX
from iit.model import metrics
from iit.model.evaluate import LEAST_EITHER, LEAST_ROWS, TestRows, evaluate
from iit.model.ranking import GROUP_FIGURES, TOP_SHARES, Ranking
from iit.model.segments import family_of, segments_of

TRAINED, DATASET, FEATURES, PARTS = a_model()
TESTED, ROWS = DATASET.take(PARTS.test), FEATURES[PARTS.test]
RISK = TRAINED.calibrator.apply(TRAINED.booster.predict(ROWS, raw_score=True)).round(2).clip(0.01, 0.99)  # with ties
SEGMENTS = segments_of(TESTED, ROWS)
NONE = np.zeros(len(TESTED), np.bool_)


def told(rows: np.ndarray = ROWS, rivals: dict | None = None) -> dict:
    return evaluate(RISK, TestRows(TESTED, rows, NONE, NONE), rivals or {}, rounds=10)


def rows_of(name: str) -> np.ndarray:
    return (SEGMENTS.places == SEGMENTS.names.index(name)).any(axis=1)


def test_each_row_is_in_one_segment_of_each_family() -> None:
    families = [{family_of(SEGMENTS.names[place]) for place in np.unique(column)} for column in SEGMENTS.places.T]
    assert [len(one) for one in families] == [1] * 7
    assert len(set.union(*families)) == 7


@pytest.mark.parametrize(
    ("feature", "value", "name"),
    [
        ("sex", 1, "sex: male"),
        ("sex", 2, "sex: female"),
        ("sex", np.nan, "sex: unknown"),
        ("sex", 3, "sex: unknown"),
        ("age_band", 0, "age band: under 15"),
        ("state_code", 37, "state: Zamfara"),
        ("state_code", 0, "state: unknown"),
        ("fac_tx_curr", 499, "facility size: under 500"),
        ("fac_tx_curr", 500, "facility size: 500 to 1999"),
        ("fac_tx_curr", 1999, "facility size: 500 to 1999"),
        ("fac_tx_curr", 2000, "facility size: 2000 or more"),
        ("months_on_art", 5.9, "time on treatment: under 6 months"),
        ("months_on_art", 6, "time on treatment: 6 to 11 months"),
        ("months_on_art", 60, "time on treatment: 5 years or more"),
        ("mmd_band", 2, "supply length: 6 months or more"),
    ],
)
def test_a_value_is_in_its_segment(feature: str, value: float, name: str) -> None:
    one = ROWS[:1].copy()
    one[0, INDEX[feature]] = value
    found = segments_of(TESTED.take(np.arange(1)), one)
    assert name in [found.names[place] for place in found.places[0]]


@pytest.mark.parametrize("name", ["sex: female", "landmark: 7 days after", "supply length: unknown"])
def test_figures_are_those_of_a_plain_calculation(name: str) -> None:
    one, mine = told()["segments"][name], rows_of(name)
    risk, label = RISK[mine], TESTED.label[mine]
    plain = {
        "n": mine.sum(),
        "prevalence": label.mean(),
        "mean_risk": risk.mean(),
        "observed_expected": label.sum() / risk.sum(),
        "auroc": np.mean([(p > n) + (p == n) / 2 for p in risk[label == 1] for n in risk[label == 0]]),
        "auprc": metrics.auprc(risk, label),
        "lift": metrics.auprc(risk, label) / label.mean(),
        "brier": np.mean((risk - label) ** 2),
        "ece": metrics.ece(risk, label),
        "n_patients": len(set(TESTED.patient[mine].tolist())),
    }
    for share in TOP_SHARES:
        listed = np.zeros(len(RISK), np.bool_)
        for facility in set(TESTED.facility.tolist()):
            here = [row for row in range(len(RISK)) if TESTED.facility[row] == facility]
            best = sorted(here, key=lambda row: (-RISK[row], row))[: int(np.ceil(share * len(here)))]
            listed[best] = True
        hits = (listed & mine & (TESTED.label == 1)).sum()
        plain |= {
            f"recall_top_{share * 100:.0f}": hits / label.sum(),
            f"ppv_top_{share * 100:.0f}": hits / (listed & mine).sum(),
            f"selected_top_{share * 100:.0f}": (listed & mine).sum() / mine.sum(),
        }
    assert set(GROUP_FIGURES) <= set(plain)
    for figure, value in plain.items():
        assert one[figure] == pytest.approx(value, abs=1e-12), figure


@pytest.mark.parametrize(
    ("n", "positives", "is_told"),
    [
        pytest.param(LEAST_ROWS, LEAST_EITHER, True, id="just enough"),
        pytest.param(LEAST_ROWS - 1, LEAST_EITHER, False, id="too few landmarks"),
        pytest.param(LEAST_ROWS, LEAST_EITHER - 1, False, id="too few interrupted"),
        pytest.param(LEAST_ROWS, LEAST_ROWS - LEAST_EITHER + 1, False, id="too few returned"),
    ],
)
def test_a_tiny_segment_is_named_and_not_told(n: int, positives: int, is_told: bool) -> None:
    rows = ROWS.copy()
    rows[:, INDEX["state_code"]] = 1
    hits, misses = np.flatnonzero(TESTED.label == 1), np.flatnonzero(TESTED.label == 0)
    rows[np.concatenate((hits[:positives], misses[: n - positives])), INDEX["state_code"]] = 2
    found = told(rows)
    assert ("state: Adamawa" in found["segments"]) is is_told
    assert ("state: Adamawa" in found["segments_omitted"]) is not is_told
    assert "state: Anambra" not in [*found["segments"], *found["segments_omitted"]]  # nobody lives there


def test_segments_are_compared_with_the_champion_else_the_scorecard() -> None:
    poor = np.full(len(RISK), 0.2)
    for rivals, reference in (
        ({"scorecard": RISK, "champion": poor}, "champion"),
        ({"scorecard": poor}, "scorecard"),
        ({"other": poor}, None),
    ):
        found = told(rivals=rivals)
        assert found["reference"] == reference
        one = found["segments"]["sex: male"]
        assert ("reference_ahead" in one) is (reference is not None)
        if reference is not None:
            assert one["reference_auroc"] == 0.5
            assert one["reference_ahead"] == pytest.approx(one["auroc"] - 0.5)
            assert one["reference_ahead_low"] > 0


def test_facilities_with_few_interruptions_are_counted_out() -> None:
    risk, label = np.linspace(0.01, 0.9, 100), np.arange(100) % 4 // 3
    facility = (np.arange(100) >= 60).astype(np.int64)
    lists = Ranking(risk, label, facility).measure(np.ones(100, np.uint8)).lists
    # Of 60 rows the top 20 % are 12, of which 3 interrupted; of 40 rows 8 and 2.
    assert lists[:, [0, 1, 4, 5]].tolist() == [[60, 15, 12, 3], [40, 10, 8, 2]]
