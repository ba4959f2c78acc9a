"""From the bytes of one NMRS document to the record of its patient."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from itertools import chain
from typing import NamedTuple

from iit.domain.errors import InvalidInput
from iit.domain.record import Event, Patient, Record, make_record
from iit.domain.status import VOIDED, status_of
from iit.domain.vocabulary import NIGERIAN_STATES, Kind
from iit.ingest.nmrs.belonging import (
    facility_code,
    is_voided,
    note_disagreement,
    only_person,
    patient_id,
    refuse_strangers,
)
from iit.ingest.nmrs.clinic import clinic_events
from iit.ingest.nmrs.contacts import Contact, Contacts
from iit.ingest.nmrs.document import Data, Demographics, Document, Header, convert, decode, rows
from iit.ingest.nmrs.laboratory import laboratory_events
from iit.ingest.nmrs.moments import moments_in
from iit.ingest.nmrs.observations import read_answers
from iit.ingest.nmrs.person import (
    Person,
    death_events,
    enrolment_events,
    person_events,
    read_person,
    takes_treatment,
)
from iit.ingest.nmrs.pharmacy import pharmacy_events
from iit.ingest.nmrs.reading import Caveat, Reading, start_reading
from iit.ingest.nmrs.scalars import identity, text
from iit.ingest.nmrs.standing import Standing, standing_rows
from iit.ingest.nmrs.tracing import tracing_events


class Imported(NamedTuple):
    """What one document told.

    Attributes:
        record: the patient and the facts; none, and status `voided`, where the source has voided the patient.
        warnings: what was left out or read with doubt.
        n_rows: rows of visits, encounters, answers and programmes in the document.
        n_voided: how many of them were voided or hung on a voided row.
        facility_name: name of the facility, if told.
        document_id: id of the message, if told.
        exported_at: when the document was made, if told.
    """

    record: Record
    warnings: tuple[Caveat, ...]
    n_rows: int
    n_voided: int
    facility_name: str | None
    document_id: str | None
    exported_at: datetime | None

    def __repr__(self) -> str:
        return f"Imported({self.record!r}, {len(self.warnings)} warnings)"


def read_nmrs(data: bytes | memoryview, *, zone: tzinfo, received: datetime | None = None) -> Imported:
    """Return what one NMRS document tells.

    Args:
        data: the document as UTF-8 JSON, an object with `messageData` and, usually, `messageHeader`.
        zone: the facility's time zone, in which times without an offset are meant and all times are returned.
        received: the present time, a day after which nothing can lie; None where the document's own clock is trusted.

    Raises:
        InvalidInput: the document cannot be read, does not say whose it is and from where, mixes patients, is from the
            future, or writes dates in a form that would have to be guessed. Names the place, never a value.
    """
    return read_document(decode(data), zone=zone, received=received)


def read_nmrs_value(value: object, *, zone: tzinfo) -> Imported:
    """Return what one NMRS document tells that is already decoded from JSON; otherwise as `read_nmrs`."""
    return read_document(convert(value), zone=zone)


def read_document(document: Document, *, zone: tzinfo, received: datetime | None = None) -> Imported:
    """Return what one document tells that has its shape already; otherwise as `read_nmrs`."""
    data = document.message_data
    header = document.message_header if isinstance(document.message_header, Header) else Header()
    if not isinstance(data, Data):
        raise InvalidInput("the block is missing", place="messageData")
    block = only_person(data)
    patient_uuid = patient_id(block)
    refuse_strangers(data, patient_uuid)
    facility, exported = facility_code(block, header), header.message_creation_date_time
    reading = start_reading(moments_in(zone), facility, exported, received)
    note_disagreement(block, header, reading)
    person = read_person(block, reading)
    standing = standing_rows(data, reading)
    events: list[Event] = []
    voided = is_voided(block)
    if not voided:
        reading.is_on_art = takes_treatment(rows(data.patient_identifiers))
        if not reading.is_on_art:
            reading.doubt("messageData.patientIdentifiers", "a patient has no ART number: pick-ups are not counted")
        events = _events(block, person, standing, reading)
    name = text(header.facility_name)
    patient = _patient(patient_uuid, person, name, events, reading)
    record = make_record(patient, events)
    status = VOIDED if voided else status_of(record.events)
    return Imported(
        record._replace(patient=patient._replace(status=status)), tuple(reading.caveats), standing.n_rows,
        standing.n_voided, name, identity(header.message_unique_id), reading.exported_at,
    )  # fmt: skip


def _events(block: Demographics, person: Person, standing: Standing, reading: Reading) -> list[Event]:
    contacts = Contacts(reading)
    for index, encounter in standing.encounters:
        contacts.add(index, encounter)
    events = read_answers(standing.answers, contacts, reading)
    for contact in contacts.all():
        events.extend(_form_events(contact, reading))
    events.extend(enrolment_events(standing.programs, reading))
    death = list(death_events(block, events, reading))
    events.extend(list(person_events(person, block, events, reading)))
    return _unique(events + death, reading)


def _form_events(contact: Contact, reading: Reading) -> Iterator[Event]:
    visit = contact.visit(reading)
    if visit is not None:
        yield visit
    if contact.parts:
        yield from chain(
            pharmacy_events(contact, reading),
            laboratory_events(contact, reading),
            tracing_events(contact, reading),
            clinic_events(contact, reading),
        )


def _unique(events: list[Event], reading: Reading) -> list[Event]:
    """Return the facts, each source id once: rows of different blocks should never share one, but may."""
    if len({event.source_id for event in events}) == len(events):
        return events
    kept: dict[str, Event] = {}
    for event in sorted(events, key=lambda one: (one.known_at, one.occurred_at, one.kind, repr(one.value))):
        other = kept.get(event.source_id)
        if other is not None and str(tuple(other)) != str(tuple(event)):
            reading.doubt("messageData", "facts of different rows have the same id")
        kept[event.source_id] = event
    return list(kept.values())


def _patient(
    patient_uuid: str, person: Person, facility_name: str | None, events: list[Event], reading: Reading
) -> Patient:
    phone = person.has_phone
    if any(event.kind is Kind.PHONE and event.value == 1 for event in events):
        phone = True
    return Patient(
        patient_uuid=patient_uuid,
        facility=reading.facility,
        facility_name=facility_name,
        birth_on=person.born.date() if person.born is not None else None,
        sex=person.sex,
        state_province=NIGERIAN_STATES[person.state - 1] if person.state is not None else None,
        city=person.city,
        phone_present=phone,
        status="",
        exported_at=reading.exported_at,
    )
