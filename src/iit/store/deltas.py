"""Messages that tell single facts, merged into records whole or in part known from elsewhere.

A fact is its source's own: a full history replaces the facts of its source only, a message those it names. Of two
messages about the same fact the one with the greater `sequence` stands, in whatever order they come; a statement about
the person is true since it was first told. A fact that was taken back keeps its row, so that a late message cannot
bring it back.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import delete, func, select, text, update

from iit.domain.audit import AuditEvent
from iit.domain.record import Event
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.many import arrays, inserting
from iit.store.records import RETRACTED, lock, lock_all, numeric_of, rebuild
from iit.store.schema import events, facilities, patient_identifiers, patients, records

_LOCKS: Final = 4_927_006  # class of the advisory locks of identifiers; any number that no one else takes


class DeltaFact(NamedTuple):
    """One fact of a message."""

    event: Event
    text: str | None
    is_retracted: bool

    def __repr__(self) -> str:
        return "DeltaFact()"


class Delta(NamedTuple):
    """What one message changes.

    Attributes:
        patient_uuid: whose facts they are.
        facility: of the patient, where it is a new one.
        identifiers: hashes that name the patient from now on.
        adopted: patients whose facts of this source this one takes over.
        facts: what is told.
        others: patients that the message names besides without saying that they are one; where there are any, whose
            the facts are is not sure and nothing may be merged.
    """

    patient_uuid: str
    facility: str
    identifiers: Sequence[bytes]
    adopted: Sequence[str]
    facts: Sequence[DeltaFact]
    others: Sequence[str] = ()

    @property
    def concerned(self) -> tuple[str, ...]:
        """All patients that the message names: who sends it must be allowed to tell of each."""
        return (self.patient_uuid, *self.adopted, *self.others)

    def __repr__(self) -> str:
        return f"Delta({len(self.facts)} facts)"


def lock_identifiers(tx: Transaction, hashes: Iterable[bytes]) -> None:
    """Keep others from deciding whose these identifiers are, until the end of the transaction."""
    lock_all(tx, _LOCKS, (int.from_bytes(one[:4], "big", signed=True) for one in hashes))


def patients_by_identifier(tx: Transaction, hashes: Sequence[bytes]) -> dict[bytes, str]:
    """Return the patients that identifiers name, as far as they are known."""
    rows = tx.execute(
        select(patient_identifiers.c.identifier_hash, patient_identifiers.c.patient_uuid).where(
            patient_identifiers.c.identifier_hash.in_(hashes)
        )
    )
    return {bytes(row.identifier_hash): row.patient_uuid for row in rows}


def sequences(tx: Transaction, patient_uuids: Sequence[str], source: str) -> dict[tuple[str, str], int]:
    """Return the sequence of each of these patients' facts of a source, by patient and source id, retracted or not."""
    if not patient_uuids:
        return {}
    query = select(events.c.patient_uuid, events.c.source_id, events.c.sequence)
    query = query.where(events.c.patient_uuid.in_(patient_uuids)).where(events.c.source == source)
    return {(row[0], row[1]): row[2] for row in tx.execute(query)}


class Standing(NamedTuple):
    """A fact as it is kept; `code` is that of a retraction where it was taken back."""

    sequence: int
    occurred_at: datetime
    known_at: datetime
    code: str
    numeric_value: float | None
    text_value: str | None

    def __repr__(self) -> str:
        return "Standing()"


def standing(tx: Transaction, patient_uuids: Sequence[str], source: str) -> dict[tuple[str, str], Standing]:
    """Return these patients' facts of a source by patient and source id, retracted or not."""
    if not patient_uuids:
        return {}
    own = [events.c[name] for name in Standing._fields]
    query = select(events.c.patient_uuid, events.c.source_id, *own)
    query = query.where(events.c.patient_uuid.in_(patient_uuids)).where(events.c.source == source)
    return {(row[0], row[1]): Standing(*row[2:]) for row in tx.execute(query)}


def of_other_sources(tx: Transaction, patient_uuids: Sequence[str], source: str) -> set[str]:
    """Return those of the patients of whom another source tells something too."""
    query = select(events.c.patient_uuid).distinct()
    query = query.where(events.c.patient_uuid.in_(patient_uuids)).where(events.c.source != source)
    return set(tx.execute(query).scalars()) if patient_uuids else set()


def as_standing(fact: DeltaFact) -> Standing:
    """Return a fact as it would be kept."""
    row = _row("", fact)
    return Standing(*(row[name] for name in Standing._fields))  # type: ignore[arg-type]


def known_patients(tx: Transaction, patient_uuids: Sequence[str]) -> set[str]:
    """Return those of the ids that are patients."""
    if not patient_uuids:
        return set()
    return set(tx.execute(select(patients.c.patient_uuid).where(patients.c.patient_uuid.in_(patient_uuids))).scalars())


def facilities_of(tx: Transaction, patient_uuids: Sequence[str]) -> dict[str, str]:
    """Return the facility of each of the ids that are patients."""
    query = select(patients.c.patient_uuid, patients.c.facility).where(patients.c.patient_uuid.in_(patient_uuids))
    return {row.patient_uuid: row.facility for row in tx.execute(query)}


def merge(tx: Transaction, deltas: Sequence[Delta], *, source: str, audit: AuditEvent) -> None:
    """Merge messages into records, in order, and write the packed records anew. Idempotent."""
    if not deltas:
        return
    touched = {delta.patient_uuid for delta in deltas} | {uuid for delta in deltas for uuid in delta.adopted}
    lock(tx, touched)
    _make_patients(tx, deltas)
    for together in _until_adoptions(deltas):
        _upsert(tx, together)
        for uuid in together[-1].adopted:
            _adopt(tx, uuid, together[-1].patient_uuid, source)
        _name(tx, together)
    remaining = known_patients(tx, sorted(touched))
    rebuild(tx, sorted(remaining))
    audit_trail.write(tx, audit)


def _until_adoptions(deltas: Sequence[Delta]) -> Iterator[list[Delta]]:
    """Yield the deltas in runs, each ending with one that takes another patient over, or with the last."""
    run: list[Delta] = []
    for delta in deltas:
        run.append(delta)
        if delta.adopted:
            yield run
            run = []
    if run:
        yield run


_FACILITY: Final = ("facility",)
_PATIENT: Final = ("patient_uuid", "facility", "status")
_RECORD: Final = ("patient_uuid", "facility", "facts", "content_hash")
_NEW_FACILITIES: Final = inserting(facilities, _FACILITY).on_conflict_do_nothing()
_NEW_PATIENTS: Final = inserting(patients, _PATIENT).on_conflict_do_nothing()
_NEW_RECORDS: Final = inserting(records, _RECORD).on_conflict_do_nothing()


def _make_patients(tx: Transaction, deltas: Sequence[Delta]) -> None:
    new = {delta.patient_uuid: delta.facility for delta in deltas}
    known = known_patients(tx, sorted(new))
    missing = [(uuid, facility) for uuid, facility in sorted(new.items()) if uuid not in known]
    if not missing:
        return
    codes: list[dict[str, object]] = [{"facility": code} for code in sorted({facility for _, facility in missing})]
    rows: list[dict[str, object]] = [
        {"patient_uuid": uuid, "facility": facility, "status": "active", "facts": b"", "content_hash": b""}
        for uuid, facility in missing
    ]
    for statement, names, made in (
        (_NEW_FACILITIES, _FACILITY, codes), (_NEW_PATIENTS, _PATIENT, rows), (_NEW_RECORDS, _RECORD, rows),
    ):  # fmt: skip
        tx.execute(statement, arrays(names, made))


_IS_STANDING: Final = "events.source_id LIKE 'person:%' AND events.source_id <> 'person:DEATH'"
_RESOLVE: Final = f"""
ON CONFLICT (patient_uuid, source, source_id) DO UPDATE SET
  sequence = greatest(events.sequence, excluded.sequence),
  code = CASE WHEN excluded.sequence > events.sequence THEN excluded.code ELSE events.code END,
  numeric_value = CASE WHEN excluded.sequence > events.sequence THEN excluded.numeric_value
                       ELSE events.numeric_value END,
  text_value = CASE WHEN excluded.sequence > events.sequence THEN excluded.text_value ELSE events.text_value END,
  occurred_at = CASE WHEN {_IS_STANDING} AND events.source_id <> 'person:BIRTH'
                     THEN least(excluded.occurred_at, events.occurred_at)
                     WHEN excluded.sequence > events.sequence THEN excluded.occurred_at ELSE events.occurred_at END,
  known_at = CASE WHEN {_IS_STANDING} THEN least(excluded.known_at, events.known_at)
                  WHEN excluded.sequence > events.sequence THEN excluded.known_at ELSE events.known_at END
WHERE excluded.sequence > events.sequence OR ({_IS_STANDING} AND excluded.known_at < events.known_at)
"""
_COLUMNS: Final = "source, source_id, sequence, occurred_at, known_at, code, numeric_value, text_value"
_EVENT: Final = ("patient_uuid", *_COLUMNS.split(", "))
_TYPES: Final = ("text", "text", "text", "int8", "timestamptz", "timestamptz", "text", "float8", "text")
_NEW: Final = ", ".join(f"CAST(:new_{name} AS {kind}[])" for name, kind in zip(_EVENT, _TYPES, strict=True))
_UPSERT: Final = text(
    f"INSERT INTO events (patient_uuid, {_COLUMNS}) SELECT * FROM unnest({_NEW}) {_RESOLVE}"  # noqa: S608 - no value
)
_MOVE: Final = text(
    f"INSERT INTO events (patient_uuid, {_COLUMNS}) SELECT :to, {_COLUMNS} FROM events "  # noqa: S608 - no value in it
    f"WHERE patient_uuid = :of AND source = :source {_RESOLVE}"
)


def _upsert(tx: Transaction, deltas: Sequence[Delta]) -> None:
    rows = [_row(delta.patient_uuid, fact) for delta in deltas for fact in delta.facts]
    for together in _each_once(rows):
        tx.execute(_UPSERT, arrays(_EVENT, together))


def _each_once(rows: Sequence[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    """Yield the rows in runs, in order, none of which tells a fact twice: one statement cannot meet a row again."""
    run: dict[tuple[object, ...], dict[str, object]] = {}
    for row in rows:
        fact = (row["patient_uuid"], row["source"], row["source_id"])
        if fact in run:
            yield list(run.values())
            run = {}
        run[fact] = row
    if run:
        yield list(run.values())


def _row(patient_uuid: str, fact: DeltaFact) -> dict[str, object]:
    event = fact.event
    return {
        "patient_uuid": patient_uuid,
        "source": event.source,
        "source_id": event.source_id,
        "sequence": event.sequence,
        "occurred_at": event.occurred_at,
        "known_at": event.known_at,
        "code": RETRACTED if fact.is_retracted else event.code,
        "numeric_value": None if fact.is_retracted else numeric_of(event),
        "text_value": fact.text,
    }


def _adopt(tx: Transaction, of: str, to: str, source: str) -> None:
    """Move a patient's facts of a source and the identifiers; the patient goes if nothing of another source is left."""
    tx.execute(_MOVE, {"of": of, "to": to, "source": source})
    tx.execute(delete(events).where(events.c.patient_uuid == of).where(events.c.source == source))
    tx.execute(update(patient_identifiers).where(patient_identifiers.c.patient_uuid == of).values(patient_uuid=to))
    left = tx.execute(select(func.count()).select_from(events).where(events.c.patient_uuid == of)).scalar_one()
    if not left:
        tx.execute(delete(patients).where(patients.c.patient_uuid == of))


_IDENTIFIER: Final = ("identifier_hash", "patient_uuid")
_NAMING: Final = inserting(patient_identifiers, _IDENTIFIER)
_NAMES: Final = _NAMING.on_conflict_do_update(
    index_elements=["identifier_hash"],
    set_={"patient_uuid": _NAMING.excluded.patient_uuid},
    where=patient_identifiers.c.patient_uuid != _NAMING.excluded.patient_uuid,
)


def _name(tx: Transaction, deltas: Sequence[Delta]) -> None:
    named = {one: delta.patient_uuid for delta in deltas for one in delta.identifiers}
    if not named:
        return
    rows = [{"identifier_hash": one, "patient_uuid": uuid} for one, uuid in sorted(named.items())]
    tx.execute(_NAMES, arrays(_IDENTIFIER, rows))
