"""Facilities: how far their data reach and what their patients do together."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import func, select, update

from iit.domain.access import Scope
from iit.domain.facility import FacilityTold
from iit.store.database import Transaction
from iit.store.schema import facilities, patients
from iit.store.scopes import patients_in


class FacilityState(NamedTuple):
    """How far a facility's data reach, and its packed context."""

    facility: str
    name: str | None
    level: int | None
    data_until: date | None
    last_known_on: date | None
    reporting_lag_days: int | None
    context: bytes | None


class ContextWrite(NamedTuple):
    """A newly computed facility context."""

    facility: str
    last_known_on: date
    reporting_lag_days: int
    context: bytes


_STATE = (
    facilities.c.facility,
    facilities.c.name,
    facilities.c.level,
    facilities.c.data_until,
    facilities.c.last_known_on,
    facilities.c.reporting_lag_days,
    facilities.c.context,
)


def is_known(tx: Transaction, facility: str) -> bool:
    """Tell whether there is such a facility."""
    return tx.execute(select(facilities.c.facility).where(facilities.c.facility == facility)).first() is not None


def find(tx: Transaction, facility: str) -> FacilityState | None:
    """Return a facility's state."""
    row = tx.execute(select(*_STATE).where(facilities.c.facility == facility)).one_or_none()
    return None if row is None else FacilityState(*row)


def all_states(tx: Transaction) -> list[FacilityState]:
    """Return every facility's state, by code."""
    return [FacilityState(*row) for row in tx.execute(select(*_STATE).order_by(facilities.c.facility))]


def names_with_counts(tx: Transaction, scope: Scope) -> Sequence[tuple[str, str | None, int]]:
    """Return (code, name, number of patients) of each facility with patients in scope, by name."""
    rows = tx.execute(
        select(facilities.c.facility, facilities.c.name, func.count(patients.c.patient_uuid))
        .join(patients, patients.c.facility == facilities.c.facility, isouter=scope.everything)
        .where(patients_in(scope))
        .group_by(facilities.c.facility)
        .order_by(facilities.c.name, facilities.c.facility)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def save_contexts(tx: Transaction, writes: Sequence[ContextWrite]) -> None:
    """Keep newly computed contexts. What says nothing new changes no row."""
    for write in sorted(writes):
        tx.execute(
            update(facilities)
            .where(facilities.c.facility == write.facility)
            .where(facilities.c.context.is_distinct_from(write.context))
            .values(
                last_known_on=write.last_known_on,
                reporting_lag_days=write.reporting_lag_days,
                context=write.context,
                context_at=func.now(),
            )
        )


def save_list_days(tx: Transaction, days: Mapping[str, date]) -> None:
    """Keep on which day everyone at risk of each facility was scored, unless a later one is kept."""
    for facility, day in sorted(days.items()):
        tx.execute(
            update(facilities)
            .where(facilities.c.facility == facility)
            .where(facilities.c.listed_on.is_(None) | (facilities.c.listed_on < day))
            .values(listed_on=day)
        )


def tell(tx: Transaction, told: Iterable[FacilityTold]) -> None:
    """Complete what is known of facilities that have patients; how far their data reach only grows."""
    for one in sorted(told, key=lambda one: one.facility):
        tx.execute(
            update(facilities)
            .where(facilities.c.facility == one.facility)
            .values(
                name=func.coalesce(facilities.c.name, one.name),
                level=func.coalesce(facilities.c.level, one.level),
                data_until=func.greatest(facilities.c.data_until, one.data_until),
            )
        )
