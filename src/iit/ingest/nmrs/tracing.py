"""Tracking forms: attempts to reach a patient, and the end of care."""

from collections.abc import Iterator
from datetime import datetime

from iit.domain.record import Event
from iit.domain.vocabulary import Kind
from iit.ingest.nmrs.answers import day_in, known_answer
from iit.ingest.nmrs.concepts import Part
from iit.ingest.nmrs.contacts import Contact, Found
from iit.ingest.nmrs.observations import event_of
from iit.ingest.nmrs.reading import NO_VALUE, SOURCE, Reading
from iit.ingest.nmrs.scalars import is_blank, row_number


def tracing_events(contact: Contact, reading: Reading) -> Iterator[Event]:
    """Yield a form's attempts and terminations.

    One attempt for each contact-attempt group (165902) and each date of attempt (165463) outside of one; where there is
    neither, one for the form if it gives a reason for tracking (165460).
    """
    yield from _attempts(contact, reading)
    yield from _terminations(contact, reading)


def _attempts(contact: Contact, reading: Reading) -> Iterator[Event]:
    groups = contact.of(Part.ATTEMPT_GROUP)
    numbers = {row_number(group.row.obs_id) for group in groups} - {None}
    days = contact.of(Part.ATTEMPT_DAY)
    n_attempts = 0
    for found in groups:
        number = row_number(found.row.obs_id)
        told = [day_in(day, reading) for day in days if number and row_number(day.row.obs_group_id) == number]
        yield from _attempt(found, contact, told, reading)
        n_attempts += 1
    for found in days:
        if row_number(found.row.obs_group_id) not in numbers:
            yield from _attempt(found, contact, [day_in(found, reading)], reading)
            n_attempts += 1
    if not n_attempts:
        for found in contact.of(Part.TRACKING_REASON)[:1]:
            if row_number(found.row.value_coded) or not is_blank(found.row.variable_value):
                yield from _attempt(found, contact, [], reading)


def _attempt(found: Found, contact: Contact, told: list[datetime | None], reading: Reading) -> Iterator[Event]:
    occurred = max((day for day in told if day is not None), default=contact.occurred or found.occurred)
    source_id = found.source_id(reading)
    if source_id is not None:
        known = reading.known(max(occurred, found.occurred), found.created or contact.created)
        yield Event(Kind.TRACKED, occurred, known, NO_VALUE, SOURCE, source_id, row_number(found.row.obs_id) or 0)


def _terminations(contact: Contact, reading: Reading) -> Iterator[Event]:
    for found in contact.of(Part.TERMINATION):
        reason = known_answer(found, reading)
        if reason is None:
            continue
        days = [day_in(day, reading) for day in contact.of(Part.TERMINATION_DAY)]
        form_day = contact.occurred or found.occurred
        occurred = max((day for day in days if day is not None), default=form_day)
        known = reading.known(max(occurred, form_day), found.created or contact.created)
        event = event_of(found, reason, occurred, known, reading)
        if event is not None:
            yield event
