"""The header of a message: who sends what, and whether it can be taken at all."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final, NamedTuple

from iit.domain.errors import InvalidInput, NotAllowed
from iit.ingest.hl7.parse import DEFAULT_SEPARATORS, Message, Segment, Separators

MAPPED: Final = frozenset({
    "ADT^A01", "ADT^A03", "ADT^A04", "ADT^A08", "ADT^A31", "ADT^A40", "ORU^R01", "RDS^O13", "RDE^O11",
    "SIU^S12", "SIU^S13", "SIU^S14", "SIU^S15", "SIU^S26",
})  # fmt: skip
"""Types of message that say something about a record."""

_VERSION: Final = re.compile(r"2(\.\d(\.\d)?)?")
_MAX_CONTROL_ID: Final = 199  # MSH-10 since version 2.7
_MAX_NAME: Final = 227  # the longest HD


class Header(NamedTuple):
    """What an acknowledgement needs of a message, as it was written (separators and escapes included)."""

    separators: Separators = DEFAULT_SEPARATORS
    codec: str = "utf-8"
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    message_type: str = ""
    trigger: str = ""
    control_id: str = ""
    processing_id: str = ""
    version: str = ""
    character_set: str = ""

    @property
    def kind(self) -> str:
        """Message type and trigger, for example `ADT^A01`, however the separators are."""
        return f"{self.message_type}^{self.trigger}"

    @property
    def sender(self) -> str:
        """Application and facility that sent the message."""
        return f"{self.sending_application}/{self.sending_facility}"

    def __repr__(self) -> str:
        return "Header()"


class Sender(NamedTuple):
    """Who may send: application (MSH-3), facility (MSH-4) and network address, None standing for any."""

    application: str | None
    facility: str | None
    network: IPv4Network | IPv6Network | None

    @classmethod
    def parse(cls, written: str) -> "Sender":
        """Return the sender written `application/facility@network`; `*` stands for any, the network may be missing.

        Raises:
            InvalidInput: it is written in another way.
        """
        names, _, network = written.strip().partition("@")
        application, slash, facility = names.partition("/")
        if not slash or not application or not facility:
            raise InvalidInput("write senders as application/facility or application/facility@network")
        try:
            where = ip_network(network) if network else None
        except ValueError as cause:
            raise InvalidInput("a sender's network is no address or network") from cause
        return cls(None if application == "*" else application, None if facility == "*" else facility, where)

    def allows(self, application: str, facility: str, address: str | None) -> bool:
        """Return whether a message may come from there; an address of None was checked elsewhere."""
        if self.application not in (None, application) or self.facility not in (None, facility):
            return False
        return self.network is None or address is None or ip_address(address) in self.network


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a site takes in.

    Attributes:
        ignored: types that are acknowledged and left alone, `ADT^A02` or `VXU^*`; others are refused.
        processing_ids: accepted values of MSH-11: P production, T training, D debugging.
        senders: who may send; none listed takes all.
        facilities: facility code by MSH-4; one that is not listed is taken as it is.
    """

    ignored: frozenset[str] = frozenset()
    processing_ids: frozenset[str] = frozenset({"P"})
    senders: tuple[Sender, ...] = ()
    facilities: Mapping[str, str] = field(default_factory=dict)

    def ignores(self, header: Header) -> bool:
        """Return whether a message is acknowledged and left alone."""
        return header.kind in self.ignored or f"{header.message_type}^*" in self.ignored

    def check(self, header: Header, address: str | None) -> None:
        """Refuse what cannot be taken.

        Raises:
            InvalidInput: the message has no control id that an answer could name.
            NotAllowed: its sender, type, processing id or version is not accepted.
        """
        if not header.control_id.strip() or len(header.control_id) > _MAX_CONTROL_ID:
            raise InvalidInput("the control id is missing or too long", place="MSH-10")
        if max(len(header.sending_application), len(header.sending_facility)) > _MAX_NAME:
            raise InvalidInput("a name is too long", place="MSH-3")
        if not self._knows(header, address):
            raise NotAllowed("the sender is not on the list", place="MSH-3")
        if header.kind not in MAPPED and not self.ignores(header):
            raise NotAllowed("this type of message is not taken", place="MSH-9")
        if header.processing_id not in self.processing_ids:
            raise NotAllowed("this processing id is not taken", place="MSH-11")
        if not _VERSION.fullmatch(header.version):
            raise NotAllowed("this version is not taken", place="MSH-12")

    def _knows(self, header: Header, address: str | None) -> bool:
        if not self.senders:
            return True
        sign = header.separators.component
        application, facility = (name.split(sign)[0] for name in (header.sending_application, header.sending_facility))
        return any(sender.allows(application, facility, address) for sender in self.senders)


def facility_table(path: Path) -> dict[str, str]:
    """Return facility codes by MSH-4 from a table of two columns, `msh4` and `facility`.

    Raises:
        InvalidInput: the table cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {row["msh4"].strip(): row["facility"].strip() for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, KeyError, AttributeError) as cause:
        raise InvalidInput("the table must have the columns msh4 and facility", place=str(path)) from cause


def header_of(message: Message, codec: str) -> Header:
    """Return a message's header."""
    return _header(message.header, message.separators, codec)


def salvaged_header(raw: bytes) -> Header:
    """Return what can be read of the header of a message that cannot be read, so that its sender gets an answer."""
    found = re.search(r"MSH([^\w\s])([^\w\s]{1,5})\1[^\r\n]{0,2000}", raw[:8192].replace(b"\0", b"").decode("latin-1"))
    if found is None:
        return Header()
    escape_doubled = found[2][2:4] == found[2][2:3] * 2 and len(found[2]) == 5
    signs = found[2][:3] + found[2][4] if escape_doubled else found[2][:4].ljust(4)
    separators = Separators(found[1], *(one.strip() for one in signs))
    try:
        return _header(Segment(found[0], separators), separators, "iso8859-1")
    except InvalidInput:
        return Header()


def _header(segment: Segment, separators: Separators, codec: str) -> Header:
    message_type, trigger = segment.text(9).strip(), segment.text(9, 2).strip()
    return Header(
        separators,
        codec,
        segment.raw(3),
        segment.raw(4),
        segment.raw(5),
        segment.raw(6),
        message_type,
        trigger,
        segment.raw(10),
        segment.text(11).strip(),
        segment.text(12).strip(),
        segment.raw(18),
    )
