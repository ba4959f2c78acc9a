"""Keeping what another model would have said, beside the predictions that were given.

A table of its own: what reads predictions for people cannot come upon it.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import shadow_scores


class ShadowScore(NamedTuple):
    """The risk that another model gives for the features of a prediction."""

    prediction_id: UUID
    model_version: str
    risk_score: float

    def __repr__(self) -> str:
        return "ShadowScore()"


def save(tx: Transaction, scores: Sequence[ShadowScore], *, audit: AuditEvent) -> None:
    """Keep scores; one that is kept already stays as it is."""
    if scores:
        tx.execute(insert(shadow_scores).on_conflict_do_nothing(), [one._asdict() for one in scores])
        audit_trail.write(tx, audit)
