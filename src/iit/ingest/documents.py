"""Cutting a stream into documents: one whole, one a line, or the items of an array."""

from collections.abc import Iterator
from typing import IO, Final

import msgspec

from iit.domain.errors import InvalidInput
from iit.ingest.bounded import Limits

LINES: Final = frozenset({".ndjson", ".jsonl"})
WHOLE: Final = frozenset({".json", ""})

Piece = tuple[str, bytes | InvalidInput]
"""Where in its file a document lies (`:12` a line from 1, `[11]` an item from 0, nothing), and the document."""

_BOM: Final = b"\xef\xbb\xbf"
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def pieces(stream: IO[bytes], suffix: str, limits: Limits) -> Iterator[Piece]:
    """Yield the documents in a stream, and an error in the place of each that cannot be cut out.

    A `.json` file that holds one document a line is read as such.

    Args:
        stream: uncompressed bytes.
        suffix: `.json`, `.ndjson`, `.jsonl` or nothing.
        limits: what is too large, and whether the stream is one document of another kind.

    Raises:
        InvalidInput: the rest of the stream cannot be read.
    """
    if limits.whole:
        yield "", _within(stream.read(limits.document_bytes + 1), limits)
        return
    if suffix in LINES:
        yield from _lines(stream, limits)
        return
    data = stream.read(limits.file_bytes + 1)
    if len(data) > limits.file_bytes:
        raise InvalidInput("the file is too large to be read as a whole: write one document a line (.ndjson)")
    start = data[:64].removeprefix(_BOM).lstrip()
    if start.startswith(b"["):
        yield from _items(data, limits)
    elif _has_document_a_line(data):
        for number, line in enumerate(data.split(b"\n"), 1):
            if line.strip():
                yield f":{number}", _within(line, limits)
    else:
        yield "", _within(data, limits)


def _lines(stream: IO[bytes], limits: Limits) -> Iterator[Piece]:
    number = 0
    while line := stream.readline(limits.document_bytes + 1):
        number += 1
        piece = _within(line, limits)
        while isinstance(piece, InvalidInput) and line and not line.endswith(b"\n"):
            line = stream.readline(limits.document_bytes)
        if isinstance(piece, InvalidInput) or piece.strip():
            yield f":{number}", piece


def _items(data: bytes, limits: Limits) -> Iterator[Piece]:
    try:
        items = _ARRAY.decode(data.removeprefix(_BOM))
    except (msgspec.DecodeError, ValueError, RecursionError) as cause:
        raise InvalidInput("the list of documents is not valid JSON") from cause
    for index, item in enumerate(items):
        yield f"[{index}]", _within(bytes(item), limits)


def _has_document_a_line(data: bytes) -> bool:
    end = data.find(b"\n")
    return end > 0 and data[:end].rstrip().endswith(b"}") and bool(data[end:].strip())


def _within(document: bytes, limits: Limits) -> bytes | InvalidInput:
    if len(document) > limits.document_bytes:
        return InvalidInput("the document is too large")
    return document
