"""From a message to what each of its reports says. Pure: the same bytes always say the same.

NDR tells when things happened, not when they were entered: all is known since the message was made.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from iit.domain.errors import InvalidInput
from iit.ingest.hl7.reading import Mapped, sequence_at
from iit.ingest.ndr.condition import take_condition
from iit.ingest.ndr.parse import Part, reports
from iit.ingest.ndr.person import identifiers_of, take_person
from iit.ingest.ndr.reading import SOURCE, Report
from iit.ingest.nmrs.moments import Moments
from iit.ingest.nmrs.reading import CLOCK_TOLERANCE
from iit.ingest.sources import SourceDocument
from iit.ingest.statement import Saying, Statement

__all__ = ["SOURCE", "SUFFIXES", "read_ndr"]

SUFFIXES: Final = frozenset({".xml"})
_LONGEST_FACILITY: Final = 64


def read_ndr(document: SourceDocument, *, moments: Moments, received: datetime) -> Iterator[Statement]:
    """Yield what each report of a message says, and an error in the place of each that cannot be taken.

    A message that is `REDACTED` withdraws all that NDR messages ever said of its person.

    Args:
        document: the message.
        moments: times of the facility's zone.
        received: the present time; no message is from the future.
    """
    try:
        if document.error is not None:
            raise document.error
        for number, (header, report) in enumerate(reports(document.data), 1):
            yield _statement(document, number, header, report, _Frame(moments, received))
    except InvalidInput as problem:
        yield Statement(document.place, problem, document=document.data)


class _Frame(NamedTuple):
    """What is true of all reports."""

    moments: Moments
    received: datetime

    def __repr__(self) -> str:
        return "_Frame()"


def _statement(document: SourceDocument, number: int, header: Part, report: Part, frame: _Frame) -> Statement:
    try:
        at = _made_at(header, frame)
        said, is_void = _said(header, report, at, frame, b"%d\0" % number + document.data)
    except InvalidInput as problem:
        return Statement(document.place, problem, document=document.data)
    return Statement(document.place, said, at, is_void=is_void)


def _said(header: Part, report: Part, at: datetime, frame: _Frame, content: bytes) -> tuple[Mapped, bool]:
    """Return what a report says, and whether it withdraws all that was said."""
    person = report.first("PatientDemographics")
    if person is None:
        raise InvalidInput("is missing", place="PatientDemographics")
    facility = _facility(header, person)
    saying = Saying(SOURCE, facility, at, sequence_at(at, content))
    identifiers = identifiers_of(person, report, facility)
    if header.text("MessageStatusCode").upper() == "REDACTED":
        saying.add_death(None)  # a message must say something to be of somebody
        return saying.mapped(identifiers), True
    told = Report(saying, frame.moments)
    take_person(person, told)
    for condition in report.all("Condition"):
        take_condition(condition, told)
    return saying.mapped(identifiers), False


def _made_at(header: Part, frame: _Frame) -> datetime:
    place = "MessageHeader.MessageCreationDateTime"
    at = frame.moments[header.text("MessageCreationDateTime")]
    if not isinstance(at, datetime):
        raise InvalidInput("is missing" if at is None else at.value, place=place)
    if at > frame.received + CLOCK_TOLERANCE:
        raise InvalidInput("lies in the future", place=place)
    return at


def _facility(header: Part, person: Part) -> str:
    told = person.text("TreatmentFacility", "FacilityID") or header.text("MessageSendingOrganization", "FacilityID")
    if not told:
        raise InvalidInput("is missing", place="PatientDemographics.TreatmentFacility.FacilityID")
    return told[:_LONGEST_FACILITY]
