"""ER7 to segments and fields. Nothing is split before it is asked for.

Separators are those of MSH-1 and MSH-2. Lines may end with CR, LF or both; a line that does not begin like a segment
goes on with the one before, as where senders break long texts. Several messages, with or without the envelopes of a
batch (FHS, BHS, BTS, FTS), are read one by one.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from iit.domain.errors import InvalidInput

MAX_SEGMENTS: Final = 20_000
MAX_MESSAGES: Final = 10_000
MAX_PARTS: Final = 2_000  # fields of a segment, repetitions of a field, components of a repetition

_ENVELOPES: Final = frozenset({"FHS", "BHS", "BTS", "FTS"})
_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_EDGES: Final = "\x0b\x1c\r\n\t \ufeff"


class Separators(NamedTuple):
    """The characters that structure a message; "" where it has none."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""


DEFAULT_SEPARATORS: Final = Separators()


class Segment:
    """One segment. Fields count from 1 as in the standard, MSH-1 being the separator itself."""

    __slots__ = ("_fields", "_separators", "name")

    def __init__(self, line: str, separators: Separators) -> None:
        if line.count(separators.field) > MAX_PARTS:
            raise InvalidInput("a segment has too many fields", place=line[:3])
        fields = line.split(separators.field)
        self.name = line[:3]
        if self.name in ("MSH", "BHS", "FHS"):
            fields.insert(1, separators.field)
        self._fields = fields
        self._separators = separators

    def __repr__(self) -> str:
        return "Segment()"

    def raw(self, field: int) -> str:
        """Return a field as it was written, or ""."""
        return self._fields[field] if field < len(self._fields) else ""

    def repetitions(self, field: int) -> list[str]:
        """Return the repetitions of a field as they were written; none of an empty field."""
        written = self.raw(field)
        separator = self._separators.repetition
        return _split(written, separator) if written else []

    def text(self, field: int, component: int = 1, subcomponent: int = 1) -> str:
        """Return a part of a field's first repetition, without escapes; "" where there is none, and for HL7's null."""
        written = self.raw(field)
        if not written:
            return ""
        separator = self._separators.repetition
        if separator and separator in written:
            written = written[: written.index(separator)]
        return self.part(written, component, subcomponent)

    def part(self, repetition: str, component: int = 1, subcomponent: int = 1) -> str:
        """Return a part of a repetition, without escapes; "" where there is none, and for HL7's null (`""`)."""
        found = _nth(
            _nth(repetition, self._separators.component, component), self._separators.subcomponent, subcomponent
        )
        if not found or found == '""':
            return ""
        escape = self._separators.escape
        return unescape(found, self._separators) if escape and escape in found else found


class Message:
    """One message: its lines, split into fields when asked."""

    __slots__ = ("_lines", "header", "separators")

    def __init__(self, lines: list[str]) -> None:
        """Take the lines of a message, the first beginning with MSH.

        Raises:
            InvalidInput: the header's separators cannot be used, or a segment has too many fields.
        """
        self.separators = separators_of(lines[0])
        self._lines = _joined(lines, self.separators.field)
        self.header = Segment(self._lines[0], self.separators)

    def __repr__(self) -> str:
        return f"Message({len(self._lines)} segments)"

    def segments(self, *names: str) -> Iterator[Segment]:
        """Yield the segments of these names in order."""
        for line in self._lines:
            if line[:3] in names:
                yield Segment(line, self.separators)

    def first(self, name: str) -> Segment | None:
        """Return the first segment of a name."""
        return next(self.segments(name), None)


def split_messages(text: str) -> list[list[str]]:
    """Return the lines of each message of a text, without the envelopes of batches.

    Raises:
        InvalidInput: there is no message, more than is allowed, or something before the first header.
    """
    messages: list[list[str]] = []
    for line in _lines(text):
        name = line[:3]
        if name == "MSH" and len(line) > 4 and not line[3].isalnum():
            messages.append([line])
        elif messages:
            messages[-1].append(line)
        else:
            raise InvalidInput("a message must begin with MSH", place="MSH")
    if not messages:
        raise InvalidInput("there is no message", place="MSH")
    if len(messages) > MAX_MESSAGES:
        raise InvalidInput("there are too many messages", place="message")
    return messages


def _lines(text: str) -> Iterator[str]:
    """Yield the lines that are neither empty nor an envelope."""
    text = text.strip(_EDGES).replace("\r\n", "\r").replace("\n", "\r")
    if "\0" in text:
        raise InvalidInput("the text holds a zero character", place="message")
    if text.count("\r") > MAX_SEGMENTS:
        raise InvalidInput("there are too many segments", place="message")
    for line in text.split("\r"):
        bare = line.lstrip(_EDGES)
        if bare and bare[:3] not in _ENVELOPES:
            yield bare


def is_batch(text: str) -> bool:
    """Return whether a text begins with the envelope of a batch."""
    return text.lstrip(_EDGES)[:3] in _ENVELOPES


@lru_cache(maxsize=256)
def _separators(field: str, others: str) -> Separators:
    component, repetition, escape, subcomponent, truncation = tuple(others.ljust(5))
    if subcomponent == escape and truncation != " ":
        subcomponent, truncation = truncation, " "  # written with the escape character doubled
    found = [one.strip() for one in (field, component, repetition, escape, subcomponent, truncation)]
    used = [one for one in found if one]
    if len(set(used)) != len(used) or any(one.isalnum() for one in used) or not field.strip():
        raise InvalidInput("the separators are not distinct signs", place="MSH-2")
    return Separators(*found)


def separators_of(header: str) -> Separators:
    """Return the separators that a header line sets.

    Four or five characters (the fifth, truncation, came with version 2.7), or fewer where the rest is not used.

    Raises:
        InvalidInput: they are not distinct signs.
    """
    field = header[3]
    others = header[4 : header.find(field, 4)] if field in header[4:] else header[4:]
    if not 1 <= len(others) <= 5:
        raise InvalidInput("there must be one to five separators", place="MSH-2")
    return _separators(field, others)


def unescape(text: str, separators: Separators) -> str:
    r"""Return a text with its escape sequences resolved.

    Separators, `\Xdd…\` and `\.br\` become what they stand for, marks of highlighting and of layout nothing, and a
    doubled escape character one. What is no known sequence stays as it is.
    """
    escape = separators.escape
    return _sequence(escape).sub(lambda found: _resolved(found[1], found[0], separators), text)


@lru_cache(maxsize=64)
def _sequence(escape: str) -> re.Pattern[str]:
    sign = re.escape(escape)
    return re.compile(f"{sign}([^{sign}]{{0,400}}){sign}")


def _resolved(inner: str, whole: str, separators: Separators) -> str:
    named = {
        "": separators.escape,
        "E": separators.escape,
        "F": separators.field,
        "S": separators.component,
        "T": separators.subcomponent,
        "R": separators.repetition,
        "P": separators.truncation,
        "H": "",
        "N": "",
        ".br": "\n",
    }.get(inner)
    if named is not None:
        return named
    if inner[0] == "X" and re.fullmatch(r"X([0-9A-Fa-f]{2})+", inner):
        data = bytes.fromhex(inner[1:])
        try:
            return data.decode("utf-8").replace("\0", "")
        except UnicodeDecodeError:
            return data.decode("latin-1").replace("\0", "")
    if re.fullmatch(r"\.(sp|in|ti|fi|nf|ce|sk)[+-]?\d*|[CM][0-9A-Fa-f]{4,6}|Z.*", inner):
        return ""
    return whole


def _joined(lines: list[str], field: str) -> list[str]:
    """Return the segments: lines that do not begin like one are put behind the line before."""
    segments: list[str] = []
    for line in lines:
        starts = line[3:4] in (field, "") and _NAME.match(line)
        if starts or not segments:
            segments.append(line)
        else:
            segments[-1] += " " + line
    return segments


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator, MAX_PARTS) if separator else [text]


def _nth(text: str, separator: str, number: int) -> str:
    """Return the part of a text with this number, from 1, or ""."""
    if not separator or separator not in text:
        return text if number == 1 else ""
    parts = text.split(separator, number)
    return parts[number - 1] if number <= len(parts) else ""
