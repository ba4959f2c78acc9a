"""Facts in the order of a MEDS dataset: patient by patient, each patient's by time."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Text, any_, cast, select
from sqlalchemy.dialects.postgresql import ARRAY

from iit.domain.record import Patient
from iit.store.database import Transaction
from iit.store.records import STANDS
from iit.store.schema import events, facilities, patients, records


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


_PERSON: Final = (
    patients.c.patient_uuid, patients.c.facility, facilities.c.name, patients.c.birthdate, patients.c.sex,
    patients.c.state_province, patients.c.city, patients.c.phone_present, patients.c.status, records.c.exported_at,
)  # fmt: skip


def people(tx: Transaction, patient_uuids: Sequence[str]) -> dict[str, Patient]:
    """Return whom these patients are, by id."""
    query = select(*_PERSON).join_from(patients, facilities).join(records)
    query = query.where(patients.c.patient_uuid == any_(cast(list(patient_uuids), ARRAY(Text))))
    return {row.patient_uuid: Patient(*tuple(row)) for row in tx.execute(query)}
