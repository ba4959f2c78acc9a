"""Keeping what was said, with the features it was said from."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, desc, select, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import patients, predictions
from iit.store.scopes import predictions_for


class PredictionRow(NamedTuple):
    """One prediction as it is stored. `features` has the length and order of its feature set; NaN is unknown."""

    prediction_id: UUID
    patient_uuid: str | None
    facility: str | None
    model_version: str
    as_of: date
    expected_on: date | None
    risk_score: float
    risk_band: str
    reasons: list[dict[str, Any]]
    features: list[float]
    feature_set_version: int
    source: str
    data_quality: float | None
    warnings: list[str]
    requested_by: str

    def __repr__(self) -> str:
        return f"PredictionRow({self.prediction_id})"


class StoredPrediction(NamedTuple):
    """A prediction read back."""

    row: PredictionRow
    created_at: datetime

    def __repr__(self) -> str:
        return f"StoredPrediction({self.row.prediction_id})"


_COLUMNS = [predictions.c[name] for name in PredictionRow._fields]


def save(
    tx: Transaction, rows: Sequence[PredictionRow], *, audit: Sequence[AuditEvent], made_at: datetime | None = None
) -> None:
    """Keep predictions and the patients' latest risk. A prediction with a known id is not stored twice.

    Args:
        tx: the transaction.
        rows: what was said.
        audit: the events of it.
        made_at: when it was said, if not now.
    """
    if rows:
        when = {} if made_at is None else {"created_at": made_at}
        tx.execute(
            insert(predictions).on_conflict_do_nothing(index_elements=["prediction_id"]),
            [row._asdict() | when for row in rows],
        )
        _save_latest_risk(tx, rows)
    audit_trail.write(tx, *audit)


def _save_latest_risk(tx: Transaction, rows: Sequence[PredictionRow]) -> None:
    latest = {row.patient_uuid: row for row in sorted(rows, key=lambda row: row.as_of) if row.patient_uuid}
    if not latest:
        return
    tx.execute(
        update(patients)
        .where(patients.c.patient_uuid == bindparam("uuid"))
        .where(patients.c.risk_as_of.is_(None) | (patients.c.risk_as_of <= bindparam("day")))
        .values(
            risk_score=bindparam("risk"),
            risk_band=bindparam("band"),
            risk_as_of=bindparam("day"),
            expected_on=bindparam("expected"),
        ),
        [
            {
                "uuid": uuid,
                "day": row.as_of,
                "risk": row.risk_score,
                "band": row.risk_band,
                "expected": row.expected_on,
            }
            for uuid, row in sorted(latest.items())
        ],
    )


def find(tx: Transaction, prediction_id: UUID, who: Principal) -> StoredPrediction | None:
    """Return a prediction by its id, if `who` may see it."""
    query = select(*_COLUMNS, predictions.c.created_at).where(predictions.c.prediction_id == prediction_id)
    row = tx.execute(query.where(predictions_for(who))).one_or_none()
    return None if row is None else StoredPrediction(PredictionRow(*row[:-1]), row[-1])


class BatchFilter(NamedTuple):
    """Which predictions a batch made: its model and days, and whose if not everyone's."""

    model_version: str
    first_day: date
    last_day: date
    facility: str | None
    state: str | None


def of_batch(tx: Transaction, batch: BatchFilter, *, after: str, limit: int) -> list[PredictionRow]:
    """Return up to `limit` of a batch's predictions in the order of patients' ids, those after `after`."""
    query = (
        select(*_COLUMNS)
        .ext(distinct_on(predictions.c.patient_uuid))
        .where(predictions.c.model_version == batch.model_version)
        .where(predictions.c.as_of.between(batch.first_day, batch.last_day))
        .where(predictions.c.patient_uuid > after)
        .order_by(predictions.c.patient_uuid, desc(predictions.c.created_at))
        .limit(limit)
    )
    if batch.facility is not None:
        query = query.where(predictions.c.facility == batch.facility)
    if batch.state is not None:
        query = query.join(patients, patients.c.patient_uuid == predictions.c.patient_uuid)
        query = query.where(patients.c.state_province == batch.state)
    return [PredictionRow(*row) for row in tx.execute(query)]


class PredictionSearch(NamedTuple):
    """Which predictions are looked for: of a patient or all, in bands or all, from day to day, both included."""

    patient_uuid: str | None
    bands: Sequence[str]
    first_day: date | None
    last_day: date | None

    def __repr__(self) -> str:
        return "PredictionSearch()"


def search(
    tx: Transaction, wanted: PredictionSearch, who: Principal, *, after: tuple[date, UUID] | None, limit: int
) -> list[StoredPrediction]:
    """Return predictions of patients that `who` may see, those of the latest days first, from behind `after` on."""
    query = select(*_COLUMNS, predictions.c.created_at).where(predictions.c.patient_uuid.is_not(None))
    query = query.where(predictions_for(who))
    if wanted.patient_uuid is not None:
        query = query.where(predictions.c.patient_uuid == wanted.patient_uuid)
    if wanted.bands:
        query = query.where(predictions.c.risk_band.in_(wanted.bands))
    if wanted.first_day is not None:
        query = query.where(predictions.c.as_of >= wanted.first_day)
    if wanted.last_day is not None:
        query = query.where(predictions.c.as_of <= wanted.last_day)
    if after is not None:
        query = query.where(tuple_(predictions.c.as_of, predictions.c.prediction_id) < after)
    rows = tx.execute(query.order_by(desc(predictions.c.as_of), desc(predictions.c.prediction_id)).limit(limit))
    return [StoredPrediction(PredictionRow(*row[:-1]), row[-1]) for row in rows]


def of_patient(
    tx: Transaction, patient_uuid: str, *, limit: int, before: datetime | None = None
) -> list[StoredPrediction]:
    """Return a patient's predictions, newest first, made before a time."""
    query = select(*_COLUMNS, predictions.c.created_at).where(predictions.c.patient_uuid == patient_uuid)
    if before is not None:
        query = query.where(predictions.c.created_at < before)
    rows = tx.execute(query.order_by(desc(predictions.c.created_at)).limit(limit))
    return [StoredPrediction(PredictionRow(*row[:-1]), row[-1]) for row in rows]
