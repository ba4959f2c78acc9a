"""Counting patients by risk, and along the way through a refill cycle."""

from datetime import timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, select, true

from iit.domain.interruption import GRACE_DAYS
from iit.store.database import Transaction
from iit.store.schema import outcomes, patients, predictions

RECENT_DAYS: Final = 90  # of windows that have ended: the programme's quarter
_LIST_DAYS: Final = 30  # a risk older than that before the newest one is no longer on a list


class RiskCount(NamedTuple):
    """How many patients have a latest risk in a tenth of 0 to 1 (0 to 9) and a band."""

    tenth: int
    band: str
    n: int


class Cascade(NamedTuple):
    """Patients at each step; `returned` and `interrupted` count cycles whose window ended in the last 90 days."""

    registered: int
    active: int
    on_list: int
    high_risk: int
    due_in_7_days: int
    overdue: int
    returned: int
    interrupted: int


def risk_distribution(tx: Transaction, facility: str | None) -> list[RiskCount]:
    """Return the latest risks of active patients, counted."""
    tenth = func.least(func.floor(patients.c.risk_score * 10), 9)
    query = (
        select(tenth, patients.c.risk_band, func.count())
        .where((patients.c.status == "active") & patients.c.risk_score.is_not(None) & _at(facility))
        .group_by(tenth, patients.c.risk_band)
        .order_by(tenth, patients.c.risk_band)
    )
    return [RiskCount(int(row[0]), row[1], row[2]) for row in tx.execute(query)]


def cascade(tx: Transaction, facility: str | None) -> Cascade:
    """Return how many patients there are at each step."""
    newest = select(patients.c.facility, func.max(patients.c.risk_as_of).label("day")).group_by(patients.c.facility)
    lists = newest.subquery()
    active = patients.c.status == "active"
    listed = and_(active, patients.c.risk_as_of >= lists.c.day - timedelta(days=_LIST_DAYS))
    left = patients.c.expected_on - patients.c.risk_as_of
    row = tx.execute(
        select(
            func.count(),
            func.count().filter(active),
            func.count().filter(listed),
            func.count().filter(listed & (patients.c.risk_band == "high")),
            func.count().filter(listed & left.between(0, 7)),
            func.count().filter(listed & (left < 0)),
        )
        .join(lists, lists.c.facility == patients.c.facility)
        .where(_at(facility))
    ).one()
    return Cascade(*row, *_ended(tx, facility))


def _ended(tx: Transaction, facility: str | None) -> tuple[int, int]:
    last = select(func.max(outcomes.c.judged_on)).scalar_subquery()
    cycles = (
        select(predictions.c.patient_uuid, outcomes.c.index_on, outcomes.c.label)
        .join(predictions, predictions.c.prediction_id == outcomes.c.prediction_id)
        .where(outcomes.c.label.is_not(None))
        .where(outcomes.c.expected_on > last - timedelta(days=GRACE_DAYS + RECENT_DAYS))
        .where(outcomes.c.expected_on <= last - timedelta(days=GRACE_DAYS))
        .where(true() if facility is None else predictions.c.facility == facility)
        .distinct()
        .subquery()
    )
    row = tx.execute(
        select(func.count().filter(cycles.c.label == 0), func.count().filter(cycles.c.label == 1)).select_from(cycles)
    ).one()
    return row[0], row[1]


def _at(facility: str | None) -> ColumnElement[bool]:
    return true() if facility is None else patients.c.facility == facility
