"""Reading what was said and what came of it, for watching a model."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, and_, desc, func, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on

from iit.domain.interruption import GRACE_DAYS
from iit.store.database import Transaction
from iit.store.schema import outcomes, predictions, shadow_scores

MOST_ROWS: Final = 200_000  # enough for any interval; a country has more
MOST_LISTED: Final = 20_000  # feature vectors; PSI is as sure of 20,000 patients as of a million


class ListDay(NamedTuple):
    """How many patients of a facility were scored as of a day."""

    facility: str
    as_of: date
    n: int


class ListedRow(NamedTuple):
    """A patient on a facility's latest list."""

    patient_uuid: str
    facility: str
    risk_score: float
    features: Sequence[float]

    def __repr__(self) -> str:
        return "ListedRow()"


class ResolvedRow(NamedTuple):
    """A past prediction that may judge a model."""

    patient_uuid: str
    facility: str
    risk_score: float
    label: int
    days_to_expected: int

    def __repr__(self) -> str:
        return "ResolvedRow()"


class PairedRow(NamedTuple):
    """A past prediction that may judge two models."""

    patient_uuid: str
    risk_score: float
    shadow_score: float
    label: int

    def __repr__(self) -> str:
        return "PairedRow()"


def list_days(tx: Transaction, model_version: str, *, since: date, until: date) -> list[ListDay]:
    """Return on which days each facility's patients were scored, newest first; both days included."""
    n = func.count(predictions.c.patient_uuid.distinct())
    rows = tx.execute(
        select(predictions.c.facility, predictions.c.as_of, n)
        .where(predictions.c.as_of.between(since, until))
        .where(predictions.c.model_version == model_version)
        .where(predictions.c.patient_uuid.is_not(None) & predictions.c.facility.is_not(None))
        .group_by(predictions.c.facility, predictions.c.as_of)
        .order_by(predictions.c.facility, desc(predictions.c.as_of))
    )
    return [ListDay(*row) for row in rows]


def listed(tx: Transaction, model_version: str, days: Sequence[ListDay]) -> list[ListedRow]:
    """Return the newest prediction of each patient on these days, at most about 20,000, chosen by hash of the id."""
    parts = -(-sum(one.n for one in days) // MOST_LISTED)
    newest = (
        select(*(predictions.c[name] for name in ListedRow._fields))
        .ext(distinct_on(predictions.c.patient_uuid))
        .where(tuple_(predictions.c.facility, predictions.c.as_of).in_([(one.facility, one.as_of) for one in days]))
        .where(predictions.c.model_version == model_version)
        .where(_every(parts))
        .order_by(predictions.c.patient_uuid, desc(predictions.c.created_at))
    )
    return [ListedRow(*row) for row in tx.execute(newest)]


def resolved(tx: Transaction, model_version: str, *, since: date, until: date) -> list[ResolvedRow]:
    """Return the predictions that may judge a model and whose window ended between two days, both included.

    Chosen by the end of the window, not by the day the label became known: returns are known early. At most about
    200,000, whole patients by hash of the id.
    """
    grace = timedelta(days=GRACE_DAYS)
    window = and_(
        outcomes.c.evaluable,
        outcomes.c.expected_on.between(since - grace, until - grace),
        predictions.c.model_version == model_version,
        predictions.c.source == "champion",
    )
    joined = predictions.join(outcomes, outcomes.c.prediction_id == predictions.c.prediction_id)
    n = tx.execute(select(func.count()).select_from(joined).where(window)).scalar_one()
    rows = tx.execute(
        select(
            predictions.c.patient_uuid,
            predictions.c.facility,
            predictions.c.risk_score,
            outcomes.c.label,
            outcomes.c.expected_on - predictions.c.as_of,
        )
        .select_from(joined)
        .where(window)
        .where(_every(-(-n // MOST_ROWS)))
        .order_by(predictions.c.prediction_id)
    )
    return [ResolvedRow(*row) for row in rows]


def paired(tx: Transaction, champion: str, shadow: str) -> list[PairedRow]:
    """Return the resolved predictions of the champion beside which another model was scored, newest first."""
    rows = tx.execute(
        select(predictions.c.patient_uuid, predictions.c.risk_score, shadow_scores.c.risk_score, outcomes.c.label)
        .join(shadow_scores, shadow_scores.c.prediction_id == predictions.c.prediction_id)
        .join(outcomes, outcomes.c.prediction_id == predictions.c.prediction_id)
        .where(outcomes.c.evaluable & (predictions.c.model_version == champion))
        .where(shadow_scores.c.model_version == shadow)
        .order_by(desc(predictions.c.as_of), predictions.c.prediction_id)
        .limit(MOST_ROWS)
    )
    return [PairedRow(*row) for row in rows]


def _every(parts: int) -> ColumnElement[bool]:
    return func.mod(func.abs(func.hashtext(predictions.c.patient_uuid).cast(BigInteger)), max(parts, 1)) == 0
