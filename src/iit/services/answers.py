"""What is said of a patient: in the form in which it is answered, and in that in which it is stored."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

from iit.domain.audit import AuditEvent, EventType
from iit.domain.interruption import interruption_day
from iit.domain.record import day_date, day_number
from iit.domain.risk import Source
from iit.features.registry import FEATURE_SET_VERSION
from iit.store.predictions import PredictionRow, StoredPrediction

LOST_FIGURES: Final = "the facility's own figures cannot be looked up now and count as unknown"
"""A warning: the risk is another than it would be if all parts worked."""


class Prediction(NamedTuple):
    """What is said of a patient on a day."""

    prediction_id: UUID
    patient_uuid: str | None
    facility: str | None
    as_of: date
    expected_date: date | None
    interruption_date: date | None
    iit_risk_score: float
    risk_level: str
    reasons: list[dict[str, Any]]
    model_version: str
    source: str
    degraded: bool
    stored: bool
    data_quality: float
    warnings: list[str]

    def __repr__(self) -> str:
        return f"Prediction({self.prediction_id})"


class Asked(NamedTuple):
    """What a prediction is asked about: whom, where, when, and what to warn of."""

    patient_uuid: str | None
    facility: str | None
    as_of: date
    expected: int | None
    explain: int
    warnings: list[str]

    def __repr__(self) -> str:
        return "Asked()"


class Scored(NamedTuple):
    """A prediction and the vector it was made from, ready to be kept; and what a supposition would make of it."""

    prediction: Prediction
    features: list[float]
    what_if: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return "Scored()"


def is_degraded(source: str, warnings: Sequence[str]) -> bool:
    """Tell whether the risk is another than the champion would give if all parts worked."""
    return source != Source.CHAMPION or LOST_FIGURES in warnings


def told(stored: StoredPrediction) -> dict[str, Any]:
    """Return a stored prediction in the form in which it was answered."""
    row = stored.row
    prediction = Prediction(
        prediction_id=row.prediction_id,
        patient_uuid=row.patient_uuid,
        facility=row.facility,
        as_of=row.as_of,
        expected_date=row.expected_on,
        interruption_date=(
            None if row.expected_on is None else day_date(interruption_day(day_number(row.expected_on)))
        ),
        iit_risk_score=row.risk_score,
        risk_level=row.risk_band,
        reasons=row.reasons,
        model_version=row.model_version,
        source=row.source,
        degraded=is_degraded(row.source, row.warnings),
        stored=True,
        data_quality=row.data_quality if row.data_quality is not None else 0.0,
        warnings=row.warnings,
    )
    return {**prediction._asdict(), "created_at": stored.created_at}


def row_of(scored: Scored, actor: str) -> PredictionRow:
    """Return the row to store."""
    told = scored.prediction
    return PredictionRow(
        prediction_id=told.prediction_id,
        patient_uuid=told.patient_uuid,
        facility=told.facility,
        model_version=told.model_version,
        as_of=told.as_of,
        expected_on=told.expected_date,
        risk_score=told.iit_risk_score,
        risk_band=told.risk_level,
        reasons=told.reasons,
        features=scored.features,
        feature_set_version=FEATURE_SET_VERSION,
        source=told.source,
        data_quality=told.data_quality,
        warnings=told.warnings,
        requested_by=actor,
    )


def audit_of(row: PredictionRow) -> AuditEvent:
    """Return the audit event of a prediction."""
    target = f"patient:{row.patient_uuid}" if row.patient_uuid else "features"
    return AuditEvent(
        event_type=EventType.PREDICTION,
        actor=row.requested_by,
        action="execute",
        target=target,
        detail={"prediction_id": str(row.prediction_id), "model_version": row.model_version},
    )
