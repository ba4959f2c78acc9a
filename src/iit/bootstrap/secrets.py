"""The service's secrets: given by a setting, or made at the first start and kept in a private file."""

import os
import secrets as random
import tempfile
from pathlib import Path
from typing import NamedTuple

from iit.config import RETIRED, Settings
from iit.domain.errors import InvalidInput
from iit.services.keyring import keyed_hash
from iit.services.message_keys import MessageKeys, message_keys
from iit.store.chain import AuditKeys


class Secrets(NamedTuple):
    """What hashes and signatures depend on, the present one first.

    Attributes:
        accepted: those under which keys, sessions and tokens are accepted.
        retired: former ones that open nothing any more. The audit trail that was sealed under them is still verified,
            and the people whose identifiers were hashed under the oldest are still recognised.
    """

    accepted: tuple[bytes, ...]
    retired: tuple[bytes, ...]

    @property
    def oldest(self) -> bytes:
        """The secret of the first start."""
        return (self.accepted + self.retired)[-1]


def secrets_of(settings: Settings) -> Secrets:
    """Return the secrets set, or those of a private file in the data folder, made at the first start.

    Raises:
        InvalidInput: the file holds no complete secret.
    """
    words = _words(settings)
    return Secrets(
        tuple(word.encode() for word in words if not word.startswith(RETIRED)),
        tuple(word.removeprefix(RETIRED).encode() for word in words if word.startswith(RETIRED)),
    )


def audit_keys(settings: Settings) -> AuditKeys:
    """Return the keys of the audit trail, which follow from the service's secret and from all former ones."""
    told = secrets_of(settings)
    present, *former = told.accepted + told.retired
    return AuditKeys.derived(present, former)


def message_keys_of(settings: Settings) -> MessageKeys:
    """Return what stored messages are sealed with; nothing where no key is set."""
    return MessageKeys() if settings.message_key is None else message_keys(settings.message_key.get_secret_value())


def setting_marks(settings: Settings) -> dict[str, str]:
    """Return a mark of each setting that is set, and of the secrets: keyed hashes, by which changes are seen."""
    told = settings.as_environment() | {"IIT_SECRET_KEY": " ".join(_words(settings))}
    key = secrets_of(settings).oldest
    return {name: keyed_hash(key, "setting", f"{name}\0{value}")[:8].hex() for name, value in sorted(told.items())}


def rotate_secret(settings: Settings, *, forget: bool) -> int:
    """Put a new secret before those of the private file and return how many are accepted now.

    Running workers take it up when they are restarted. Keys, sessions and tokens made under the ones before still
    work, and keys move to the new one when they are used.

    Args:
        settings: how the service runs.
        forget: make none but retire the former ones; keys, sessions and tokens not moved by then are refused.

    Raises:
        InvalidInput: the secret is not kept in the file but given by a setting.
    """
    if settings.secret_key is not None:
        raise InvalidInput(
            f"put the new secret before the old one, with a space between; later write {RETIRED} before the old one",
            place="IIT_SECRET_KEY",
        )
    kept = _words(settings)
    if forget:
        new = [kept[0], *(RETIRED + word.removeprefix(RETIRED) for word in kept[1:])]
    else:
        new = [random.token_hex(32), *kept]
    with tempfile.NamedTemporaryFile("w", dir=settings.data_dir, delete=False, encoding="ascii") as file:
        file.write("\n".join(new) + "\n")
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(_path(settings))
    return sum(not word.startswith(RETIRED) for word in new)


def _path(settings: Settings) -> Path:
    return settings.data_dir / "secret_key"


def _words(settings: Settings) -> list[str]:
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().split()
    path = _path(settings)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(random.token_hex(32))
    kept = path.read_text(encoding="ascii").split()
    if not kept or kept[0].startswith(RETIRED) or min(len(word.removeprefix(RETIRED)) for word in kept) < 64:
        raise InvalidInput("holds no complete secret: remove it to have a new one made", place=str(path))
    return kept
