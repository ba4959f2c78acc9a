"""Reading patients: one, pages of them, and the worklist."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, desc, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from iit.domain.access import Scope
from iit.store.database import Transaction
from iit.store.schema import facilities, patients, predictions
from iit.store.scopes import patients_in


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
    """Return the active patients of a facility with the highest risk, each by the newest prediction of the list.

    Args:
        tx: the transaction.
        scope: whom the asker may see.
        facility: its code; None means all.
        as_of: prediction day; None means each facility's latest list and whatever was predicted since. Where not yet
            everyone was scored at once, the latest day with predictions takes the place of a list.
        limit: most rows to return.
    """
    newest = _newest(facility, as_of).subquery()
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


def _newest(facility: str | None, day: date | None) -> "Select[Any]":
    query = select(predictions).where(predictions.c.patient_uuid.is_not(None))
    if facility is not None:
        query = query.where(predictions.c.facility == facility)
    if day is not None:
        query = query.where(predictions.c.as_of == day)
    else:
        listed = _list_days().subquery()
        query = query.join(listed, listed.c.facility == predictions.c.facility).where(
            predictions.c.as_of >= listed.c.day
        )
    return query.ext(distinct_on(predictions.c.patient_uuid)).order_by(
        predictions.c.patient_uuid, desc(predictions.c.as_of), desc(predictions.c.created_at)
    )


def _list_days() -> "Select[Any]":
    of_facility = predictions.c.facility == facilities.c.facility
    latest = select(func.max(predictions.c.as_of)).where(of_facility).where(predictions.c.patient_uuid.is_not(None))
    return select(facilities.c.facility, func.coalesce(facilities.c.listed_on, latest.scalar_subquery()).label("day"))
