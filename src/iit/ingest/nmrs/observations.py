"""Answers that are facts by themselves; the others go to their encounter, to be read together."""

from datetime import datetime
from typing import Final

from iit.domain.record import Event, day_number
from iit.ingest.nmrs.answers import credible_number, day_in, known_answer
from iit.ingest.nmrs.concepts import Value, concept_of
from iit.ingest.nmrs.contacts import Contact, Contacts, Found
from iit.ingest.nmrs.document import Obs
from iit.ingest.nmrs.moments import Fault
from iit.ingest.nmrs.reading import SOURCE, Reading
from iit.ingest.nmrs.scalars import row_number
from iit.ingest.nmrs.standing import Rows

_MADE: Final = "dateCreated"


def read_answers(answers: Rows[Obs], contacts: Contacts, reading: Reading) -> list[Event]:
    """Return the facts that single answers tell, and hand all other known answers to their encounters.

    Raises:
        InvalidInput: the day of an answer would have to be guessed.
    """
    events = []
    for index, row in answers:
        concept = concept_of(row)
        if concept is None:
            continue
        contact = contacts.of(row)
        if not contact.usable or (concept.form is not None and concept.form is not contact.form):
            continue
        occurred = _occurred(row, index, contact, reading)
        if occurred is None:
            continue
        found = Found(row, index, concept, occurred, _created(row, index, reading))
        if not (contact.is_dated and contact.is_stamped):
            contact.learn(occurred, found.created)
        if concept.part is not None:
            contact.parts.setdefault(concept.part, []).append(found)
            continue
        event = fact(found, contact, reading)
        if event is not None:
            events.append(event)
    return events


def fact(found: Found, contact: Contact, reading: Reading) -> Event | None:
    """Return the fact that an answer tells by itself, or None where it tells none that can be used."""
    concept = found.concept
    occurred = found.occurred
    known = reading.known(occurred, found.created or contact.created)
    if concept.value is Value.NUMBER:
        value: float | None = credible_number(found, reading)
    elif concept.value is Value.ANSWER:
        value = known_answer(found, reading)
    else:
        day = day_in(found, reading, may_lie_ahead=concept.value is Value.ANY_DAY)
        if day is not None and concept.value is Value.PAST_DAY:
            known = max(known, day)  # forms are amended: nobody knew of a day before it came
        value = None if day is None else day_number(day)
    return None if value is None else event_of(found, value, occurred, known, reading)


def event_of(found: Found, value: float, occurred: datetime, known: datetime, reading: Reading) -> Event | None:
    """Return an answer's fact with the given value and times; None, with a caveat, where the row has no id."""
    kind = found.concept.kind
    source_id = found.source_id(reading)
    if kind is None or source_id is None:
        return None
    return Event(kind, occurred, known, float(value), SOURCE, source_id, row_number(found.row.obs_id) or 0)


def _occurred(row: Obs, index: int, contact: Contact, reading: Reading) -> datetime | None:
    moment = reading.moments[row.obs_datetime]
    if isinstance(moment, datetime) and moment <= reading.latest:
        return moment
    place = f"messageData.obs[{index}].obsDatetime"
    if moment is not None:
        return reading.required_form(row.obs_datetime, place)
    if contact.occurred is None:
        reading.doubt(place, "an answer has no day")
    return contact.occurred


def _created(row: Obs, index: int, reading: Reading) -> datetime | None:
    moment = reading.moments[row.date_created]
    if isinstance(moment, Fault):
        reading.doubt(f"messageData.obs[{index}].{_MADE}", moment.value)
        return None
    return moment
