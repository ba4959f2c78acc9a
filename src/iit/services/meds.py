"""Facts as a MEDS dataset: Parquet files that tools for machine learning on health records read."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from iit import __version__
from iit.domain.access import Principal
from iit.domain.errors import Conflict, InvalidInput
from iit.domain.vocabulary import Kind
from iit.extras import extra_module
from iit.services.audit import Audit
from iit.services.keyring import keyed_hash
from iit.store import meds as meds_store
from iit.store.database import Database
from iit.store.meds import MedsRow

SHARD: Final = 200_000  # facts a file, more only to keep a patient whole
_CHUNK: Final = 10_000
_POSITIVE: Final = 2**63 - 1
_OWN: Final = {"BIRTH": "MEDS_BIRTH", "DEATH": "MEDS_DEATH"}
_EXTRA: Final = ("known_at", "source", "source_id", "sequence")


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

    def subject_id(self, patient_uuid: str) -> int:
        """Return the MEDS subject of a patient: the same in every export here, 0 to 2^63 - 1."""
        return int.from_bytes(keyed_hash(self.secret, "meds-subject", patient_uuid)[:8], "big") & _POSITIVE

    def write(self, out: Path, *, who: Principal, facility: str | None = None) -> tuple[int, int]:
        """Write the facts of everyone, or of a facility's patients; return how many patients and facts.

        Each fact has its time and, beside what MEDS asks for, `known_at`: what is used on a day must have been known.
        The file `subjects.csv` beside the dataset tells which patient a subject is: it does not belong to a dataset
        that is given away.

        Raises:
            InvalidInput: the folder is not empty.
            Unavailable: the libraries are not installed, or the database is away.
        """
        arrow, parquet = extra_module("pyarrow", extra="train"), extra_module("pyarrow.parquet", extra="train")
        if out.exists() and any(out.iterdir()):
            raise InvalidInput("is not empty", place=str(out))
        (out / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
        (out / "metadata").mkdir(mode=0o700)
        subjects: dict[int, str] = {}
        codes: set[str] = set()
        n_facts = 0
        with self.database.transaction() as tx:
            found = meds_store.rows(tx, facility=facility, chunk=_CHUNK)
            for number, shard in enumerate(_shards(found)):
                n_facts += len(shard)
                ids = [self._subject(row.patient_uuid, subjects) for row in shard]
                codes.update(map(_code, shard))
                parquet.write_table(_table(arrow, ids, shard), out / "data" / f"{number}.parquet")
        parquet.write_table(_code_table(arrow, sorted(codes)), out / "metadata" / "codes.parquet")
        (out / "metadata" / "dataset.json").write_text(json.dumps(self._told(), indent=1) + "\n", "utf-8")
        _write_subjects(out / "subjects.csv", subjects)
        self.audit.note_export("meds", sorted(subjects.values()), who=who)
        return len(subjects), n_facts

    def _subject(self, patient_uuid: str, subjects: dict[int, str]) -> int:
        subject = self.subject_id(patient_uuid)
        if subjects.setdefault(subject, patient_uuid) != patient_uuid:
            raise Conflict("two patients would be one subject", place="subject_id")
        return subject

    def _told(self) -> dict[str, Any]:
        return {
            "dataset_name": "iit-ml-service",
            "etl_name": "iit export meds",
            "etl_version": __version__,
            "meds_version": extra_module("meds", extra="train").__version__,
            "created_at": self.clock().astimezone(UTC).isoformat(),
            "raw_source_id_columns": ["source_id"],
            "other_extension_columns": [name for name in _EXTRA if name != "source_id"],
        }


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


def _table(arrow: Any, ids: list[int], shard: list[MedsRow]) -> Any:
    moment = arrow.timestamp("us")  # MEDS has no time zones: all are UTC
    return arrow.table(
        {
            "subject_id": arrow.array(ids, arrow.int64()),
            "time": arrow.array([_utc(row.occurred_at) for row in shard], moment),
            "code": arrow.array([_code(row) for row in shard], arrow.string()),
            "numeric_value": arrow.array([row.numeric_value for row in shard], arrow.float32()),
            "text_value": arrow.array([row.text_value for row in shard], arrow.large_string()),
            "known_at": arrow.array([_utc(row.known_at) for row in shard], moment),
            "source": arrow.array([row.source for row in shard], arrow.string()),
            "source_id": arrow.array([row.source_id for row in shard], arrow.string()),
            "sequence": arrow.array([row.sequence for row in shard], arrow.int64()),
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


def _write_subjects(path: Path, subjects: dict[int, str]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("subject_id,patient_uuid\n")
        file.writelines(f"{subject},{uuid}\n" for subject, uuid in subjects.items())
