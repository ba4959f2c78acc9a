"""Predictions of made-up patients, as they are stored, for tests that start after scoring."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from iit.features.registry import FEATURE_NAMES, FEATURE_SET_VERSION
from iit.store.predictions import PredictionRow

NAN = float("nan")


def a_prediction(patient_uuid: str | None, as_of: date, **changes: Any) -> PredictionRow:
    """Return a prediction of low risk with unknown features, changed as told."""
    row = PredictionRow(
        prediction_id=uuid4(),
        patient_uuid=patient_uuid,
        facility="SYN000001",
        model_version="v1",
        as_of=as_of,
        expected_on=as_of + timedelta(days=30),
        risk_score=0.05,
        risk_band="low",
        reasons=[],
        features=[NAN] * len(FEATURE_NAMES),
        feature_set_version=FEATURE_SET_VERSION,
        source="champion",
        data_quality=1.0,
        warnings=[],
        requested_by="test",
    )
    return row._replace(**changes)
