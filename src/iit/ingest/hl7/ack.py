"""Acknowledgements: AA taken for good, AE the message is at fault, AR not accepted or the receiver is at fault.

MSA-2 is always the sender's MSH-10 as it was written; separators and character set are the sender's. Control characters
are never echoed: they could end the frame that the answer travels in. An answer depends on nothing but the message and
the time it was first received, so a message that comes again gets the very same one.
"""

import hashlib
import re
from datetime import datetime
from enum import StrEnum
from typing import Final

from iit.domain.errors import Conflict, InvalidInput, NotFound, ServiceError
from iit.ingest.hl7.characters import decode
from iit.ingest.hl7.header import Header
from iit.ingest.hl7.parse import Message, Separators, split_messages

_DETAILED_SINCE: Final = (2, 5)  # ERR took its present form in version 2.5; before, MSA-3 tells the reason
_STRUCTURED_SINCE: Final = (2, 4)  # MSH-9.3
_DEFAULT_VERSION: Final = "2.5.1"
_BY_PLACE: Final = {"MSH-9": "200", "MSH-11": "202", "MSH-12": "203"}  # HL7 table 0357
_MISSING: Final = "101"
_WRONG: Final = "102"
_INTERNAL: Final = "207"
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_PLACE: Final = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+))?")


class Code(StrEnum):
    """The first field of MSA."""

    AA = "AA"
    AE = "AE"
    AR = "AR"


def code_for(error: Exception | None) -> Code:
    """Return the code of an outcome: AE tells the sender to correct the message, AR to send it again later."""
    if error is None:
        return Code.AA
    return Code.AE if isinstance(error, InvalidInput | NotFound | Conflict) else Code.AR


def acknowledge(header: Header, *, at: datetime, error: Exception | None = None) -> bytes:
    """Return the acknowledgement of a message.

    Args:
        header: of the message.
        at: when the message was first received.
        error: why it was not taken; None if it was.
    """
    separators = header.separators
    code = code_for(error)
    version = _version(header.version)
    kind = ["ACK", header.trigger] if header.trigger else ["ACK"]
    if len(kind) == 2 and version >= _STRUCTURED_SINCE:
        kind.append("ACK")
    own_id = "A" + hashlib.sha256(f"{header.sender}\0{header.control_id}\0{code}".encode()).hexdigest()[:19]
    msh = [
        "", header.receiving_application, header.receiving_facility, header.sending_application,
        header.sending_facility, at.strftime("%Y%m%d%H%M%S%z"), "", separators.component.join(kind), own_id,
        header.processing_id or "P", header.version or _DEFAULT_VERSION, "", "", "", "", "", header.character_set,
    ]  # fmt: skip
    segments = [_head("MSH", separators) + separators.field.join(msh).rstrip(separators.field)]
    segments += _outcome(header, code, error, is_detailed=version >= _DETAILED_SINCE)
    return _encoded([_plain(one, separators) for one in segments], header.codec)


def outcome_of(acknowledgement: bytes) -> tuple[str, str, str]:
    """Return code, control id and reason of an acknowledgement.

    Raises:
        InvalidInput: it is none.
    """
    message = Message(split_messages(decode(acknowledgement).text)[0])
    msa, err = message.first("MSA"), message.first("ERR")
    if msa is None:
        raise InvalidInput("the answer is no acknowledgement", place="MSA")
    return msa.text(1), msa.raw(2), (err.text(8) if err is not None else "") or msa.text(3)


def batch_of(acknowledgements: list[bytes], header: Header) -> bytes:
    """Return the acknowledgements of a batch's messages in the envelope of a batch."""
    separators = header.separators
    count = f"BTS{separators.field}{len(acknowledgements)}"
    return b"".join(
        (_encoded([_head("BHS", separators)], header.codec), *acknowledgements, _encoded([count], header.codec))
    )


def _head(name: str, separators: Separators) -> str:
    return name + "".join(separators)


def _outcome(header: Header, code: Code, error: Exception | None, *, is_detailed: bool) -> list[str]:
    separators = header.separators
    msa = ["MSA", code, header.control_id]
    if error is None:
        return [separators.field.join(msa)]
    place, number, reason = _told(error)
    if not is_detailed:
        return [separators.field.join([*msa, _escaped(f"{place}: {reason}" if place else reason, separators)])]
    code_and_table = separators.component.join((number, _NAMES[number], "HL70357"))
    location = separators.component.join(_location(place))
    return [
        separators.field.join(msa),
        separators.field.join(["ERR", "", location, code_and_table, "E", "", "", "", _escaped(reason, separators)]),
    ]


_NAMES: Final = {
    "200": "Unsupported message type",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    _MISSING: "Required field missing",
    _WRONG: "Data type error",
    _INTERNAL: "Application error",
}


def _told(error: Exception) -> tuple[str, str, str]:
    """Return place, number of table 0357 and reason of an error; of a bug nothing but that it is one."""
    if not isinstance(error, ServiceError):
        return "", _INTERNAL, "the receiver failed"
    place = error.place or ""
    if code_for(error) is Code.AR:
        return place, _BY_PLACE.get(place, _INTERNAL), error.reason
    return place, _MISSING if "missing" in error.reason else _WRONG, error.reason


def _location(place: str) -> list[str]:
    found = _PLACE.match(place)
    if found is None:
        return []
    segment, sequence, number = found.groups()
    return [segment, sequence or "1", *([number] if number else [])]


def _escaped(text: str, separators: Separators) -> str:
    signs = [one for one in separators if one]
    return "".join(" " if letter in signs else letter for letter in text)


def _plain(segment: str, separators: Separators) -> str:
    return _CONTROLS.sub(lambda found: found[0] if found[0] in separators else "", segment)


def _version(written: str) -> tuple[int, ...]:
    found = re.fullmatch(r"(\d)(?:\.(\d))?.*", written)
    return (int(found[1]), int(found[2] or 0)) if found else (2, 5)


def _encoded(segments: list[str], codec: str) -> bytes:
    return "".join(f"{segment}\r" for segment in segments).encode(codec, "replace")
