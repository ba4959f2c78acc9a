"""Facts as a MEDS dataset: Parquet files that tools for machine learning on health records read."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TextIO

from iit import __version__
from iit.domain.access import Principal
from iit.domain.errors import Conflict, InvalidInput
from iit.domain.record import Patient
from iit.domain.vocabulary import Kind
from iit.extras import extra_module
from iit.ingest.meds.dataset import FACILITIES, FACILITY_COLUMNS, METADATA, SUBJECT_COLUMNS, SUBJECTS
from iit.ingest.meds.facts import OWN_CODES
from iit.services.audit import Audit
from iit.services.keyring import keyed_hash
from iit.store import facilities as facility_store
from iit.store import meds as meds_store
from iit.store.database import Database
from iit.store.meds import MedsRow

SHARD: Final = 200_000  # facts a file, more only to keep a patient whole
_CHUNK: Final = 10_000
_POSITIVE: Final = 2**63 - 1
_OWN: Final = {ours: theirs for theirs, ours in OWN_CODES.items()}
_EXTRA: Final = ("known_at", "source", "sequence")


@dataclass(frozen=True)
class MedsExport:
    """Writes datasets.

    Attributes:
        database: where the facts lie.
        audit: the trail, on which an export is noted.
        secret: what subject ids depend on: without it nobody can tell which patient a subject is.
        clock: the present time, aware.
    """

    database: Database
    audit: Audit
    secret: bytes = field(repr=False)
    clock: Callable[[], datetime]

    def write(self, out: Path, *, who: Principal, facility: str | None = None) -> tuple[int, int]:
        """Write the facts of everyone, or of a facility's patients; return how many patients and facts.

        Each fact has its time and, beside what MEDS asks for, `known_at`: what is used on a day must have been known.
        The files `subjects.csv` and `facilities.csv` beside the dataset tell who is who, so that it can be taken in
        again; `subjects.csv` does not belong to a dataset that is given away. The trail names each patient before a
        file holds their facts.

        Raises:
            InvalidInput: the folder is not empty.
            Unavailable: the libraries are not installed, or the database is away.
        """
        if out.exists() and any(out.iterdir()):
            raise InvalidInput("is not empty", place=str(out))
        with MedsWriter(out, self.secret, self.clock()) as dataset:
            with self.database.transaction() as tx:
                for shard in _shards(meds_store.rows(tx, facility=facility, chunk=_CHUNK)):
                    people = meds_store.people(tx, sorted({row.patient_uuid for row in shard}))
                    self.audit.note_export("meds", sorted(people), who=who)
                    dataset.add(people, [row for row in shard if row.patient_uuid in people])
                states = facility_store.all_states(tx)
            if not dataset.n_facts:
                self.audit.note_export("meds", [], who=who)
            dataset.tell_facilities(
                (one.facility, one.name, one.level, one.data_until)
                for one in states
                if facility in (None, one.facility)
            )
        return len(dataset.subjects), dataset.n_facts


@dataclass(repr=False)
class MedsWriter:
    """A dataset being written; at a clean end it is whole. The same calls write the same bytes.

    Attributes:
        out: its folder.
        secret: what subject ids depend on.
        made_at: time of the dataset, aware.
    """

    out: Path
    secret: bytes
    made_at: datetime
    n_facts: int = field(default=0, init=False)
    subjects: dict[int, str] = field(default_factory=dict, init=False)
    _codes: set[str] = field(default_factory=set, init=False)
    _files: int = field(default=0, init=False)

    def __enter__(self) -> "MedsWriter":
        self._arrow, self._parquet = (extra_module(one, extra="train") for one in ("pyarrow", "pyarrow.parquet"))
        (self.out / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.out / "metadata").mkdir(mode=0o700)
        self._people = _private(self.out / SUBJECTS)
        self._lines = csv.writer(self._people)
        self._lines.writerow(SUBJECT_COLUMNS)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._people.close()
        if kind is None:
            codes = _code_table(self._arrow, sorted(self._codes))
            self._parquet.write_table(codes, self.out / "metadata" / "codes.parquet")
            (self.out / METADATA).write_text(json.dumps(self._told(), indent=1) + "\n", "utf-8")

    def add(self, people: Mapping[str, Patient], facts: Sequence[MedsRow]) -> None:
        """Write one file: facts patient by patient, each patient's by time, and whom they are about.

        Raises:
            Conflict: two patients would be one subject.
        """
        ids = {uuid: self._subject(uuid) for uuid in people}
        for uuid, person in people.items():
            self._lines.writerow([ids[uuid], *_person(person)])
        if facts:
            self._codes.update(map(_code, facts))
            table = _table(self._arrow, [ids[row.patient_uuid] for row in facts], facts)
            self._parquet.write_table(table, self.out / "data" / f"{self._files}.parquet")
            self._files += 1
            self.n_facts += len(facts)

    def tell_facilities(self, told: Iterable[tuple[object, ...]]) -> None:
        """Write what is known of facilities: code, name, level and last day covered."""
        with (self.out / FACILITIES).open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(FACILITY_COLUMNS)
            lines.writerows(told)

    def _subject(self, patient_uuid: str) -> int:
        """Return the MEDS subject of a patient: the same in every export with this secret, 0 to 2^63 - 1."""
        subject = int.from_bytes(keyed_hash(self.secret, "meds-subject", patient_uuid)[:8], "big") & _POSITIVE
        if self.subjects.setdefault(subject, patient_uuid) != patient_uuid:
            raise Conflict("two patients would be one subject", place="subject_id")
        return subject

    def _told(self) -> dict[str, Any]:
        return {
            "dataset_name": "iit-ml-service",
            "etl_name": "iit export meds",
            "etl_version": __version__,
            "meds_version": extra_module("meds", extra="train").__version__,
            "created_at": self.made_at.astimezone(UTC).isoformat(),
            "raw_source_id_columns": ["source_id"],
            "site_id_columns": ["facility"],
            "other_extension_columns": list(_EXTRA),
        }


def _private(path: Path) -> TextIO:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="")


def _person(person: Patient) -> list[object]:
    phone = None if person.phone_present is None else int(person.phone_present)
    exported = None if person.exported_at is None else person.exported_at.isoformat()
    return [person.patient_uuid, person.facility, person.birth_on, person.sex, person.state_province, person.city,
            phone, exported]  # fmt: skip


def _shards(rows: Iterator[MedsRow]) -> Iterator[list[MedsRow]]:
    """Yield facts in files' worths, no patient in two of them."""
    shard: list[MedsRow] = []
    for _, own in groupby(rows, key=lambda row: row.patient_uuid):
        shard.extend(own)
        if len(shard) >= SHARD:
            yield shard
            shard = []
    if shard:
        yield shard


def _code(row: MedsRow) -> str:
    return _OWN.get(row.code, row.code)


def _table(arrow: Any, ids: Sequence[int], facts: Sequence[MedsRow]) -> Any:
    moment = arrow.timestamp("us")  # MEDS has no time zones: all are UTC
    return arrow.table(
        {
            "subject_id": arrow.array(ids, arrow.int64()),
            "time": arrow.array([_utc(row.occurred_at) for row in facts], moment),
            "code": arrow.array([_code(row) for row in facts], arrow.string()),
            "numeric_value": arrow.array([row.numeric_value for row in facts], arrow.float32()),
            "text_value": arrow.array([row.text_value for row in facts], arrow.large_string()),
            "known_at": arrow.array([_utc(row.known_at) for row in facts], moment),
            "facility": arrow.array([row.facility for row in facts], arrow.string()),
            "source": arrow.array([row.source for row in facts], arrow.string()),
            "source_id": arrow.array([row.source_id for row in facts], arrow.string()),
            "sequence": arrow.array([row.sequence for row in facts], arrow.int64()),
        }
    )


def _code_table(arrow: Any, codes: list[str]) -> Any:
    names = {_OWN.get(kind.name, kind.name): kind.name.lower().replace("_", " ") for kind in Kind}
    return arrow.table(
        {
            "code": arrow.array(codes, arrow.string()),
            "description": arrow.array([names.get(code.split("//")[0]) for code in codes], arrow.string()),
            "parent_codes": arrow.array([[] for _ in codes], arrow.list_(arrow.string())),
        }
    )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
