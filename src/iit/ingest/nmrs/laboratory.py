"""Laboratory results: true of the day the sample was taken, known when they were reported."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from iit.domain.record import Event
from iit.domain.vocabulary import Kind
from iit.ingest.nmrs.answers import day_in, number_in, within_bounds
from iit.ingest.nmrs.concepts import Part
from iit.ingest.nmrs.contacts import Contact, Found
from iit.ingest.nmrs.observations import event_of
from iit.ingest.nmrs.reading import Reading
from iit.ingest.nmrs.scalars import Scalar, is_blank, normal, number

_LIMIT: Final = re.compile(
    r"\s*([<>])=?\s*([\d,]{1,15}(?:\.\d+)?)\s*(?:c(?:p|op(?:y|ies))?s?\s*/\s*ml)?\s*", re.ASCII | re.I
)
_UNDETECTED: Final = frozenset({
    "tnd", "tnotdetected", "targetnotdetected", "notdetected", "undetectable", "undetected", "ldl",
    "lowerthandetectablelimit", "belowdetectionlimit",
})  # fmt: skip


def laboratory_events(contact: Contact, reading: Reading) -> Iterator[Event]:
    """Yield the viral loads and CD4 counts of a form.

    A result counts on the day of specimen collection (159951) of its form if that is not after the form's day. It is
    known when its row was made or on the day of report (165414), whichever is later.
    """
    results = [*contact.of(Part.RESULT), *contact.of(Part.MISFILED_RESULT)]
    if not results:
        return
    taken = [day_in(found, reading) for found in contact.of(Part.SPECIMEN_DAY)]
    reported = [day_in(found, reading) for found in contact.of(Part.REPORTED_DAY)]
    last_report = max((day for day in reported if day is not None), default=None)
    for found in results:
        value = _result(found, reading)
        if value is None:
            continue
        form_day = contact.occurred or found.occurred
        occurred = max((day for day in taken if day is not None and day <= form_day), default=found.occurred)
        event = event_of(found, value, occurred, _known(found, contact, occurred, last_report, reading), reading)
        if event is not None:
            yield event


def viral_load_told(shown: Scalar) -> float | None:
    """Return the copies/mL that a written result tells, or None: a rejected sample is no suppressed one.

    `<20` is 19, the most that it can be; `>10000000` is 10,000,000, the least; `target not detected` is 0.
    """
    if is_blank(shown):
        return None
    if normal(str(shown)) in _UNDETECTED:
        return 0.0
    limit = _LIMIT.fullmatch(str(shown))
    if limit is None:
        return None
    copies = number(limit[2].replace(",", ""))
    if copies is None or limit[1] == ">":
        return copies
    return max(copies - 1, 0.0)


def _known(found: Found, contact: Contact, occurred: datetime, reported: datetime | None, reading: Reading) -> datetime:
    known = reading.known(max(occurred, found.occurred), found.created or contact.created)
    return known if reported is None else max(known, reported)


def _result(found: Found, reading: Reading) -> float | None:
    row = found.row
    is_misfiled = found.concept.part is Part.MISFILED_RESULT
    value = (number(row.value_numeric) or number(row.variable_value)) if is_misfiled else number_in(row)
    if is_misfiled:
        if value is None:
            return None  # a sore throat
        reading.doubt(found.place("conceptId"), "a viral load is filed under another question")
    elif value is None and found.concept.kind is Kind.VIRAL_LOAD:
        value = viral_load_told(row.variable_value if is_blank(row.value_text) else row.value_text)
    if value is None:
        if not is_blank(row.variable_value) or not is_blank(row.value_text):
            reading.doubt(found.place("valueNumeric"), "a result cannot be read")
        return None
    return within_bounds(value, found, reading)
