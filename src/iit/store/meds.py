"""Facts in the order of a MEDS dataset: patient by patient, each patient's by time."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from iit.store.database import Transaction
from iit.store.records import STANDS
from iit.store.schema import events, patients


class MedsRow(NamedTuple):
    """A fact as it is kept, with the facility of its patient."""

    patient_uuid: str
    facility: str
    occurred_at: datetime
    known_at: datetime
    code: str
    numeric_value: float | None
    text_value: str | None
    source: str
    source_id: str
    sequence: int

    def __repr__(self) -> str:
        return "MedsRow()"


def rows(tx: Transaction, *, facility: str | None, chunk: int) -> Iterator[MedsRow]:
    """Yield the facts of everyone, or of a facility's patients; memory stays flat."""
    own = [events.c[name] for name in MedsRow._fields if name not in ("patient_uuid", "facility")]
    query = select(events.c.patient_uuid, patients.c.facility, *own).join(patients).where(STANDS)
    query = query.order_by(events.c.patient_uuid, events.c.occurred_at, events.c.sequence, events.c.source_id)
    if facility is not None:
        query = query.where(patients.c.facility == facility)
    result = tx.execute(query.execution_options(yield_per=chunk))
    for together in result.partitions(chunk):
        yield from (MedsRow(*row) for row in together)
