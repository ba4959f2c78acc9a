"""XML cut into reports, one at a time, without entities, document types or anything from elsewhere."""

import io
from collections.abc import Iterator
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from iit.domain.errors import InvalidInput

_DEEPEST: Final = 40
_HEADER: Final = "MessageHeader"
_REPORT: Final = "IndividualReport"


class Part(NamedTuple):
    """An element of a report, read by the names of its children, whatever their namespace."""

    element: Element

    def first(self, *path: str) -> "Part | None":
        """Return the first element at a path, or None."""
        found: Element | None = self.element
        for name in path:
            found = None if found is None else next((one for one in found if local(one.tag) == name), None)
        return None if found is None else Part(found)

    def all(self, name: str) -> Iterator["Part"]:
        """Yield the children of a name."""
        return (Part(one) for one in self.element if local(one.tag) == name)

    def text(self, *path: str) -> str:
        """Return the text at a path, nothing where there is none."""
        found = self.first(*path)
        return "" if found is None else (found.element.text or "").strip()[:200]

    def __repr__(self) -> str:
        return "Part()"


def reports(data: bytes) -> Iterator[tuple[Part, Part]]:
    """Yield each report of a message with the message's header. What was yielded is forgotten afterwards.

    Raises:
        InvalidInput: the XML is at fault, or holds no report.
    """
    header: Element | None = None
    n_reports = 0
    for element, parent in _elements(data):
        if local(element.tag) == _HEADER:
            header = element
        elif local(element.tag) == _REPORT:
            if header is None:
                raise InvalidInput("is missing in front of the report", place=_HEADER)
            n_reports += 1
            yield Part(header), Part(element)
            if parent is not None:
                parent.remove(element)
    if not n_reports:
        raise InvalidInput("is missing", place=_REPORT)


def _elements(data: bytes) -> Iterator[tuple[Element, Element | None]]:
    """Yield each element, once it is whole, with the one around it."""
    path: list[Element] = []
    try:
        for event, element in iterparse(io.BytesIO(data), events=("start", "end"), forbid_dtd=True):
            if event == "start":
                path.append(element)
                _refuse_depth(path)
            else:
                path.pop()
                yield element, path[-1] if path else None
    except DefusedXmlException as cause:
        raise InvalidInput("declares a document type or entities, which are not read") from cause
    except (ParseError, LookupError, ValueError) as cause:
        line = cause.position[0] if isinstance(cause, ParseError) else 1
        raise InvalidInput(f"is not valid XML at line {line}") from cause


def local(tag: str) -> str:
    """Return a tag without its namespace."""
    return tag.rpartition("}")[2]


def _refuse_depth(path: list[Element]) -> None:
    if len(path) > _DEEPEST:
        raise InvalidInput("is nested too deeply")
