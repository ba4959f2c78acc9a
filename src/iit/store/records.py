"""Keeping records: the person, the events and their packed form, always together."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from psycopg import sql
from sqlalchemy import Row, delete, func, select, text

from iit.domain.access import Scope
from iit.domain.audit import AuditEvent
from iit.domain.record import Event, Patient, record_order
from iit.domain.status import status_of
from iit.domain.vocabulary import CODED, NIGERIAN_STATES, Kind, answer_of, kind_of
from iit.features.columns import pack_events
from iit.store import audit as audit_trail
from iit.store.chain import driver_of
from iit.store.database import Transaction
from iit.store.many import arrays, inserting, setting
from iit.store.schema import events, facilities, patients, records
from iit.store.scopes import belongs_in

RETRACTED: Final = "RETRACTED"
"""Code of a fact that its source took back."""

STANDS: Final = events.c.code != RETRACTED
_LOCKS: Final = 4_927_007  # class of the advisory locks of patients; any number that no one else takes


class StoredState(NamedTuple):
    """What is needed to tell whether a newly read record says anything new."""

    content_hash: bytes
    exported_at: datetime | None

    def __repr__(self) -> str:
        return "StoredState()"


class RecordWrite(NamedTuple):
    """All that one source tells of a patient, ready to be kept, with its packed facts and the hash of its content."""

    source: str
    patient: Patient
    events: Sequence[Event]
    facts: bytes
    content_hash: bytes

    def __repr__(self) -> str:
        return "RecordWrite()"


class StoredFacts(NamedTuple):
    """One patient's packed facts."""

    patient_uuid: str
    facility: str
    facts: bytes

    def __repr__(self) -> str:
        return "StoredFacts()"


_FACTS: Final = ("patient_uuid", "facts")
_STANDING: Final = ("patient_uuid", "status")
_PERSON: Final = ("patient_uuid", "birthdate", "sex", "state_province", "city", "phone_present")
_NEW_FACTS: Final = setting(records, _FACTS)
_NEW_STANDINGS: Final = setting(patients, _STANDING).values(updated_at=func.now())
_NEW_PERSONS: Final = setting(patients, _PERSON).where(
    ~select(records.c.patient_uuid)
    .where(records.c.patient_uuid == patients.c.patient_uuid)
    .where(func.length(records.c.content_hash) > 0)
    .exists()
)


def states(tx: Transaction, patient_uuids: Sequence[str]) -> dict[str, StoredState]:
    """Return the stored state of those of the patients that are known, and lock them all against other writers."""
    lock(tx, patient_uuids)
    rows = tx.execute(
        select(records.c.patient_uuid, records.c.content_hash, records.c.exported_at)
        .where(records.c.patient_uuid.in_(patient_uuids))
        .order_by(records.c.patient_uuid)
        .with_for_update()
    )
    return {row.patient_uuid: StoredState(row.content_hash, row.exported_at) for row in rows}


def lock(tx: Transaction, patient_uuids: Iterable[str]) -> None:
    """Keep other writers from these patients, known or not, until the end of the transaction."""
    lock_all(
        tx, _LOCKS, (int.from_bytes(sha256(uuid.encode()).digest()[:4], "big", signed=True) for uuid in patient_uuids)
    )


def lock_all(tx: Transaction, of: int, numbers: Iterable[int]) -> None:
    """Take the advisory locks of a class and these numbers, in one order everywhere, for this transaction."""
    ordered = sorted(set(numbers))
    if ordered:
        tx.execute(
            text("SELECT pg_advisory_xact_lock(:of, number) FROM unnest(cast(:numbers AS int[])) AS number"),
            {"of": of, "numbers": ordered},
        ).all()


def save(tx: Transaction, writes: Sequence[RecordWrite], *, audit: AuditEvent) -> None:
    """Replace what a source told of these patients; what others told stays. Idempotent."""
    if not writes:
        return
    ordered = sorted(writes, key=lambda write: write.patient.patient_uuid)
    _save_facilities(tx, [write.patient for write in ordered])
    _save_patients(tx, [write.patient for write in ordered])
    uuids = [write.patient.patient_uuid for write in ordered]
    sources = {write.source for write in ordered}
    tx.execute(delete(events).where(events.c.patient_uuid.in_(uuids)).where(events.c.source.in_(sources)))
    others = tx.execute(
        select(events.c.patient_uuid).distinct().where(events.c.patient_uuid.in_(uuids))
    ).scalars().all()  # fmt: skip
    _copy_events(tx, ordered)
    _save_facts(tx, ordered)
    rebuild(tx, others)
    audit_trail.write(tx, audit)


def rebuild(tx: Transaction, patient_uuids: Sequence[str]) -> None:
    """Write the packed records and the states of these patients anew, from all their events.

    The person is told by the source of full histories; without one, by the events.
    """
    if not patient_uuids:
        return
    rows = tx.execute(select(events).where(events.c.patient_uuid.in_(patient_uuids)).where(STANDS)).all()
    by_patient: dict[str, list[Any]] = {uuid: [] for uuid in patient_uuids}
    for row in rows:
        by_patient[row.patient_uuid].append(row)
    packed, persons = [], []
    for uuid, own in by_patient.items():
        found = sorted(map(event_of, own), key=record_order)
        packed.append({"patient_uuid": uuid, "facts": pack_events(found)})
        persons.append({"patient_uuid": uuid, "status": status_of(found), **_person(own)})
    tx.execute(_NEW_FACTS, arrays(_FACTS, packed))
    tx.execute(_NEW_STANDINGS, arrays(_STANDING, persons))
    tx.execute(_NEW_PERSONS, arrays(_PERSON, persons))


def _person(rows: Sequence[Any]) -> dict[str, object]:
    in_time = sorted(rows, key=lambda row: (row.sequence, row.source))  # of two sources the later stands
    told = {kind_of(row.code): row for row in in_time if row.source_id.startswith("person:")}
    birth, sex, state = told.get(Kind.BIRTH), told.get(Kind.SEX), told.get(Kind.STATE)
    city, phone = told.get(Kind.CITY), told.get(Kind.PHONE)
    return {
        "birthdate": None if birth is None else birth.occurred_at.date(),
        "sex": None if sex is None else "MF"[int(sex.numeric_value) - 1],
        "state_province": None if state is None else NIGERIAN_STATES[int(state.numeric_value) - 1],
        "city": None if city is None else city.text_value,
        "phone_present": None if phone is None else bool(phone.numeric_value),
    }


def touch_exports(tx: Transaction, exported: Sequence[tuple[str, datetime]]) -> None:
    """Note that newer exports said the same, so that data are known to reach further. Takes (facility, time) pairs."""
    for facility in sorted({facility for facility, _ in exported}):
        until = max(when for code, when in exported if code == facility).date()
        tx.execute(
            facilities.update()
            .where(facilities.c.facility == facility)
            .where(facilities.c.data_until.is_(None) | (facilities.c.data_until < until))
            .values(data_until=until)
        )


def remove(tx: Transaction, patient_uuids: Sequence[str], *, audit: AuditEvent) -> int:
    """Delete patients with all their facts, as when the source voids them; return how many existed."""
    gone = tx.execute(delete(patients).where(patients.c.patient_uuid.in_(patient_uuids))).rowcount
    if gone:
        audit_trail.write(tx, audit)
    return gone


def facts_of(tx: Transaction, patient_uuid: str, scope: Scope) -> StoredFacts | None:
    """Return the packed facts of a patient in scope."""
    query = select(records.c.patient_uuid, records.c.facility, records.c.facts)
    query = query.where(records.c.patient_uuid == patient_uuid).where(belongs_in(scope, records.c.patient_uuid))
    row = tx.execute(query).one_or_none()
    return None if row is None else StoredFacts(*row)


def all_facts(tx: Transaction, *, facility: str | None = None, chunk: int = 10_000) -> Iterator[list[StoredFacts]]:
    """Yield all patients' packed facts in the order of their ids, in chunks: memory stays flat."""
    query = select(records.c.patient_uuid, records.c.facility, records.c.facts).order_by(records.c.patient_uuid)
    if facility is not None:
        query = query.where(records.c.facility == facility)
    result = tx.execute(query.execution_options(yield_per=chunk))
    for rows in result.partitions(chunk):
        yield [StoredFacts(*row) for row in rows]


def count(tx: Transaction) -> int:
    """Return the number of records."""
    return tx.execute(select(func.count()).select_from(records)).scalar_one()


def events_of(tx: Transaction, patient_uuid: str) -> list[Event]:
    """Return a patient's events as they are stored, by time."""
    query = select(events).where(events.c.patient_uuid == patient_uuid).where(STANDS)
    return [event_of(row) for row in tx.execute(query.order_by(events.c.occurred_at, events.c.sequence))]


def event_of(row: "Row[Any]") -> Event:
    """Return the event of a row of `events`."""
    return Event(
        kind_of(row.code),
        row.occurred_at,
        row.known_at,
        _value(row.code, row.numeric_value),
        row.source,
        row.source_id,
        row.sequence,
    )


def _value(code: str, numeric: float | None) -> float:
    answer = answer_of(code)
    if answer is not None:
        return float(answer)
    return float("nan") if numeric is None else numeric


_FACILITY: Final = ("facility", "name", "data_until")
_PATIENT: Final = ("patient_uuid", "facility", "birthdate", "sex", "state_province", "city", "phone_present", "status")
_RECORD: Final = ("patient_uuid", "facility", "facts", "content_hash", "exported_at")


def _save_facilities(tx: Transaction, people: Sequence[Patient]) -> None:
    latest: dict[str, tuple[str | None, date | None]] = {}
    for person in people:
        name, until = latest.get(person.facility, (None, None))
        exported = person.exported_at.date() if person.exported_at else None
        dates = [day for day in (until, exported) if day is not None]
        latest[person.facility] = (person.facility_name or name, max(dates) if dates else None)
    rows = [{"facility": code, "name": name, "data_until": until} for code, (name, until) in sorted(latest.items())]
    statement = inserting(facilities, _FACILITY)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["facility"],
            set_={
                "name": func.coalesce(statement.excluded.name, facilities.c.name),
                "data_until": func.greatest(statement.excluded.data_until, facilities.c.data_until),
            },
        ),
        arrays(_FACILITY, rows),
    )


def _save_patients(tx: Transaction, people: Sequence[Patient]) -> None:
    statement = inserting(patients, _PATIENT)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["patient_uuid"],
            set_={**{name: statement.excluded[name] for name in _PATIENT[1:]}, "updated_at": func.now()},
        ),
        arrays(
            _PATIENT,
            [
                {
                    "patient_uuid": person.patient_uuid,
                    "facility": person.facility,
                    "birthdate": person.birth_on,
                    "sex": person.sex,
                    "state_province": person.state_province,
                    "city": person.city,
                    "phone_present": person.phone_present,
                    "status": person.status,
                }
                for person in people
            ],
        ),
    )


def _save_facts(tx: Transaction, writes: Sequence[RecordWrite]) -> None:
    statement = inserting(records, _RECORD)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["patient_uuid"], set_={name: statement.excluded[name] for name in _RECORD[1:]}
        ),
        arrays(
            _RECORD,
            [
                {
                    "patient_uuid": write.patient.patient_uuid,
                    "facility": write.patient.facility,
                    "facts": write.facts,
                    "content_hash": write.content_hash,
                    "exported_at": write.patient.exported_at,
                }
                for write in writes
            ],
        ),
    )


_COPY = sql.SQL(
    "COPY events (patient_uuid, source, source_id, sequence, occurred_at, known_at, code, numeric_value) "
    "FROM STDIN (FORMAT BINARY)"
)
_COPY_TYPES = ("text", "text", "text", "int8", "timestamptz", "timestamptz", "text", "float8")


def numeric_of(event: Event) -> float | None:
    """Return the number that is stored of an event: none for a coded or an unknown value."""
    return None if event.kind in CODED or event.value != event.value else event.value


def _copy_events(tx: Transaction, writes: Sequence[RecordWrite]) -> None:
    with driver_of(tx).cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_COPY_TYPES)
        for write in writes:
            uuid = write.patient.patient_uuid
            for event in write.events:
                copy.write_row(
                    (
                        uuid,
                        event.source,
                        event.source_id,
                        event.sequence,
                        event.occurred_at,
                        event.known_at,
                        event.code,
                        numeric_of(event),
                    )
                )


def facility_codes(tx: Transaction) -> list[str]:
    """Return the codes of facilities that have records."""
    return list(tx.execute(select(records.c.facility).distinct().order_by(records.c.facility)).scalars())


def any_at_risk(tx: Transaction) -> str | None:
    """Return the patient with the highest latest risk, as an example to ask about."""
    return tx.execute(
        select(patients.c.patient_uuid)
        .where(patients.c.risk_score.is_not(None))
        .order_by(patients.c.risk_score.desc(), patients.c.patient_uuid)
        .limit(1)
    ).scalar_one_or_none()
