"""Sealing the content of stored messages with keys that lie outside the database (AES-256-GCM)."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from iit.domain.errors import Unavailable
from iit.store.inbox import Arrival, Content, Waiting

_NONCE_BYTES: Final = 12
_PLACE: Final = "IIT_MESSAGE_KEY"


@dataclass(frozen=True)
class MessageKeys:
    """Seals with the first key and opens with any; without a key, what came is kept as it came.

    A sealed content is bound to its message by the hash of what came: put into another row it does not open.

    Attributes:
        keys: of 32 bytes each, the present one first.
    """

    keys: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def ids(self) -> list[str]:
        """What tells the keys apart without telling them, in the same order: 16 hexadecimal digits each."""
        return [_id_of(key) for key in self.keys]

    @property
    def present(self) -> str | None:
        """Which key seals; None where none does."""
        return next(iter(self.ids), None)

    def sealed(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Return messages in the form in which they are stored."""
        return [one._replace(content=self.seal(one.content.raw, one.key.content_hash)) for one in arrivals]

    def seal(self, raw: bytes, content_hash: bytes) -> Content:
        """Return a content in the form in which it is stored."""
        if not self.keys:
            return Content(raw, None)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return Content(nonce + AESGCM(self.keys[0]).encrypt(nonce, raw, content_hash), self.present)

    def opened(self, messages: Sequence[Waiting]) -> list[Waiting]:
        """Return stored messages as they came.

        Raises:
            Unavailable: see `open`.
        """
        return [one._replace(raw=self.open(Content(one.raw, one.key_id), one.content_hash)) for one in messages]

    def open(self, content: Content, content_hash: bytes) -> bytes:
        """Return a stored content as it came.

        Raises:
            Unavailable: the key that it was sealed with is not set, or it is not what was sealed.
        """
        if content.key_id is None:
            return bytes(content.raw)
        key = next((one for one in self.keys if _id_of(one) == content.key_id), None)
        if key is None:
            raise Unavailable(f"the key {content.key_id} of a stored message is not set", place=_PLACE)
        try:
            return AESGCM(key).decrypt(content.raw[:_NONCE_BYTES], content.raw[_NONCE_BYTES:], content_hash)
        except InvalidTag as cause:
            raise Unavailable("a stored message is not what was sealed", place=_PLACE) from cause


def message_keys(words: str) -> MessageKeys:
    """Return the keys of a setting: 64 hexadecimal digits each, with spaces between."""
    return MessageKeys(tuple(bytes.fromhex(word) for word in words.split()))


def _id_of(key: bytes) -> str:
    return hashlib.sha256(b"iit message key id" + key).hexdigest()[:16]
