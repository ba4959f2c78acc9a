"""Bytes to text: the character set of a message, as MSH-18 or a byte-order mark tells it."""

import codecs
import re
from typing import Final, NamedTuple

from iit.domain.errors import InvalidInput

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SETS: Final = {  # HL7 table 0211
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (*range(1, 10), 15)},
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UNICODE UTF-16": "utf-8",  # a header that shows this in single bytes is not UTF-16 any more
    "UTF-16": "utf-8",
}
_WIDE: Final = (("M".encode("utf-16-le"), "utf-16-le"), ("M".encode("utf-16-be"), "utf-16-be"))
_HEADER: Final = re.compile(rb"MSH(.)[^\r\n]*", re.DOTALL)
_HEADER_BYTES: Final = 8192
MAX_BYTES: Final = 4_194_304
_PLACE: Final = "MSH-18"


class Decoded(NamedTuple):
    """A text and how it was encoded."""

    text: str
    codec: str

    def __repr__(self) -> str:
        return "Decoded()"


def decode(raw: bytes) -> Decoded:
    """Return the text of a message, a byte-order mark taken off.

    A message that names no set, or ASCII, is UTF-8 if its bytes are, otherwise ISO 8859-1: senders forget MSH-18.

    Raises:
        InvalidInput: the named set is not supported, the bytes are not of it, or there are too many.
    """
    if len(raw) > MAX_BYTES:
        raise InvalidInput("it is too large", place="message")
    for mark, codec in _MARKS:
        if raw.startswith(mark):
            return _strict(raw[len(mark) :], codec)
    for letter, codec in _WIDE:
        if raw.lstrip(b"\x0b").startswith(letter):
            return _strict(raw, codec)
    codec = codec_named(_declared(raw))
    return _lenient(raw) if codec == "ascii" else _strict(raw, codec)


def codec_named(name: str) -> str:
    """Return Python's name of a character set of HL7 table 0211; no name is ASCII.

    Raises:
        InvalidInput: it is not supported.
    """
    codec = _SETS.get(name.strip().upper() or "ASCII")
    if codec is None:
        raise InvalidInput("the character set is not supported", place=_PLACE)
    return codec


def _declared(raw: bytes) -> str:
    """Return the first character set that MSH-18 names."""
    header = _HEADER.search(raw, 0, _HEADER_BYTES)
    if header is None:
        return ""
    fields = header[0].split(header[1], 18)
    return re.split(r"[^A-Za-z0-9 /-]", fields[17].decode("latin-1"))[0] if len(fields) > 17 else ""


def _strict(raw: bytes, codec: str) -> Decoded:
    try:
        return Decoded(raw.decode(codec), codec)
    except UnicodeDecodeError as cause:
        raise InvalidInput("the bytes are not of the character set that is named", place=_PLACE) from cause


def _lenient(raw: bytes) -> Decoded:
    try:
        return Decoded(raw.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        return Decoded(raw.decode("latin-1"), "iso8859-1")
