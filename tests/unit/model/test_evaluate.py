"""A model is judged on rows it never saw, beside its rivals and by segment."""

import json

import numpy as np
import pytest
from model_cases import a_model

from iit.model.evaluate import TestRows, evaluate
from iit.model.metrics import all_metrics, auroc

TRAINED, DATASET, FEATURES, PARTS = a_model()
TESTED = DATASET.take(PARTS.test)
RISK = TRAINED.calibrator.apply(TRAINED.booster.predict(FEATURES[PARTS.test], raw_score=True))
TRUTH = np.column_stack((0.2 + 0.6 * TESTED.label, np.where(TESTED.landmark == 4, np.nan, 0.3 + 0.1 * TESTED.label)))
ROWS = TestRows(
    TESTED, FEATURES[PARTS.test], PARTS.unseen_patient[PARTS.test], PARTS.unseen_facility[PARTS.test], TRUTH
)
RIVALS = {
    "scorecard": TRAINED.scorecard.risk(ROWS.features),
    "single feature": TRAINED.single.score(ROWS.features),
    "champion": np.full(len(RISK), 0.2),
}
TOLD = evaluate(RISK, ROWS, RIVALS, rounds=40)


def test_it_is_ready_for_json() -> None:
    assert json.loads(json.dumps(TOLD, allow_nan=False)).keys() == TOLD.keys()


def test_each_figure_is_of_its_rows() -> None:
    for name, rows in (
        ("metrics", np.ones(len(TESTED), np.bool_)), ("at_pickup", TESTED.landmark == 0),
        ("unseen_patients", ROWS.unseen_patient), ("unseen_facilities", ROWS.unseen_facility),
    ):  # fmt: skip
        assert TOLD[name] == all_metrics(RISK[rows], TESTED.label[rows], TESTED.facility[rows]), name


@pytest.mark.parametrize(("figures", "intervals"), [("metrics", "intervals"), ("at_pickup", "intervals_at_pickup")])
def test_intervals_hold_their_figures(figures: str, intervals: str) -> None:
    for name in ("auroc", "auprc", "brier", "recall_top_20", "ppv_top_10"):
        low, high = TOLD[intervals][name]
        assert low < TOLD[figures][name] < high, name


def test_rivals_are_measured_on_the_same_draws() -> None:
    for one in TOLD["rivals"].values():
        assert one["auroc_ahead"] == pytest.approx(TOLD["metrics"]["auroc"] - one["auroc"])
        assert one["auroc_ahead_low"] <= one["auroc_ahead"] <= one["auroc_ahead_high"]
    same = evaluate(RISK, ROWS, {"itself": RISK}, rounds=20)["rivals"]["itself"]
    assert same["auroc_ahead_low"] == same["auroc_ahead_high"] == 0


def test_two_sources_of_risk_beat_the_better_one() -> None:
    assert TOLD["rivals"]["single feature"]["auroc_ahead_low"] > 0


def test_the_limit_is_of_the_rows_whose_truth_is_known() -> None:
    rows = TESTED.landmark == 0
    assert TOLD["limit"]["auroc_model"] == auroc(RISK[rows], TESTED.label[rows])
    assert TOLD["limit"]["auroc_true_risk_at_pickup"] == 1.0


def test_real_records_have_no_known_limit() -> None:
    assert evaluate(RISK, TestRows(TESTED, ROWS.features, ROWS.unseen_patient, ROWS.unseen_facility), {}, rounds=2)[
        "limit"
    ] is None  # fmt: skip


def test_segments_cover_who_they_name() -> None:
    told = TOLD["segments"]
    assert {"sex: male", "sex: female", "landmark: pick-up", "landmark: 7 days after"} <= set(told)
    assert told["landmark: pick-up"]["n"] + told["landmark: 7 days after"]["n"] == len(TESTED)
    for one in told.values():
        assert one["auroc_low"] <= one["auroc"] <= one["auroc_high"]


def test_the_sensitivity_label_has_its_own_figures() -> None:
    assert TOLD["any_contact"] == {"prevalence": TESTED.label.mean(), "auroc": TOLD["metrics"]["auroc"]}
