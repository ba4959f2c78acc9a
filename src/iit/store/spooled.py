"""What waits in the spool: predictions and audit events, in the form in which they lie there, and storing them once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from iit.domain.audit import AuditEvent, Origin, acting_from, current_origin
from iit.domain.errors import InvalidInput
from iit.store import predictions as prediction_store
from iit.store.database import Database, Transaction
from iit.store.predictions import PredictionRow
from iit.store.schema import predictions, spool_receipts

_KEPT: Final = timedelta(days=7)  # receipts: longer than a segment can lie half emptied


class Act(msgspec.Struct, frozen=True):
    """An audit event, and the prediction that it tells of if it is one."""

    event: AuditEvent
    row: PredictionRow | None = None

    def __repr__(self) -> str:
        return "Act()"


class Entry(msgspec.Struct, frozen=True):
    """What one transaction would have stored.

    Attributes:
        entry_id: its key: an entry is stored once.
        made_at: when, aware.
        origin: from where and why it was asked.
        acts: what was done.
    """

    entry_id: UUID
    made_at: datetime
    origin: Origin
    acts: list[Act]

    def __repr__(self) -> str:
        return "Entry()"


_decoder = msgspec.msgpack.Decoder(Entry)


def encode(acts: Sequence[Act], *, now: datetime) -> bytes:
    """Return an entry of acts of the present request."""
    return msgspec.msgpack.encode(Entry(uuid4(), now, current_origin(), list(acts)))


def decode(data: bytes) -> Entry:
    """Return an entry.

    Raises:
        InvalidInput: it is none of this version.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, ValueError):
        raise InvalidInput("is no entry of this version", place="spool") from None


def store(database: Database, entry: Entry) -> None:
    """Store an entry unless it was stored before; audit events tell when they were made."""
    with acting_from(entry.origin), database.transaction() as tx:
        if not _receive(tx, entry.entry_id):
            return
        known = _known(tx, [act.row.prediction_id for act in entry.acts if act.row is not None])
        new = [act for act in entry.acts if act.row is None or act.row.prediction_id not in known]
        rows = [act.row for act in new if act.row is not None]
        made_at = entry.made_at.isoformat()
        events = [replace(act.event, detail={**act.event.detail, "spooled_at": made_at}) for act in new]
        prediction_store.save(tx, rows, audit=events, made_at=entry.made_at)


def _receive(tx: Transaction, entry_id: UUID) -> bool:
    """Note that an entry is being stored; return whether that is new."""
    tx.execute(delete(spool_receipts).where(spool_receipts.c.stored_at < func.now() - _KEPT))
    added = insert(spool_receipts).values(entry_id=entry_id).on_conflict_do_nothing()
    return tx.execute(added.returning(spool_receipts.c.entry_id)).one_or_none() is not None


def _known(tx: Transaction, prediction_ids: list[UUID]) -> set[UUID]:
    """Return which predictions are stored: the answer to a commit may have been lost, not the commit."""
    if not prediction_ids:
        return set()
    query = select(predictions.c.prediction_id).where(predictions.c.prediction_id.in_(prediction_ids))
    return set(tx.execute(query).scalars())
