"""Scopes as conditions of queries: what somebody may not see is not read at all."""

from typing import Any, Final

from sqlalchemy import ColumnElement, delete, insert, or_, select, true

from iit.domain.access import EVERYTHING, Principal, Scope
from iit.store.database import Transaction
from iit.store.schema import facility_access, patients, predictions

_FACILITY: Final = "facility"
_STATE: Final = "state"


def patients_in(scope: Scope) -> ColumnElement[bool]:
    """Return the condition on `patients` for those in scope."""
    if scope.everything:
        return true()
    return or_(patients.c.facility.in_(sorted(scope.facilities)), patients.c.state_province.in_(sorted(scope.states)))


def belongs_in(scope: Scope, patient_uuid: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition on another table's column of patients for those in scope."""
    if scope.everything:
        return true()
    return patient_uuid.in_(select(patients.c.patient_uuid).where(patients_in(scope)))


def predictions_for(who: Principal) -> ColumnElement[bool]:
    """Return the condition on `predictions` for patients in scope, and those of nobody that `who` asked for."""
    if who.scope.everything:
        return true()
    column = predictions.c.patient_uuid
    stored = select(patients.c.patient_uuid).where(patients.c.patient_uuid == column)
    of_facility = predictions.c.facility.in_(sorted(who.scope.facilities))
    unstored = column.is_not(None) & ~stored.exists() & of_facility
    own = column.is_(None) & (predictions.c.requested_by == who.name)
    return or_(stored.where(patients_in(who.scope)).exists(), unstored, own)


def scope_of(tx: Transaction, holder: str, *, sees_everything: bool) -> Scope:
    """Return whom a user or key may see."""
    if sees_everything:
        return EVERYTHING
    query = select(facility_access.c.kind, facility_access.c.place).where(facility_access.c.holder == holder)
    rows = tx.execute(query).all()
    return Scope(
        facilities=frozenset(place for kind, place in rows if kind == _FACILITY),
        states=frozenset(place for kind, place in rows if kind == _STATE),
    )


def save_scope(tx: Transaction, holder: str, scope: Scope) -> None:
    """Replace the places that a user or key may see."""
    tx.execute(delete(facility_access).where(facility_access.c.holder == holder))
    rows = [(_FACILITY, place) for place in sorted(scope.facilities)]
    rows += [(_STATE, place) for place in sorted(scope.states)]
    if rows:
        tx.execute(insert(facility_access), [{"holder": holder, "kind": kind, "place": place} for kind, place in rows])
