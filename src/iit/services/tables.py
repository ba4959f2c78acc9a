"""Rows of tables that leave the service as files, the same from every door."""

from collections.abc import Sequence
from typing import Any, Final

from iit.store.predictions import PredictionRow

SCORES_HEADER: Final = (
    "patient_uuid", "facility", "as_of", "expected_date", "risk", "band", "reasons", "model_version",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: object) -> object:
    """Return a cell that a spreadsheet will not run as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def score_cells(row: PredictionRow) -> tuple[object, ...]:
    """Return a batch score as cells under `SCORES_HEADER`."""
    return (
        safe_cell(row.patient_uuid), safe_cell(row.facility), row.as_of, row.expected_on, row.risk_score,
        row.risk_band, "; ".join(texts_of(row.reasons)), safe_cell(row.model_version),
    )  # fmt: skip


def texts_of(reasons: Sequence[dict[str, Any]]) -> list[str]:
    """Return the plain words of reasons."""
    return [str(reason["text"]) for reason in reasons]
