"""A bundle as one archive (.tar), to carry a model from one installation to another.

The exported pickle does not travel: what is unpickled anywhere must have been made here.
"""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from iit.domain.errors import InvalidInput
from iit.model.bundle import (
    EXPORT,
    LARGEST,
    NEEDED,
    PAGE,
    SUMS,
    bundle_of,
    check_digests,
    check_version,
    digests_of,
    load_bundle,
    read_file,
    sums_of,
)
from iit.model.scorer import Scorer

_LARGEST: Final = sum(LARGEST[name] for name in (*NEEDED, PAGE, SUMS)) + 64 * tarfile.BLOCKSIZE  # bytes


def archive_of(models: Path, version: str, *, expected_hash: str) -> bytes:
    """Return a registered bundle as an archive; the same bundle gives the same bytes.

    Raises:
        NotFound: there is none. InvalidInput: it was altered.
    """
    load_bundle(models, version, expected_hash=expected_hash)
    sums = read_file(models / version / SUMS)
    digests = {name: digest for name, digest in digests_of(sums, version).items() if name != EXPORT}
    files = {name: read_file(models / version / name) for name in digests}
    check_digests(files, digests, version)
    files[SUMS] = sums_of(digests)
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{version}/{name}")
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return written.getvalue()


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive of the kind that `archive_of` writes."""
    return path.is_file() and tarfile.is_tarfile(path)


def read_archive(path: Path) -> tuple[str, Mapping[str, bytes]]:
    """Return the version and the files of an archive, checked whole: nothing of it is written anywhere before.

    Raises:
        InvalidInput: it holds anything else than the files of one bundle, is too large, or the model does not reproduce
            its self-test.
    """
    if path.stat().st_size > _LARGEST:
        raise InvalidInput("is larger than any bundle", place=path.name)
    try:
        with tarfile.open(path, mode="r:") as archive:  # not compressed: its size bounds what comes out of it
            version, files = _members(archive)
    except (tarfile.TarError, EOFError, OSError, ValueError) as cause:
        raise InvalidInput("is no whole archive of a model", place=path.name) from cause
    digests = digests_of(files.pop(SUMS), version)
    if set(digests) != set(files):
        raise InvalidInput(f"does not hold just the files that {SUMS} names", place=path.name)
    check_digests(files, digests, version)
    Scorer(bundle_of(version, files))
    return version, files


def _members(archive: tarfile.TarFile) -> tuple[str, dict[str, bytes]]:
    files: dict[str, bytes] = {}
    versions = set()
    for member in archive:
        version, _, name = member.name.partition("/")
        versions.add(version)
        if not member.isreg() or name not in (*NEEDED, PAGE, SUMS) or name in files or member.size > LARGEST[name]:
            raise InvalidInput("holds what is no file of a bundle, one twice, or too large", place="archive")
        held = archive.extractfile(member)
        files[name] = b"" if held is None else held.read()
    if len(versions) != 1 or set(files) - {PAGE} != {*NEEDED, SUMS}:
        raise InvalidInput("does not hold all files of one bundle", place="archive")
    return check_version(versions.pop()), files
