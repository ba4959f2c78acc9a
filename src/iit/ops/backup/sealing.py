"""Sealed files: AES-256-GCM in chunks, so that any size streams and any change, cut or swap is found.

A sealed file is a header (magic, key id, salt) and chunks of 1 MiB, each with its tag. The key of a file is derived
from the backup key and the salt; the nonce counts the chunks and marks the last one, so that chunks can neither be
reordered nor dropped (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from iit.domain.errors import InvalidInput, NotFound

_MAGIC: Final = b"IITSEAL1"
_CHUNK: Final = 1 << 20
_TAG: Final = 16
_SALT: Final = 16
_ID: Final = 8
_HEADER: Final = len(_MAGIC) + _ID + _SALT


@dataclass(frozen=True)
class BackupKey:
    """The secret that backups are sealed with; `repr` shows its id only."""

    secret: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """What tells keys apart without telling them: 16 hexadecimal digits."""
        return self._identity().hex()

    def sign(self, data: bytes) -> str:
        """Return the HMAC-SHA256 of data in hexadecimal digits."""
        return hmac.new(self._derived(b"manifest", b""), data, hashlib.sha256).hexdigest()

    def _identity(self) -> bytes:
        return hashlib.sha256(b"iit backup key id" + self.secret).digest()[:_ID]

    def _derived(self, purpose: bytes, salt: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"iit backup " + purpose).derive(self.secret)


def read_key(path: Path) -> BackupKey:
    """Return the key of a file of 64 hexadecimal digits.

    Raises:
        NotFound: there is no such file. InvalidInput: it holds no key.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError as cause:
        raise NotFound(f"there is no key file {path}", place="backup key") from cause
    except (OSError, UnicodeDecodeError) as cause:
        raise InvalidInput(f"{path} cannot be read as a key", place="backup key") from cause
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise InvalidInput(f"{path} must hold 64 hexadecimal digits", place="backup key")
    return BackupKey(secret)


def make_key(path: Path) -> BackupKey:
    """Make a new key in a private file that must not exist, and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return read_key(path)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(source: BinaryIO, sink: BinaryIO, key: BackupKey) -> None:
    """Write the sealed form of a stream."""
    salt = secrets.token_bytes(_SALT)
    header = _MAGIC + bytes.fromhex(key.key_id) + salt
    cipher = AESGCM(key._derived(b"file", salt))
    sink.write(header)
    number, chunk = 0, source.read(_CHUNK)
    while True:
        following = source.read(_CHUNK)
        sink.write(cipher.encrypt(_nonce(number, is_last=not following), chunk, header))
        if not following:
            return
        number, chunk = number + 1, following


def unseal(source: BinaryIO, sink: BinaryIO, key: BackupKey, *, place: str) -> None:
    """Write the content of a sealed stream. What was written is to be thrown away if this raises.

    Raises:
        InvalidInput: sealed with another key, damaged, or cut short.
    """
    header = source.read(_HEADER)
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise InvalidInput("is no sealed file", place=place)
    identity = header[len(_MAGIC) : len(_MAGIC) + _ID].hex()
    if identity != key.key_id:
        raise InvalidInput(f"was sealed with the key {identity}; the key given is {key.key_id}", place=place)
    cipher = AESGCM(key._derived(b"file", header[-_SALT:]))
    number, chunk = 0, source.read(_CHUNK + _TAG)
    while True:
        following = source.read(_CHUNK + _TAG)
        try:
            sink.write(cipher.decrypt(_nonce(number, is_last=not following), chunk, header))
        except InvalidTag as cause:
            raise InvalidInput("is damaged or cut short", place=place) from cause
        if not following:
            return
        number, chunk = number + 1, following


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if is_last else b"\x00")
