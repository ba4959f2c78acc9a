"""Keeping what became of predictions."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from psycopg import sql
from sqlalchemy import and_, case, delete, func, or_, select, text

from iit.domain.audit import AuditEvent
from iit.domain.interruption import GRACE_DAYS
from iit.store import audit as audit_trail
from iit.store.chain import driver_of
from iit.store.database import Transaction
from iit.store.schema import outcomes, patients, predictions, records

_OVERLAP = timedelta(hours=1)  # an import that was under way while outcomes were judged is looked at again

# Outcomes are written while this is read: a plan made for the table as it began (often empty) must not visit it a row
# at a time. Measured with 100,000 first outcomes: 112 s with nested loops.
_FOR_A_LONG_READ = ("statement_timeout = 0", "enable_nestloop = off", "cursor_tuple_fraction = 1")


class OutcomeRow(NamedTuple):
    """What became of a prediction, as known at the end of `judged_on`."""

    prediction_id: UUID
    status: str
    label: int | None
    evaluable: bool
    imputed: bool
    is_final: bool
    index_on: date
    expected_on: date
    resolved_on: date
    judged_on: date

    def __repr__(self) -> str:
        return f"OutcomeRow({self.prediction_id})"


class DuePrediction(NamedTuple):
    """A prediction to be judged, and what was told of it before, if anything."""

    prediction_id: UUID
    patient_uuid: str
    as_of: date
    before: OutcomeRow | None

    def __repr__(self) -> str:
        return f"DuePrediction({self.prediction_id})"


_TOLD = [outcomes.c[name] for name in OutcomeRow._fields]


def due(tx: Transaction, *, as_of: date, chunk: int) -> Iterator[list[DuePrediction]]:
    """Yield the predictions whose outcome may have become known or changed, patient by patient, in chunks.

    Due are those whose window has ended, until that is final, and those whose record changed since they were made or
    last judged. Most open windows are neither: one scan passes over them, and only what is due is judged and written.
    It may take longer than a request may, and has no time limit. A prediction made for a day long past, whose return
    the record held already, is due at the end of its window: before, it could judge no model. One that was judged on a
    later day already is left alone: knowledge does not go backwards.
    """
    last_looked = func.coalesce(outcomes.c.judged_at, predictions.c.created_at)
    expected = func.coalesce(outcomes.c.expected_on, predictions.c.expected_on)
    is_due = case(
        (outcomes.c.is_final, patients.c.updated_at > outcomes.c.judged_at - _OVERLAP),
        else_=or_(patients.c.updated_at > last_looked, expected + GRACE_DAYS <= as_of),
    )
    for setting in _FOR_A_LONG_READ:
        tx.execute(text(f"SET LOCAL {setting}"))
    query = (
        select(predictions.c.prediction_id, predictions.c.patient_uuid, predictions.c.as_of, *_TOLD)
        .join(patients, patients.c.patient_uuid == predictions.c.patient_uuid)
        .join(outcomes, outcomes.c.prediction_id == predictions.c.prediction_id, isouter=True)
        .where(and_(predictions.c.as_of <= as_of, or_(outcomes.c.judged_on.is_(None), outcomes.c.judged_on <= as_of)))
        .where(is_due)
        .order_by(predictions.c.patient_uuid)
    )
    for rows in tx.execute(query.execution_options(yield_per=chunk)).partitions(chunk):
        yield [DuePrediction(row[0], row[1], row[2], None if row[3] is None else OutcomeRow(*row[3:])) for row in rows]


def facts_of(tx: Transaction, patient_uuids: Sequence[str]) -> list[tuple[str, str, bytes]]:
    """Return (patient, facility, packed facts) of patients."""
    columns = records.c.patient_uuid, records.c.facility, records.c.facts
    return [tuple(row) for row in tx.execute(select(*columns).where(records.c.patient_uuid.in_(patient_uuids)))]


_SAVE = sql.SQL("""
INSERT INTO outcomes (prediction_id, status, label, evaluable, imputed, is_final, index_on, expected_on, resolved_on,
  judged_on)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::smallint[], %s::boolean[], %s::boolean[], %s::boolean[], %s::date[],
  %s::date[], %s::date[], %s::date[])
ON CONFLICT (prediction_id) DO UPDATE SET (status, label, evaluable, imputed, is_final, index_on, expected_on,
  resolved_on, judged_on, judged_at) = (excluded.status, excluded.label, excluded.evaluable, excluded.imputed,
  excluded.is_final, excluded.index_on, excluded.expected_on, excluded.resolved_on, excluded.judged_on, now())
""")


def save(tx: Transaction, rows: Sequence[OutcomeRow], reopened: Sequence[UUID], *, audit: AuditEvent) -> None:
    """Keep outcomes, replacing what was told before, and take back those that a correction has made open again."""
    if rows:
        with driver_of(tx).cursor() as cursor:
            cursor.execute(_SAVE, [list(column) for column in zip(*rows, strict=True)])
    if reopened:
        tx.execute(delete(outcomes).where(outcomes.c.prediction_id.in_(reopened)))
    audit_trail.write(tx, audit)
