"""The header of a message: who sends what, and whether it can be taken at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a site takes in.

    Attributes:
        ignored: types that are acknowledged and left alone, `ADT^A02` or `VXU^*`; others are refused.
        processing_ids: accepted values of MSH-11: P production, T training, D debugging.
        senders: accepted pairs of MSH-3 and MSH-4 as `application/facility`, `*` standing for any; empty takes all.
        facilities: facility code by MSH-4; one that is not listed is taken as it is.
    """

    ignored: frozenset[str] = frozenset()
    processing_ids: frozenset[str] = frozenset({"P", "T", "D"})
    senders: frozenset[str] = frozenset()
    facilities: Mapping[str, str] = field(default_factory=dict)

    def ignores(self, header: Header) -> bool:
        """Return whether a message is acknowledged and left alone."""
        return header.kind in self.ignored or f"{header.message_type}^*" in self.ignored

    def check(self, header: Header) -> None:
        """Refuse what cannot be taken.

        Raises:
            InvalidInput: the message has no control id that an answer could name.
            NotAllowed: its sender, type, processing id or version is not accepted.
        """
        if not header.control_id.strip() or len(header.control_id) > _MAX_CONTROL_ID:
            raise InvalidInput("the control id is missing or too long", place="MSH-10")
        if max(len(header.sending_application), len(header.sending_facility)) > _MAX_NAME:
            raise InvalidInput("a name is too long", place="MSH-3")
        if not self._knows(header):
            raise NotAllowed("the sender is not on the list", place="MSH-3")
        if header.kind not in MAPPED and not self.ignores(header):
            raise NotAllowed("this type of message is not taken", place="MSH-9")
        if header.processing_id not in self.processing_ids:
            raise NotAllowed("this processing id is not taken", place="MSH-11")
        if not _VERSION.fullmatch(header.version):
            raise NotAllowed("this version is not taken", place="MSH-12")

    def _knows(self, header: Header) -> bool:
        if not self.senders:
            return True
        application = header.sending_application.partition(header.separators.component)[0]
        facility = header.sending_facility.partition(header.separators.component)[0]
        pairs = {f"{application}/{facility}", f"{application}/*", f"*/{facility}"}
        return bool(pairs & self.senders)


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
