"""What routes answer, for the description of the API; a test holds real answers to it."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from iit.domain.risk import Band, Source


class Reason(BaseModel):
    """What a known feature adds to the raw score."""

    feature: str
    value: float | None
    contribution: float = Field(description="log-odds; with the base value they add up to the raw score")
    text: str


class PredictionAnswer(BaseModel):
    """What is said of a patient on a day."""

    prediction_id: UUID
    patient_uuid: str | None
    facility: str | None
    as_of: date
    expected_date: date | None
    interruption_date: date | None
    iit_risk_score: float = Field(ge=0, le=1)
    risk_level: Band
    reasons: list[Reason]
    model_version: str
    source: Source
    degraded: bool
    stored: bool
    data_quality: float = Field(ge=0, le=1)
    warnings: list[str]
    what_if: dict[str, Any] | None = Field(
        default=None, description="Only where it was asked for: how the risk would move, as an association."
    )


class StoredAnswer(PredictionAnswer):
    """A prediction read back."""

    created_at: datetime


class ProblemInBatch(BaseModel):
    """Why one of a batch has no answer."""

    problem: dict[str, Any]


class BatchAnswer(BaseModel):
    """An answer or a problem for each, in order."""

    results: list[PredictionAnswer | ProblemInBatch]


class StoredAnswers(BaseModel):
    """What was said of a patient, newest first."""

    predictions: list[StoredAnswer]


class KeptAnswer(BaseModel):
    """What became of a document."""

    patient_uuid: str
    facility: str
    n_events: int
    added: int
    updated: int
    unchanged: int
    older: int
    removed: int


class PatientAnswer(BaseModel):
    """A patient with the latest risk."""

    patient_uuid: str
    facility: str
    birthdate: date | None
    sex: str | None
    state_province: str | None
    city: str | None
    phone_present: bool | None
    status: str
    risk_score: float | None
    risk_band: Band | None
    risk_as_of: date | None
    expected_on: date | None
    created_at: datetime
    updated_at: datetime


class PatientsAnswer(BaseModel):
    """A page of patients and where to go on."""

    patients: list[PatientAnswer]
    next_cursor: str | None


class CycleAnswer(BaseModel):
    """A refill cycle."""

    pickup_on: date
    days_supplied: int
    days_source: str
    expected_on: date
    interruption_on: date
    next_pickup_on: date | None
    late_days: int | None
    status: str
    label: int | None


class EventAnswer(BaseModel):
    """A fact."""

    on: date
    known_on: date
    code: str
    value: float | None


class TimelineAnswer(BaseModel):
    """Cycles and facts as known on a day."""

    patient_uuid: str
    as_of: date
    cycles: list[CycleAnswer]
    events: list[EventAnswer]


class WorklistLine(BaseModel):
    """One patient of a facility's list."""

    patient_uuid: str
    facility: str
    expected_on: date | None
    risk_score: float
    risk_band: Band
    as_of: date
    phone_present: bool | None
    sex: str | None
    birthdate: date | None
    reasons: list[Reason]
    model_version: str


class WorklistAnswer(BaseModel):
    """The highest risks of a day."""

    worklist: list[WorklistLine]


def answers(model: type[BaseModel], status: int = 200) -> dict[str, Any]:
    """Return the arguments of a route that answers in a form, without checking each answer against it at run time."""
    return {"response_model": None, "responses": {status: {"model": model, "description": model.__doc__}}}
