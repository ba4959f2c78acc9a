"""What came in one frame, body or file: each message with its header, or the reason why it cannot be taken."""

from typing import NamedTuple

from iit.domain.errors import InvalidInput, ServiceError
from iit.ingest.hl7.characters import decode
from iit.ingest.hl7.header import Header, Rules, header_of, salvaged_header
from iit.ingest.hl7.parse import Message, is_batch, split_messages


class Item(NamedTuple):
    """One message.

    Attributes:
        header: as far as it could be read.
        raw: the message alone, lines ending in CR, in the sender's character set.
        message: None where it cannot be taken.
        error: why, or None.
    """

    header: Header
    raw: bytes
    message: Message | None
    error: ServiceError | None

    def __repr__(self) -> str:
        return "Item()"


class Contents(NamedTuple):
    """The messages of a frame, and whether they came in the envelope of a batch."""

    items: list[Item]
    is_batch: bool

    def __repr__(self) -> str:
        return "Contents()"


def read_contents(raw: bytes, rules: Rules, address: str | None = None) -> Contents:
    """Return what came, at least one item: what cannot be read is one that says so. Never fails.

    Args:
        raw: the bytes of a frame, body or file.
        rules: what is taken.
        address: where they came from; None where the sender is known in another way.
    """
    try:
        text, codec = decode(raw)
        batch = is_batch(text)
        messages = split_messages(text)
    except InvalidInput as error:
        return Contents([Item(salvaged_header(raw), raw, None, error)], is_batch=False)
    return Contents([_item(lines, codec, rules, address) for lines in messages], is_batch=batch or len(messages) > 1)


def _item(lines: list[str], codec: str, rules: Rules, address: str | None) -> Item:
    raw = "\r".join(lines).encode(codec)
    try:
        message = Message(lines)
    except InvalidInput as error:
        return Item(salvaged_header(raw), raw, None, error)
    header = header_of(message, codec)
    try:
        rules.check(header, address)
    except ServiceError as error:
        return Item(header, raw, None, error)
    return Item(header, raw, message, None)
