"""Rows of a list, however it is written: commas, semicolons or tabs between the cells, or a spreadsheet."""

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from xml.etree.ElementTree import ParseError  # only its name: openpyxl reads with defusedxml

import openpyxl
from defusedxml import DefusedXmlException

from iit.domain.errors import InvalidInput
from iit.ingest.csv.columns import Column, columns_of

Cell = str | int | float | bool | date | datetime | None
Row = tuple[int, Sequence[Cell]]
"""The number of a row's first line, from 1, and its cells."""

_HEADER_ROWS: Final = 10  # titles of a report may stand above the header
_LEAST: Final = 3  # known columns that make a header
_MIB: Final = 2**20
_UNPACKED: Final = 1024 * _MIB
_RATIO: Final = 300
_UNSUSPICIOUS: Final = 16 * _MIB
_BROKEN: Final = (zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, AttributeError, OSError, EOFError,
                  ParseError, DefusedXmlException, RuntimeError)  # fmt: skip
_TEXT_FORMULA: Final = re.compile(r'="([^"]*)"')
ENCODINGS: Final = ("utf-8", "windows-1252")


@dataclass(frozen=True, repr=False)
class Table:
    """A list with its header found.

    Attributes:
        columns: the known columns by the names of their roles.
        width: how many cells the header has.
    """

    columns: dict[str, Column]
    width: int
    _data: bytes
    _is_workbook: bool
    _sheet: int
    _delimiter: str
    _encoding: str
    _header_line: int

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the header that are not blank; each call begins anew.

        Raises:
            InvalidInput: the rest cannot be read.
        """
        if self._is_workbook:
            found = _sheet_rows(self._data, self._sheet)
        else:
            found = _text_rows(self._data, self._delimiter, self._encoding)
        for line, cells in found:
            if line > self._header_line and any(_filled(cell) for cell in cells):
                yield line, [_plain(cell) for cell in cells]


def open_table(data: bytes, *, is_workbook: bool, encoding: str = "utf-8") -> Table:
    """Return the list in a file.

    Raises:
        InvalidInput: it cannot be read, or no row is a header.
    """
    if is_workbook:
        _refuse_bomb(data)
        ways = [(sheet, "", _sheet_rows(data, sheet)) for sheet in range(_n_sheets(data))]
    else:
        _refuse_undecodable(data, encoding)
        ways = [(0, delimiter, _text_rows(data, delimiter, encoding)) for delimiter in ",;\t"]
    best: Table | None = None
    for sheet, delimiter, rows in ways:
        header = _header_in(rows)
        if header is not None and (best is None or len(header[1]) > len(best.columns)):
            line, columns, width = header
            best = Table(columns, width, data, is_workbook, sheet, delimiter, encoding, line)
    if best is None:
        raise InvalidInput("no row is a header with columns of RADET (identifier, Last Pickup Date, ...)")
    return best


def _header_in(rows: Iterator[Row]) -> tuple[int, dict[str, Column], int] | None:
    for seen, (line, cells) in enumerate(rows):
        if seen == _HEADER_ROWS:
            return None
        titles = [cell if isinstance(cell, str) else "" for cell in cells]
        columns = columns_of(titles)
        if len(columns) >= _LEAST:
            return line, columns, len(titles)
    return None


def _text_rows(data: bytes, delimiter: str, encoding: str) -> Iterator[Row]:
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), codec, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as cause:
        raise InvalidInput(
            f"cannot be read from line {line} on: a quote is not closed, or a cell is too long"
        ) from cause


def _refuse_undecodable(data: bytes, encoding: str) -> None:
    if b"\0" in data:
        raise InvalidInput("is no text in UTF-8 or Windows-1252")
    try:
        data.decode(encoding)
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        reason = f"is not {encoding} from line {line} on"
        raise InvalidInput(
            reason + (": say --encoding windows-1252 if it is" if encoding == "utf-8" else "")
        ) from cause


def _refuse_bomb(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
    except _BROKEN as cause:
        raise InvalidInput("is no .xlsx workbook") from cause
    if unpacked > min(_UNPACKED, max(_UNSUSPICIOUS, _RATIO * len(data))):
        raise InvalidInput("unpacks into more data than is allowed")


def _workbook(data: bytes) -> openpyxl.Workbook:
    try:
        with warnings.catch_warnings():  # of styles and rules that do not matter here
            warnings.simplefilter("ignore")
            return openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except _BROKEN as cause:
        raise InvalidInput("is no .xlsx workbook that can be read") from cause


def _n_sheets(data: bytes) -> int:
    return len(_workbook(data).worksheets)


def _sheet_rows(data: bytes, sheet: int) -> Iterator[Row]:
    workbook = _workbook(data)
    try:
        yield from enumerate(workbook.worksheets[sheet].iter_rows(values_only=True), 1)
    except InvalidInput:
        raise
    except _BROKEN as cause:
        raise InvalidInput("the workbook is broken") from cause
    finally:
        workbook.close()


def _filled(cell: Cell) -> bool:
    return cell is not None and (not isinstance(cell, str) or bool(cell.strip()))


def _plain(cell: Cell) -> Cell:
    """Return a cell without what spreadsheets put around text to keep it text: `="00123"`, `'00123`."""
    if isinstance(cell, str):
        cell = cell.strip()
        found = _TEXT_FORMULA.fullmatch(cell)
        return found[1] if found else cell.removeprefix("'")
    return cell
