"""What all mappers share while one message is read, and what they make of it."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from iit.domain.record import Event
from iit.domain.vocabulary import Kind
from iit.ingest.hl7.codes import Codes
from iit.ingest.hl7.contents import Item
from iit.ingest.hl7.header import Header
from iit.ingest.hl7.moments import Moments
from iit.ingest.hl7.parse import Message
from iit.ingest.nmrs.reading import CLOCK_TOLERANCE

SOURCE: Final = "hl7"
NO_VALUE: Final = float("nan")
TIE_BITS: Final = 29
_OLDEST: Final = timedelta(days=130 * 365)


class Identifier(NamedTuple):
    """One identifier of a person and what it is unique in. Never stored as it is."""

    value: str
    scope: str

    def __repr__(self) -> str:
        return "Identifier()"


class Fact(NamedTuple):
    """A fact that a message tells or takes back.

    Attributes:
        event: the fact; its `sequence` grows with the time of the message, so that of two that tell of the same thing
            the later stands, in whatever order they come.
        text: what stands beside the number, as the town of `CITY`.
        is_retracted: the message says that it is not so.
        is_standing: it tells the present state of the person, true since it was first told.
    """

    event: Event
    text: str | None = None
    is_retracted: bool = False
    is_standing: bool = False

    def __repr__(self) -> str:
        return "Fact()"


class Mapped(NamedTuple):
    """What a message says.

    Attributes:
        facility: code of the facility that a new patient belongs to.
        identifiers: of the person, the surest first.
        merged: identifiers of another record of the same person, that this one takes over.
        facts: what it tells; nothing where it is of no use, such as results of other tests: nobody becomes a patient by
            it.
        caveats: reasons of what was left out, good for counting.
    """

    facility: str
    identifiers: tuple[Identifier, ...]
    merged: tuple[Identifier, ...]
    facts: tuple[Fact, ...]
    caveats: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Mapped({len(self.facts)} facts)"


class Place(NamedTuple):
    """Where something is told: by which source, when it was made known, and its place in time."""

    source: str
    at: datetime
    sequence: int

    def __repr__(self) -> str:
        return "Place()"


def about_person(
    kind: Kind, value: float, place: Place, *, occurred: datetime | None = None, text: str | None = None
) -> Fact:
    """Return a statement about the person, true since it happened or, untold, was made known."""
    when = occurred or place.at
    event = Event(kind, when, max(place.at, when), value, place.source, f"person:{kind.name}", place.sequence)
    return Fact(event, text, is_standing=True)


def sequence_at(at: datetime, content: bytes) -> int:
    """Return the place in time of what was told: the later the greater, and unique to its content."""
    tie = int.from_bytes(hashlib.sha256(content).digest()[:4], "big") >> (32 - TIE_BITS)
    return (int(at.timestamp()) << TIE_BITS) | tie


@dataclass(slots=True, repr=False)
class Reading:
    """The state of reading one message.

    Attributes:
        message: what is read.
        header: its header.
        facility: code of the sender's facility.
        at: the time of the message, not later than a day after it was received.
        latest: the last credible moment of a fact.
        sequence: the message's place in time, unique to its content.
        moments: times of the facility's zone.
        codes: what codes mean.
    """

    message: Message
    header: Header
    facility: str
    at: datetime
    latest: datetime
    sequence: int
    moments: Moments
    codes: Codes
    facts: list[Fact] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)

    def day(self, *written: str) -> datetime | None:
        """Return the first of these times that is told; None, with a caveat, if it lies in the future."""
        for one in written:
            moment = self.moments.exact(one) if one else None
            if moment is not None:
                if moment <= self.latest:
                    return moment
                self.caveats.append("a time lies in the future")
                return None
        return None

    def add(
        self,
        kind: Kind,
        occurred: datetime,
        source_id: str,
        *,
        value: float = NO_VALUE,
        known: datetime | None = None,
        is_retracted: bool = False,
    ) -> None:
        """Take a fact, known when the message was made, or later where told, never before it happened."""
        event = Event(kind, occurred, max(known or self.at, occurred), value, SOURCE, source_id, self.sequence)
        self.facts.append(Fact(event, is_retracted=is_retracted))

    def add_standing(
        self, kind: Kind, value: float, *, occurred: datetime | None = None, text: str | None = None
    ) -> None:
        """Take a statement about the person."""
        place = Place(SOURCE, self.at, self.sequence)
        self.facts.append(about_person(kind, value, place, occurred=occurred, text=text))

    def named(self, what: str, *parts: str) -> str:
        """Return the id of a thing that the sender numbers by `parts`: the same thing, the same id."""
        told = "\0".join((self.facility, *parts))
        return f"{what}:{hashlib.blake2b(told.encode(), digest_size=16).hexdigest()}"


def start_reading(
    item: Item, message: Message, facility: str, *, received: datetime, moments: Moments, codes: Codes
) -> Reading:
    """Return the reading of a message received at a time."""
    latest = received + CLOCK_TOLERANCE
    told = moments.exact(message.header.text(7))
    at = told if told is not None and received - _OLDEST < told <= latest else received
    return Reading(message, item.header, facility, at, latest, sequence_at(at, item.raw), moments, codes)
