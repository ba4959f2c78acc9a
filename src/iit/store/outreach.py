"""What people did about a risk: so far, whether a card was followed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import outreach


class OutreachRow(NamedTuple):
    """One act.

    Attributes:
        patient_uuid: about whom.
        prediction_id: which prediction it answers.
        kind: `accepted` or `overridden`.
        reason: code of the reason, or None.
        happened_at: when.
        source: through what, for example `cds:iit-risk`.
        recorded_by: who told it.
    """

    patient_uuid: str
    prediction_id: UUID
    kind: str
    reason: str | None
    happened_at: datetime
    source: str
    recorded_by: str

    def __repr__(self) -> str:
        return "OutreachRow()"


_KEY: Final = ["prediction_id", "kind", "source", "happened_at"]


def add(tx: Transaction, rows: Sequence[OutreachRow], *, audit: AuditEvent) -> int:
    """Keep acts that are not there yet; return how many there were. Idempotent."""
    if not rows:
        return 0
    statement = insert(outreach).on_conflict_do_nothing(index_elements=_KEY).returning(outreach.c.outreach_id)
    n_new = len(tx.execute(statement, [row._asdict() for row in rows]).all())
    audit_trail.write(tx, audit)
    return n_new
