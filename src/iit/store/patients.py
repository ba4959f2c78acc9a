"""Reading patients: one, pages of them, and the worklist."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, desc, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from iit.domain.access import Scope
from iit.store.database import Transaction
from iit.store.schema import patients, predictions
from iit.store.scopes import belongs_in, patients_in


class PatientRow(NamedTuple):
    """A patient as stored, with the latest risk. Holds no name, phone or address."""

    patient_uuid: str
    facility: str
    birthdate: date | None
    sex: str | None
    state_province: str | None
    city: str | None
    phone_present: bool | None
    status: str
    risk_score: float | None
    risk_band: str | None
    risk_as_of: date | None
    expected_on: date | None
    created_at: datetime
    updated_at: datetime

    def __repr__(self) -> str:
        return "PatientRow()"


class WorklistRow(NamedTuple):
    """One line of a facility's list."""

    patient_uuid: str
    facility: str
    expected_on: date | None
    risk_score: float
    risk_band: str
    as_of: date
    phone_present: bool | None
    sex: str | None
    birthdate: date | None
    reasons: Sequence[dict[str, Any]]
    model_version: str

    def __repr__(self) -> str:
        return "WorklistRow()"


_COLUMNS = [patients.c[name] for name in PatientRow._fields]


def find(tx: Transaction, patient_uuid: str, scope: Scope) -> PatientRow | None:
    """Return a patient in scope."""
    query = select(*_COLUMNS).where(patients.c.patient_uuid == patient_uuid).where(patients_in(scope))
    row = tx.execute(query).one_or_none()
    return None if row is None else PatientRow(*row)


def is_known(tx: Transaction, patient_uuid: str) -> bool:
    """Tell whether there is such a patient, in whoever's scope."""
    query = select(patients.c.patient_uuid).where(patients.c.patient_uuid == patient_uuid)
    return tx.execute(query).first() is not None


def facility_of(tx: Transaction, patient_uuid: str) -> str | None:
    """Return the facility of a patient in whoever's scope; None where there is none."""
    query = select(patients.c.facility).where(patients.c.patient_uuid == patient_uuid)
    return tx.execute(query).scalar_one_or_none()


def outside(tx: Transaction, patient_uuids: Sequence[str], scope: Scope) -> list[str]:
    """Return those of the patients that exist but are not in scope."""
    if scope.everything or not patient_uuids:
        return []
    query = select(patients.c.patient_uuid).where(patients.c.patient_uuid.in_(patient_uuids))
    return list(tx.execute(query.where(patients_in(scope).is_not(True))).scalars())


def page(
    tx: Transaction, *, scope: Scope, facility: str | None, band: str | None, after: str | None, limit: int
) -> list[PatientRow]:
    """Return up to `limit` patients in scope in the order of their ids, those after `after`."""
    query = select(*_COLUMNS).where(patients_in(scope)).order_by(patients.c.patient_uuid).limit(limit)
    if facility is not None:
        query = query.where(patients.c.facility == facility)
    if band is not None:
        query = query.where(patients.c.risk_band == band)
    if after is not None:
        query = query.where(patients.c.patient_uuid > after)
    return [PatientRow(*row) for row in tx.execute(query)]


def of_state(tx: Transaction, state_province: str) -> list[str]:
    """Return the ids of the patients who live in a state."""
    query = select(patients.c.patient_uuid).where(patients.c.state_province == state_province)
    return list(tx.execute(query).scalars())


def worklist(
    tx: Transaction, *, scope: Scope, facility: str | None, as_of: date | None, limit: int
) -> list[WorklistRow]:
    """Return the patients of a facility with the highest risk, from the predictions of one day.

    Args:
        tx: the transaction.
        scope: whom the asker may see.
        facility: its code; None means all.
        as_of: prediction day; None means the latest day with predictions there.
        limit: most rows to return.
    """
    day = as_of if as_of is not None else latest_day(tx, facility, scope)
    if day is None:
        return []
    newest = _newest_of_day(facility, day).subquery()
    query = (
        select(
            newest.c.patient_uuid,
            newest.c.facility,
            newest.c.expected_on,
            newest.c.risk_score,
            newest.c.risk_band,
            newest.c.as_of,
            patients.c.phone_present,
            patients.c.sex,
            patients.c.birthdate,
            newest.c.reasons,
            newest.c.model_version,
        )
        .join(patients, patients.c.patient_uuid == newest.c.patient_uuid)
        .where(patients.c.status == "active")
        .where(patients_in(scope))
        .order_by(desc(newest.c.risk_score), newest.c.patient_uuid)
        .limit(limit)
    )
    return [WorklistRow(*row) for row in tx.execute(query)]


def latest_day(tx: Transaction, facility: str | None, scope: Scope) -> date | None:
    """Return the latest prediction day of a facility, or of all, among the patients in scope."""
    query = select(func.max(predictions.c.as_of)).where(predictions.c.patient_uuid.is_not(None))
    query = query.where(belongs_in(scope, predictions.c.patient_uuid))
    if facility is not None:
        query = query.where(predictions.c.facility == facility)
    day: date | None = tx.execute(query).scalar_one()
    return day


def _newest_of_day(facility: str | None, day: date) -> "Select[Any]":
    condition = and_(predictions.c.as_of == day, predictions.c.patient_uuid.is_not(None))
    if facility is not None:
        condition = and_(condition, predictions.c.facility == facility)
    return (
        select(predictions)
        .ext(distinct_on(predictions.c.patient_uuid))
        .where(condition)
        .order_by(predictions.c.patient_uuid, desc(predictions.c.created_at))
    )
