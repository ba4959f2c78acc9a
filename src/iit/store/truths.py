"""The true risks of synthetic patients, for judging a model against what can be known. Empty with real data."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from iit.store.database import Transaction
from iit.store.schema import synthetic_truth


class Truth(NamedTuple):
    """The true risk of a cycle and what could be known of it at each of its seven landmarks."""

    patient_uuid: str
    index_on: date
    risk: float
    reachable: list[float]


def save(tx: Transaction, truths: Sequence[Truth]) -> None:
    """Keep true risks. Idempotent."""
    if not truths:
        return
    statement = insert(synthetic_truth)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["patient_uuid", "index_on"],
            set_={"risk": statement.excluded.risk, "reachable": statement.excluded.reachable},
        ),
        [truth._asdict() for truth in truths],
    )


def all_truths(tx: Transaction) -> list[Truth]:
    """Return all true risks."""
    columns = [synthetic_truth.c[name] for name in Truth._fields]
    return [Truth(*row) for row in tx.execute(select(*columns))]
