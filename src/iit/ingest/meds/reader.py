"""The facts of a MEDS dataset, subject by subject."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

from iit.domain.errors import InvalidInput
from iit.domain.record import Patient
from iit.extras import extra_module
from iit.ingest.hl7.reading import Fact, sequence_at
from iit.ingest.meds.dataset import Dataset
from iit.ingest.meds.facts import FactReader

SOURCE: Final = "meds"
_CHUNK: Final = 10_000  # rows in memory
_OWN: Final = ("known_at", "source", "source_id", "sequence")
_READ: Final = ("subject_id", "time", "code", "numeric_value", "text_value", "facility", *_OWN)

Row = dict[str, Any]


class History(NamedTuple):
    """What one source tells of one subject, or why a subject or file cannot be read.

    Attributes:
        place: the file and the first row, for example `data/0.parquet:12`.
        subject_id: which subject.
        source: of all the facts.
        facility: code of the subject's facility, if told.
        patient: whom the subject is; None for a stranger.
        facts: what is told, each id once.
        caveats: reasons of what was left out, good for counting.
        problem: why nothing can be taken.
    """

    place: str
    subject_id: int
    source: str
    facility: str | None
    patient: Patient | None
    facts: tuple[Fact, ...]
    caveats: tuple[str, ...] = ()
    problem: InvalidInput | None = None

    def __repr__(self) -> str:
        return f"History({len(self.facts)} facts)"


def histories(dataset: Dataset, *, zone: tzinfo, latest: datetime) -> Iterator[History]:
    """Yield what each source tells of each subject; of a subject at fault one problem, and the others go on.

    Args:
        dataset: what to read.
        zone: in which times are returned.
        latest: the last credible moment of a fact.

    Raises:
        Unavailable: the libraries for Parquet are not installed.
    """
    reader = _Reader(dataset, zone, latest)
    for file in dataset.files:
        place = str(file.relative_to(dataset.root))
        try:
            yield from reader.subjects(file, place)
        except InvalidInput as problem:
            yield _fault(place, -1, problem)


def _fault(place: str, subject: int, problem: InvalidInput) -> History:
    return History(place, subject, SOURCE, None, None, (), problem=problem)


@dataclass(repr=False)
class _Reader:
    dataset: Dataset
    zone: tzinfo
    latest: datetime
    _seen: set[int] = field(default_factory=set)

    def subjects(self, file: Path, place: str) -> Iterator[History]:
        found = _rows(file, needed=() if self.dataset.people is None else _OWN)
        for subject, together in groupby(found, lambda one: one[1]["subject_id"]):
            numbered = list(together)
            where, rows = f"{place}:{numbered[0][0]}", [row for _, row in numbered]
            try:
                yield from self._histories(where, subject, rows)
            except InvalidInput as problem:
                yield _fault(where, -1 if subject is None else subject, problem)

    def _histories(self, place: str, subject: int | None, rows: list[Row]) -> Iterator[History]:
        if subject is None:
            raise InvalidInput("rows have no subject_id")
        if subject in self._seen:
            raise InvalidInput("the rows of one subject must stand together, in one file")
        self._seen.add(subject)
        patient = self._person(subject)
        by_source, n_unknown = self._facts(rows)
        caveats = ("a code is of no kind that is kept",) * n_unknown
        for source, facts in by_source.items():
            facility = rows[0].get("facility") if patient is None else patient.facility
            yield History(place, subject, source, facility, patient, tuple(facts.values()), caveats)
            caveats = ()
        if not by_source:
            yield History(place, subject, SOURCE, None, patient, (), caveats)

    def _person(self, subject: int) -> Patient | None:
        if self.dataset.people is None:
            return None
        patient = self.dataset.people.get(subject)
        if patient is None:
            raise InvalidInput("the subject is not in subjects.csv")
        return patient

    def _facts(self, rows: list[Row]) -> tuple[dict[str, dict[str, Fact]], int]:
        """Return a subject's facts by source and id, and the number of rows of other kinds."""
        made = self.dataset.created_at
        reader = FactReader(self.zone, self.latest, made, self.dataset.people is not None,
                            0 if made is None else sequence_at(made, b""))  # fmt: skip
        found: dict[str, dict[str, Fact]] = {}
        n_unknown = 0
        for row in rows:
            told = reader.read(row)
            if told is None:
                n_unknown += 1
                continue
            source, fact = told
            own = found.setdefault(source, {})
            if fact.event.source_id in own:
                raise InvalidInput("two facts have one id")
            own[fact.event.source_id] = fact
        return found, n_unknown


def _rows(file: Path, *, needed: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a file with their numbers, from 1; memory stays flat.

    Raises:
        InvalidInput: it is no Parquet file, is broken, or has not the columns of MEDS.
    """
    arrow, parquet = extra_module("pyarrow", extra="train"), extra_module("pyarrow.parquet", extra="train")
    number = 0
    try:
        with parquet.ParquetFile(file) as opened:
            _refuse_other_columns(opened.schema_arrow, needed)
            columns = [name for name in opened.schema_arrow.names if name in _READ]
            for batch in opened.iter_batches(_CHUNK, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (arrow.ArrowException, OSError, ValueError) as cause:
        raise InvalidInput("the file is broken, or is no Parquet") from cause


def _refuse_other_columns(schema: Any, needed: Sequence[str]) -> None:
    meds, wrong = extra_module("meds", extra="train"), extra_module("flexible_schema", extra="train")
    try:
        meds.DataSchema.align(schema.empty_table())
    except (wrong.SchemaValidationError, wrong.TableValidationError) as cause:
        raise InvalidInput("the columns are not those of MEDS") from cause
    missing = [name for name in needed if name not in schema.names]
    if missing:
        raise InvalidInput(f"beside subjects.csv the columns {', '.join(missing)} are needed")
