"""All that is kept of one person, in every table: giving it out, removing it, and remembering that it was removed.

Tables are found by their columns (`patient_uuid`, or `prediction_id` of one of the person's predictions), so that a
table added later is not forgotten. The audit trail stays: it tells of acts, and holds no value of the person.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, LargeBinary, Table, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.inbox import PATIENT_KEY_BYTES
from iit.store.schema import erasures, inbox, metadata, patient_identifiers, predictions

_CHUNK: Final = 5_000


def rows_of(tx: Transaction, patient_uuid: str) -> dict[str, list[dict[str, Any]]]:
    """Return all rows about a person by table; packed copies of them are left out."""
    told = {}
    for table in metadata.sorted_tables:
        condition = _concerns(table, patient_uuid)
        if condition is not None:
            columns = [column for column in table.columns if not isinstance(column.type, LargeBinary)]
            told[table.name] = [dict(row._mapping) for row in tx.execute(select(*columns).where(condition))]
    return {name: rows for name, rows in told.items() if rows}


def erase(tx: Transaction, patient_uuid: str) -> dict[str, int]:
    """Remove all rows about a person and remember that; return how many by table, nothing if there were none."""
    removed = {inbox.name: _discard_messages(tx, patient_uuid)}
    for table in reversed(metadata.sorted_tables):
        condition = _concerns(table, patient_uuid)
        if condition is not None:
            removed[table.name] = tx.execute(delete(table).where(condition)).rowcount
    removed = {name: number for name, number in removed.items() if number}
    if removed:
        statement = insert(erasures).values(patient_hash=_hash(patient_uuid))
        tx.execute(statement.on_conflict_do_nothing())
    return removed


def erased_among(tx: Transaction, patient_uuids: Sequence[str]) -> set[str]:
    """Return those of the persons who were erased and not readmitted."""
    by_hash = {_hash(uuid): uuid for uuid in patient_uuids}
    found = tx.execute(select(erasures.c.patient_hash).where(erasures.c.patient_hash.in_(list(by_hash))))
    return {by_hash[digest] for digest in found.scalars()}


def readmit(tx: Transaction, patient_uuid: str, *, audit: AuditEvent) -> bool:
    """Let a person's records be taken in again; return whether the person had been erased."""
    audit_trail.write(tx, audit)
    return bool(tx.execute(delete(erasures).where(erasures.c.patient_hash == _hash(patient_uuid))).rowcount)


def count_predictions_before(tx: Transaction, moment: datetime) -> int:
    """Return how many predictions were made before a moment."""
    return tx.execute(select(func.count()).where(predictions.c.created_at < moment)).scalar_one()


def drop_predictions_before(tx: Transaction, moment: datetime) -> int:
    """Remove some of the predictions made before a moment, with what hangs on them; return how many, 0 at the end."""
    chosen = (
        select(predictions.c.prediction_id)
        .where(predictions.c.created_at < moment)
        .order_by(predictions.c.prediction_id)
        .limit(_CHUNK)
    )
    ids = list(tx.execute(chosen).scalars())
    return tx.execute(delete(predictions).where(predictions.c.prediction_id.in_(ids))).rowcount if ids else 0


def personal_tables() -> Iterator[str]:
    """Yield the names of the tables that hold rows about persons."""
    for table in metadata.sorted_tables:
        if _concerns(table, "") is not None:
            yield table.name


def _concerns(table: Table, patient_uuid: str) -> ColumnElement[bool] | None:
    if "patient_uuid" in table.columns:
        return table.c.patient_uuid == patient_uuid
    if "prediction_id" in table.columns:
        theirs = select(predictions.c.prediction_id).where(predictions.c.patient_uuid == patient_uuid)
        return table.c.prediction_id.in_(theirs)
    return None


def _discard_messages(tx: Transaction, patient_uuid: str) -> int:
    """Give up what waits or lies dead under an identifier of the person: a message has the beginning of its hash."""
    theirs = select(func.substring(patient_identifiers.c.identifier_hash, 1, PATIENT_KEY_BYTES)).where(
        patient_identifiers.c.patient_uuid == patient_uuid
    )
    given_up = {"state": "discarded", "raw": None, "key_id": None, "finished_at": func.now()}
    chosen = update(inbox).where(inbox.c.raw.is_not(None)).where(inbox.c.patient_key.in_(theirs))
    return tx.execute(chosen.values(given_up)).rowcount


def _hash(patient_uuid: str) -> bytes:
    """Return what is kept of who was erased: enough to know the id when it comes again, no list of ids."""
    return hashlib.sha256(patient_uuid.encode()).digest()
