"""The service's secrets: what hashes and signatures depend on. The first is used, the others are still accepted."""

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Keyring:
    """Secrets, the present one first. A purpose keeps a hash made for one thing from fitting another.

    Attributes:
        secrets: each at least 32 bytes.
    """

    secrets: tuple[bytes, ...] = field(repr=False)

    def hash(self, purpose: str, value: str) -> bytes:
        """Return the keyed hash under the present secret, 32 bytes."""
        return keyed_hash(self.secrets[0], purpose, value)

    def hashes(self, purpose: str, value: str) -> list[bytes]:
        """Return the keyed hashes under all accepted secrets, the present one first."""
        return [keyed_hash(secret, purpose, value) for secret in self.secrets]

    @property
    def signing_kid(self) -> str:
        """Name of the key that signs new tokens."""
        return next(iter(self.signing_keys))

    @cached_property
    def signing_keys(self) -> dict[str, bytes]:
        """Keys for signatures by name, derived from the secrets; the first one signs, all verify."""
        return {keyed_hash(secret, "kid", "")[:6].hex(): keyed_hash(secret, "sign", "") for secret in self.secrets}


def keyed_hash(secret: bytes, purpose: str, value: str) -> bytes:
    """Return the keyed hash of a value for one purpose, 32 bytes."""
    return hmac.digest(secret, f"{purpose}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256)
