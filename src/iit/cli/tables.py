"""Tables that leave the service as files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import openpyxl

from iit.cli.records import write_csv
from iit.extras import extra_module
from iit.services.tables import SCORES_HEADER, safe_cell, score_cells, texts_of
from iit.store.patients import WorklistRow
from iit.store.predictions import PredictionRow

WORKLIST_HEADER: Final = [
    "patient_uuid", "facility", "expected_date", "risk", "band", "reason_1", "reason_2", "reason_3", "phone", "sex",
    "as_of", "model_version",
]  # fmt: skip


def write_scores(path: Path, rows: Sequence[PredictionRow]) -> None:
    """Write batch scores as CSV or Parquet, by the file's ending."""
    told = [score_cells(row) for row in rows]
    if path.suffix == ".csv":
        write_csv(path, list(SCORES_HEADER), told)
        return
    pyarrow, parquet = (extra_module(name, extra="train") for name in ("pyarrow", "pyarrow.parquet"))
    table = pyarrow.table({name: [row[place] for row in told] for place, name in enumerate(SCORES_HEADER)})
    path.touch(mode=0o600)
    parquet.write_table(table, path)


def write_worklist(path: Path, rows: Sequence[WorklistRow]) -> None:
    """Write a worklist as CSV or Excel, by the file's ending; readable by its owner only."""
    told = [tuple(safe_cell(cell) for cell in _worklist_cells(row)) for row in rows]
    if path.suffix == ".csv":
        write_csv(path, WORKLIST_HEADER, told)
        return
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Worklist"
    sheet.append(WORKLIST_HEADER)
    for row in told:
        sheet.append(row)
    sheet.freeze_panes = "A2"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        book.save(file)


def _worklist_cells(row: WorklistRow) -> tuple[object, ...]:
    texts = [*texts_of(row.reasons), "", "", ""][:3]
    phone = {True: "yes", False: "no", None: ""}[row.phone_present]
    return (
        row.patient_uuid, row.facility, row.expected_on, round(row.risk_score, 4), row.risk_band, *texts,
        phone, row.sex or "", row.as_of, row.model_version,
    )  # fmt: skip
