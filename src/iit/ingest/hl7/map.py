"""From a message to the facts of a record. Pure: the same message always says the same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

from iit.domain.errors import InvalidInput
from iit.ingest.hl7.appointments import take_appointment
from iit.ingest.hl7.codes import Codes, codes
from iit.ingest.hl7.contents import Item, read_contents
from iit.ingest.hl7.dispenses import take_dispenses
from iit.ingest.hl7.header import Rules
from iit.ingest.hl7.moments import moments_in
from iit.ingest.hl7.parse import Message
from iit.ingest.hl7.person import merged_of, person_of, take_visit
from iit.ingest.hl7.reading import Identifier, Mapped, Reading, start_reading
from iit.ingest.hl7.results import take_results

_LONGEST_FACILITY: Final = 64
_VISITS: Final = frozenset({"A01", "A03", "A04"})
_MERGE: Final = "A40"


@dataclass(frozen=True)
class Mapper:
    """Maps messages by the rules of a site.

    Attributes:
        rules: what is taken in.
        zone: time zone of times without an offset.
        codes: what codes mean.
    """

    rules: Rules
    zone: tzinfo
    codes: Codes

    def map(self, item: Item, *, received: datetime) -> Mapped | None:
        """Return what a message says; None of one that is taken and left alone.

        Raises:
            InvalidInput: the message is at fault.
        """
        header, message = item.header, item.message
        if message is None:
            raise item.error or InvalidInput("the message cannot be read", place="message")
        if self.rules.ignores(header):
            return None
        facility = self._facility(message)
        reading = start_reading(
            item, message, facility, received=received, moments=moments_in(self.zone), codes=self.codes
        )
        identifiers = person_of(reading)
        merged, n_of_use = _TAKE[header.message_type](reading)
        is_of_use = header.message_type in ("ADT", "SIU") or n_of_use > 0
        facts = {fact.event.source_id: fact for fact in reading.facts if is_of_use}  # of two the last stands
        return Mapped(facility, identifiers, merged, tuple(facts.values()), tuple(reading.caveats))

    def _facility(self, message: Message) -> str:
        """Return the sender's facility: MSH-4, else its application, by the site's table or as it is."""
        for field in (4, 3):
            told = " ".join(message.header.text(field).split())[:_LONGEST_FACILITY]
            if told:
                return self.rules.facilities.get(told, told)
        raise InvalidInput("the facility is missing", place="MSH-4")

    def map_raw(self, raw: bytes, *, received: datetime) -> Mapped | None:
        """Return what a stored message says, as `map` does.

        Raises:
            InvalidInput: the message is at fault.
            NotAllowed: the rules do not take it any more.
        """
        return self.map(read_contents(raw, self.rules).items[0], received=received)


def mapper(rules: Rules, zone: tzinfo, own_codes: Path | None = None) -> Mapper:
    """Return a mapper with the built-in codes and, in front of them, a site's own.

    Raises:
        InvalidInput: the site's table cannot be read.
    """
    return Mapper(rules, zone, codes(own_codes))


_Taken = tuple[tuple[Identifier, ...], int]


def _take_adt(reading: Reading) -> _Taken:
    if reading.header.trigger in _VISITS:
        take_visit(reading)
    return (merged_of(reading) if reading.header.trigger == _MERGE else ()), 0


def _take_oru(reading: Reading) -> _Taken:
    return (), take_results(reading)


def _take_dispense(reading: Reading) -> _Taken:
    return (), take_dispenses(reading)


def _take_siu(reading: Reading) -> _Taken:
    take_appointment(reading)
    return (), 0


_TAKE: Final[dict[str, Callable[[Reading], _Taken]]] = {
    "ADT": _take_adt,
    "ORU": _take_oru,
    "RDS": _take_dispense,
    "RDE": _take_dispense,
    "SIU": _take_siu,
}
