"""What all mappers share while one resource is read, and what they make of it."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Final, NamedTuple
from uuid import UUID

from iit.domain.errors import ServiceError
from iit.domain.record import Event
from iit.domain.vocabulary import Kind
from iit.ingest.fhir.bundle import Entry
from iit.ingest.fhir.codes import Codes
from iit.ingest.fhir.moments import moment_of
from iit.ingest.hl7.reading import NO_VALUE, Fact, Identifier, Place, about_person, sequence_at
from iit.ingest.nmrs.reading import CLOCK_TOLERANCE

SOURCE: Final = "fhir"
_OLDEST: Final = timedelta(days=130 * 365)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_WITHDRAWN: Final = frozenset({"entered-in-error", "cancelled"})


class Told(NamedTuple):
    """What one entry says.

    Attributes:
        entry: as it came.
        id: the resource's id here, a UUID: the sender's where it is one, else made from what the sender names it by.
        person: identifiers of whom it is about, the surest first; none of a resource that says nothing of a person.
        merged: identifiers of another record of the same person, that this one takes over.
        facility: code of the facility that a new patient belongs to, where one is told.
        facts: what it tells.
        notes: what was left out and why.
        error: why it cannot be taken.
        beside: other entries that it refers to.
    """

    entry: Entry
    id: str
    person: tuple[Identifier, ...]
    merged: tuple[Identifier, ...]
    facility: str | None
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]
    error: ServiceError | None
    beside: tuple[Entry, ...] = ()

    def __repr__(self) -> str:
        return f"Told({len(self.facts)} facts)"


@dataclass(slots=True, repr=False)
class Reading:
    """The state of reading one resource.

    Attributes:
        entry: what is read.
        id: the resource's id here.
        zone: the facility's time zone.
        codes: what codes mean.
        at: when the source last changed the resource, not later than a day after it was received.
        latest: the last credible moment of a fact.
        sequence: the resource's place in time, unique to its content.
    """

    entry: Entry
    id: str
    zone: tzinfo
    codes: Codes
    at: datetime
    latest: datetime
    sequence: int
    facts: list[Fact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_withdrawn(self) -> bool:
        """Whether the source says that the resource is not so."""
        return self.entry.resource is not None and self.entry.resource.status in _WITHDRAWN

    def moment(self, *written: str | None) -> datetime | None:
        """Return the first of these times that is told; None, with a note, if it lies in the future."""
        for one in written:
            found = moment_of(one, self.zone)
            if found is not None:
                if found <= self.latest:
                    return found
                self.notes.append("a time lies in the future")
                return None
        return None

    def add(
        self,
        kind: Kind,
        occurred: datetime,
        *,
        part: str = "",
        value: float = NO_VALUE,
        known: datetime | None = None,
        sequence: int | None = None,
    ) -> None:
        """Take a fact, known when the source last changed the resource, or as told, never before it happened."""
        when = max(known or self.at, occurred)
        event = Event(kind, occurred, when, value, SOURCE, self._named(part), sequence or self.sequence)
        self.facts.append(Fact(event))

    def retract(self, kind: Kind, *parts: str) -> None:
        """Take back what parts of the resource may have told before."""
        for part in parts:
            event = Event(kind, self.at, self.at, NO_VALUE, SOURCE, self._named(part), self.sequence)
            self.facts.append(Fact(event, is_retracted=True))

    def add_person(
        self, kind: Kind, value: float, *, occurred: datetime | None = None, text: str | None = None
    ) -> None:
        """Take a statement about the person."""
        place = Place(SOURCE, self.at, self.sequence)
        self.facts.append(about_person(kind, value, place, occurred=occurred, text=text))

    def add_death(self, occurred: datetime | None) -> None:
        """Take the day of death, or None: the person is alive."""
        when = occurred or self.at
        event = Event(Kind.DEATH, when, max(self.at, when), NO_VALUE, SOURCE, "person:DEATH", self.sequence)
        self.facts.append(Fact(event, is_retracted=occurred is None))

    def _named(self, part: str) -> str:
        return f"{self.entry.kind}/{self.id}" + (f"#{part}" if part else "")


def start_reading(
    entry: Entry, resource_id: str, *, zone: tzinfo, codes: Codes, timestamp: str | None, received: datetime
) -> Reading:
    """Return the reading of a resource received at a time, in a bundle of a time."""
    latest = received + CLOCK_TOLERANCE
    meta = None if entry.resource is None else entry.resource.meta
    at = received
    for written in (None if meta is None else meta.last_updated, timestamp):
        told = moment_of(written, zone)
        if told is not None and received - _OLDEST < told <= latest:
            at = told
            break
    return Reading(entry, resource_id, zone, codes, at, latest, sequence_at(at, entry.raw))


def own_id(*parts: str) -> str:
    """Return the id that a resource gets here, made from what the sender names it by: the same thing, the same id."""
    return str(UUID(bytes=hashlib.blake2b("\0".join(parts).encode(), digest_size=16).digest(), version=5))


def is_uuid(text: str | None) -> bool:
    """Return whether an id is a UUID, and so unique everywhere."""
    return text is not None and _UUID.fullmatch(text) is not None
