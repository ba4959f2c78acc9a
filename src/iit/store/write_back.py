"""Which risks are still to be told to another system."""

from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from iit.domain.risk import Source
from iit.store.database import Transaction
from iit.store.schema import predictions, records


class Untold(NamedTuple):
    """A patient's latest risk."""

    patient_uuid: str
    as_of: date
    risk_score: float
    risk_band: str

    def __repr__(self) -> str:
        return "Untold()"


def untold(tx: Transaction, *, since: datetime | None, until: datetime, facility: str | None) -> list[Untold]:
    """Return the latest prediction, made after one moment and until another, of each patient with a full history.

    Only what a model said counts, not what stood in for one. In the order of their ids.
    """
    query = (
        select(predictions.c.patient_uuid, predictions.c.as_of, predictions.c.risk_score, predictions.c.risk_band)
        .ext(distinct_on(predictions.c.patient_uuid))
        .join(records, records.c.patient_uuid == predictions.c.patient_uuid)
        .where(func.length(records.c.content_hash) > 0)
        .where(predictions.c.source.in_([Source.CHAMPION, Source.PREVIOUS]))
        .where(predictions.c.created_at <= until)
        .order_by(predictions.c.patient_uuid, predictions.c.created_at.desc())
    )
    if since is not None:
        query = query.where(predictions.c.created_at > since)
    if facility is not None:
        query = query.where(records.c.facility == facility)
    return [Untold(*row) for row in tx.execute(query)]
