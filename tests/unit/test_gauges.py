"""Kept figures are exported with fixed names; what is not known is not exported."""

from iit.api.gauges import exposition
from iit.services.gauges import RECORDED_AT


def test_figures_have_the_names_that_dashboards_rely_on() -> None:
    told = exposition(
        lambda: {
            ("live_accuracy", "all"): 0.9, ("live_accuracy", "low"): 0.8, ("data_quality_score", "all"): 0.95,
            ("data_quality_score", "SYN1"): 0.5, ("feature_psi", "age"): 0.1, ("drift_alert", "data"): 1.0,
            ("live_auroc", "all"): 0.77, ("expected_auroc", "all"): 0.8, ("score_psi", "all"): 0.02, RECORDED_AT: 1e9,
        }
    ).decode()  # fmt: skip
    values = dict(line.rsplit(" ", 1) for line in told.splitlines() if not line.startswith("#"))
    assert {name: float(value) for name, value in values.items()} == {
        "iit_prediction_accuracy": 0.9,
        "iit_data_quality_score": 0.95,
        "iit_score_psi": 0.02,
        "iit_drift_run_timestamp_seconds": 1e9,
        'iit_feature_psi{feature="age"}': 0.1,
        'iit_drift_alert{kind="data"}': 1.0,
        'iit_live_performance{metric="accuracy"}': 0.9,
        'iit_live_performance{metric="auroc"}': 0.77,
        'iit_expected_performance{metric="auroc"}': 0.8,
    }


def test_before_the_first_run_nothing_is_exported() -> None:
    assert [line for line in exposition(dict).decode().splitlines() if not line.startswith("#")] == []
