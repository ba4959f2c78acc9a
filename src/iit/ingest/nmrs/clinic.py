"""Answers of clinic forms that need a second look: pregnancy asked in two ways, counselling sessions, phones."""

from collections.abc import Iterator
from typing import Final

from iit.domain.record import Event
from iit.ingest.nmrs.answers import is_yes, number_in
from iit.ingest.nmrs.concepts import Part
from iit.ingest.nmrs.contacts import Contact, Found
from iit.ingest.nmrs.observations import event_of
from iit.ingest.nmrs.reading import NO_VALUE, Reading
from iit.ingest.nmrs.scalars import is_blank

NOT_PREGNANT: Final = 165047
PREGNANT: Final = 165048
BREASTFEEDING: Final = 165049


def clinic_events(contact: Contact, reading: Reading) -> Iterator[Event]:
    """Yield a form's answers on pregnancy by yes or no, its counselling sessions, and whether it gives a phone."""
    for found, value in (*_pregnancy(contact), *_sessions(contact), *_phones(contact)):
        known = reading.known(found.occurred, found.created or contact.created)
        event = event_of(found, value, found.occurred, known, reading)
        if event is not None:
            yield event


def _pregnancy(contact: Contact) -> Iterator[tuple[Found, float]]:
    """Yield one state for each yes, and `not pregnant` only where the form says no and not `breastfeeding` either."""
    nursing = [found for found in contact.of(Part.BREASTFEEDING) if is_yes(found.row)]
    for found in nursing:
        yield found, BREASTFEEDING
    for found in contact.of(Part.PREGNANT):
        answer = is_yes(found.row)
        if answer:
            yield found, PREGNANT
        elif answer is False and not nursing:
            yield found, NOT_PREGNANT


def _sessions(contact: Contact) -> Iterator[tuple[Found, float]]:
    for found in contact.of(Part.EAC):
        row = found.row
        session = number_in(row)
        if session is not None and found.concept.lowest <= session <= found.concept.highest:
            yield found, session
        elif session is None and (row.value_coded or not is_blank(row.variable_value)):
            yield found, NO_VALUE


def _phones(contact: Contact) -> Iterator[tuple[Found, float]]:
    for found in contact.of(Part.PHONE):
        if not (is_blank(found.row.value_text) and is_blank(found.row.variable_value)):
            yield found, 1.0
