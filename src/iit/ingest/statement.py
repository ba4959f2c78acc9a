"""What one line of a list or one report of a register says of a person, and how it is handed on."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, time, tzinfo
from typing import Final, NamedTuple

from iit.domain.errors import InvalidInput
from iit.domain.record import Event, day_date, day_number
from iit.domain.vocabulary import Kind
from iit.ingest.hl7.reading import NO_VALUE, Fact, Identifier, Mapped, Place, about_person

HOSPITAL_NUMBER: Final = "MR"  # HL7 table 0203, so that a message and a list of one facility name the same person
_NOBODY: Final = frozenset({"", "0", "na", "nil", "none", "null", "nan", "unknown", "notavailable"})
_LONGEST: Final = 200


class Statement(NamedTuple):
    """One statement, or why it cannot be taken.

    Attributes:
        place: where it stands, for example `list.csv:12`.
        said: what it says.
        at: when it was made known.
        is_void: the source withdraws all that it ever said of this person.
        document: as it came; empty where it is not to be kept.
    """

    place: str
    said: Mapped | InvalidInput
    at: datetime | None = None
    is_void: bool = False
    document: bytes = b""

    def __repr__(self) -> str:
        return "Statement()"


@dataclass(slots=True, repr=False)
class Saying:
    """The state of reading one statement.

    Attributes:
        source: name of the source, as it stands beside each fact.
        facility: code of the facility that a new patient belongs to.
        at: when the statement was made known; no fact is known earlier.
        sequence: the statement's place in time, unique to its content.
    """

    source: str
    facility: str
    at: datetime
    sequence: int
    facts: dict[str, Fact] = field(default_factory=dict)
    caveats: list[str] = field(default_factory=list)

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
        """Take a fact; of two with one id the last stands."""
        when = max(known or self.at, occurred)
        event = Event(kind, occurred, when, value, self.source, source_id, self.sequence)
        self.facts[source_id] = Fact(event, is_retracted=is_retracted)

    def add_day(self, kind: Kind, on: datetime) -> None:
        """Take a day of the person's history that is told once, such as the start of treatment."""
        self.add(kind, on, f"once:{kind.name}", value=float(day_number(on)))

    def add_person(
        self, kind: Kind, value: float, *, occurred: datetime | None = None, text: str | None = None
    ) -> None:
        """Take a statement about the person."""
        fact = about_person(kind, value, Place(self.source, self.at, self.sequence), occurred=occurred, text=text)
        self.facts[fact.event.source_id] = fact

    def add_death(self, occurred: datetime | None) -> None:
        """Take the day of death, or None: the person is alive."""
        self.add(Kind.DEATH, occurred or self.at, "person:DEATH", is_retracted=occurred is None)

    def named(self, what: str, *parts: str) -> str:
        """Return the id of a thing that the source numbers by `parts`: the same thing, the same id."""
        told = "\0".join(parts)
        return f"{what}:{hashlib.blake2b(told.encode(), digest_size=16).hexdigest()}"

    def mapped(self, identifiers: tuple[Identifier, ...]) -> Mapped:
        """Return all that was said."""
        return Mapped(self.facility, identifiers, (), tuple(self.facts.values()), tuple(self.caveats))


def identifier(value: str, *scope: str) -> Identifier | None:
    """Return an identifier, unique in its scope; None where the value stands for nobody, as `N/A` does."""
    plain = value.strip()
    letters = "".join(one for one in plain.lower() if one.isalnum())
    if letters.lstrip("0") in _NOBODY or len(plain) > _LONGEST:
        return None
    return Identifier(plain, "\0".join(scope).upper())


def midnight(day: int, zone: tzinfo) -> datetime:
    """Return the first moment of a day (days since 1970-01-01) in a zone."""
    return datetime.combine(day_date(day), time(), zone)
