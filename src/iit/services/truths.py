"""Keeping the true risks that lie beside a synthetic cohort."""

import csv
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final

from iit.domain.errors import InvalidInput
from iit.store import truths as truth_store
from iit.store.database import Database
from iit.store.truths import Truth

_FILE: Final = "true_risks.csv"
_LANDMARKS: Final = ("pickup", "m14", "m7", "0", "p7", "p14", "p21")


def keep_truths(database: Database, folder: Path) -> int:
    """Keep the true risks of a synthetic cohort's folder; return how many cycles. A folder without them has none.

    An empty field is a landmark on which nothing could be asked.
    """
    path = folder / _FILE
    if not path.is_file():
        return 0
    n = 0
    rows = _read(path)
    while batch := list(islice(rows, 5000)):
        with database.transaction() as tx:
            truth_store.save(tx, batch)
        n += len(batch)
    return n


def _read(path: Path) -> Iterator[Truth]:
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            try:
                yield Truth(
                    row["patient_uuid"],
                    date.fromisoformat(row["index_date"]),
                    float(row["risk"]),
                    [float(row[f"reachable_{landmark}"] or "nan") for landmark in _LANDMARKS],
                )
            except (KeyError, ValueError, TypeError):
                raise InvalidInput("is no row of true risks", place=f"{path}:{line}") from None
