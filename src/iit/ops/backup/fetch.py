"""Fetching a backup: every file is compared with the manifest before and after it is unsealed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from iit.domain.errors import InvalidInput, NotFound, ServiceError
from iit.ops.backup.catalog import Vault, chain
from iit.ops.backup.manifest import BackedFile, Manifest
from iit.ops.backup.run import SUFFIX
from iit.ops.backup.sealing import file_hash, unseal


def fetch(vault: Vault, manifest: Manifest, folder: Path) -> None:
    """Write a backup's files into a folder.

    Raises:
        NotFound: a file is missing. InvalidInput: one is not as it was stored.
    """
    for file in manifest.files:
        _fetch_file(vault, manifest.backup_id, file, folder)


def verify(vault: Vault, backup_id: str) -> list[str]:
    """Return what is wrong with a backup and with what it builds on; nothing if it can be restored.

    All bytes are fetched, hashed and unsealed.
    """
    try:
        manifest = vault.manifest(backup_id)
    except (InvalidInput, NotFound) as error:
        return [str(error)]
    return [*_missing_links(vault, manifest), *_strangers(vault, manifest), *_damaged(vault, manifest)]


def _damaged(vault: Vault, manifest: Manifest) -> Iterator[str]:
    for file in manifest.files:
        with tempfile.TemporaryDirectory(prefix="iit-verify-") as folder:
            try:
                _fetch_file(vault, manifest.backup_id, file, Path(folder))
            except (InvalidInput, NotFound) as error:
                yield str(error)


def _missing_links(vault: Vault, manifest: Manifest) -> list[str]:
    if manifest.parent is None:
        return []
    try:
        chain(vault.manifests()[0], manifest)
    except ServiceError as error:
        return [str(error)]
    return []


def _strangers(vault: Vault, manifest: Manifest) -> list[str]:
    known = {f"{manifest.backup_id}/{file.name}{SUFFIX}" for file in manifest.files}
    there = {stored.name for stored in vault.target.listing(f"{manifest.backup_id}/") if stored.name.endswith(SUFFIX)}
    return [f"{name}: is not in the manifest" for name in sorted(there - known)]


def _fetch_file(vault: Vault, backup_id: str, file: BackedFile, folder: Path) -> None:
    place = f"{backup_id}/{file.name}"
    sealed, plain = folder / f"{file.name}{SUFFIX}", folder / file.name
    vault.target.get(f"{place}{SUFFIX}", sealed)
    if sealed.stat().st_size != file.sealed_size or file_hash(sealed) != file.sealed_sha256:
        raise InvalidInput("is not as it was stored: its SHA-256 differs", place=place)
    with sealed.open("rb") as source, plain.open("wb") as sink:
        unseal(source, sink, vault.key, place=place)
    sealed.unlink()
    if file_hash(plain) != file.sha256:
        raise InvalidInput("holds something else than was backed up", place=place)
