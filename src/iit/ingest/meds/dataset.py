"""What a MEDS dataset says of itself, and what `iit export meds` leaves beside it."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from iit.domain.errors import InvalidInput
from iit.domain.facility import FacilityTold
from iit.domain.record import Patient

DATA: Final = "data"
METADATA: Final = "metadata/dataset.json"
SUBJECTS: Final = "subjects.csv"
FACILITIES: Final = "facilities.csv"
FILES: Final = "*.parquet"
SUBJECT_COLUMNS: Final = (
    "subject_id", "patient_uuid", "facility", "birthdate", "sex", "state_province", "city", "phone_present",
    "exported_at",
)  # fmt: skip
FACILITY_COLUMNS: Final = ("facility", "name", "level", "data_until")

_LARGEST: Final = 2**20  # bytes of `dataset.json`
_PHONE: Final = {"": None, "0": False, "1": True}
_SEX: Final = {"": None, "F": "F", "M": "M"}

T = TypeVar("T")


@dataclass(frozen=True, repr=False)
class Dataset:
    """A dataset that can be read.

    Attributes:
        root: its folder.
        name: what it calls itself; subjects of equal names are the same subjects.
        created_at: when it was made, if told.
        people: whom its subjects are, where `subjects.csv` stands beside it; else None: they are strangers.
        facilities: what is told of facilities.
        files: of facts, in the order of names.
    """

    root: Path
    name: str
    created_at: datetime | None
    people: Mapping[int, Patient] | None
    facilities: tuple[FacilityTold, ...]
    files: tuple[Path, ...]


class _Metadata(msgspec.Struct):
    dataset_name: str | None = None
    created_at: datetime | None = None

    def __repr__(self) -> str:
        return "_Metadata()"


def open_dataset(root: Path, *, zone: tzinfo) -> Dataset:
    """Return the dataset in a folder; no fact is read yet.

    Args:
        root: the folder that holds `data` and `metadata`.
        zone: in which times are returned.

    Raises:
        InvalidInput: it is no dataset, or a file beside the facts cannot be read. Names the place, never a value.
    """
    files = tuple(sorted((root / DATA).rglob(FILES)))
    if not files:
        raise InvalidInput("is no MEDS dataset: there is no file data/*.parquet", place=str(root))
    told = _metadata(root / METADATA)
    made = told.created_at
    if made is not None:
        made = (made if made.tzinfo else made.replace(tzinfo=UTC)).astimezone(zone)
    facilities = tuple(_table(root / FACILITIES, FACILITY_COLUMNS, _facility))
    names = {one.facility: one.name for one in facilities}
    people = None
    if (root / SUBJECTS).exists():
        people = dict(_table(root / SUBJECTS, SUBJECT_COLUMNS, lambda row: _person(row, names, zone)))
    return Dataset(root, told.dataset_name or "", made, people, facilities, files)


def _metadata(path: Path) -> _Metadata:
    try:
        if not path.exists():
            return _Metadata()
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_LARGEST), type=_Metadata)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as cause:
        raise InvalidInput("is not the description of a MEDS dataset", place=str(path)) from cause


def _table(path: Path, columns: tuple[str, ...], read: Callable[[dict[str, str]], T]) -> Iterator[T]:
    """Yield the lines of a table, each read; nothing where it is missing."""
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file, strict=True)
            if set(columns) - set(lines.fieldnames or ()):
                raise InvalidInput(f"must have the columns {', '.join(columns)}", place=str(path))
            for row in lines:
                yield _line(row, read, f"{path}:{lines.line_num}")
    except (OSError, csv.Error, UnicodeDecodeError) as cause:
        raise InvalidInput("cannot be read as a table", place=str(path)) from cause


def _line(row: dict[str, str], read: Callable[[dict[str, str]], T], place: str) -> T:
    try:
        return read(row)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput("the line cannot be read", place=place) from None


def _person(row: dict[str, str], names: Mapping[str, str | None], zone: tzinfo) -> tuple[int, Patient]:
    uuid, facility = row["patient_uuid"], row["facility"]
    if not uuid or not facility:
        raise ValueError
    exported = datetime.fromisoformat(row["exported_at"]).astimezone(zone) if row["exported_at"] else None
    birth = date.fromisoformat(row["birthdate"]) if row["birthdate"] else None
    person = Patient(
        uuid, facility, names.get(facility), birth, _SEX[row["sex"]], row["state_province"] or None,
        row["city"] or None, _PHONE[row["phone_present"]], "", exported,
    )  # fmt: skip
    return int(row["subject_id"]), person


def _facility(row: dict[str, str]) -> FacilityTold:
    level = int(row["level"]) if row["level"] else None
    until = date.fromisoformat(row["data_until"]) if row["data_until"] else None
    if not row["facility"] or level not in (None, 1, 2, 3):
        raise ValueError
    return FacilityTold(row["facility"], row["name"] or None, level, until)
