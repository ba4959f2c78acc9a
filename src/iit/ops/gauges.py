"""Figures of the machine: disks, what is spooled, certificates, and the audit trail's anchor."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from iit.domain.errors import Conflict, InvalidInput
from iit.ops.health.probes import spooled
from iit.services.audit import Audit
from iit.services.gauges import Figure

_ALWAYS_TOLD: Final = ("pages",)


def of_disks(folders: Mapping[str, Path]) -> Iterator[Figure]:
    """Yield free and whole bytes of the disks of folders, by what they are for; those not yet made are left out."""
    for place, folder in folders.items():
        if folder.is_dir():
            usage = shutil.disk_usage(folder)
            yield "iit_disk_free_bytes", (place,), usage.free
            yield "iit_disk_size_bytes", (place,), usage.total


def of_spool(folder: Path, now: Callable[[], datetime]) -> Iterator[Figure]:
    """Yield how many files wait in the spool of each part, and for how long the oldest."""
    waiting = dict.fromkeys(_ALWAYS_TOLD, ()) | dict(spooled(folder))
    for part, times in waiting.items():
        yield "iit_spool_files", (part,), len(times)
        yield "iit_spool_oldest_seconds", (part,), now().timestamp() - min(times) if times else 0.0


def of_certificates(files: Iterable[Path]) -> Iterator[Figure]:
    """Yield when the first certificate of each PEM file expires.

    Raises:
        InvalidInput: a file cannot be read or holds none.
    """
    for file in files:
        try:
            certificate = x509.load_pem_x509_certificate(file.read_bytes())
        except (OSError, ValueError) as cause:
            raise InvalidInput("holds no certificate that can be read", place=file.name) from cause
        expires = certificate.not_valid_after_utc
        yield "iit_certificate_expires_timestamp_seconds", (file.name,), expires.timestamp()


def of_audit(audit: Audit, now: Callable[[], datetime]) -> Iterator[Figure]:
    """Yield whether the trail holds the row of its last anchor, and how old that is."""
    try:
        anchor = audit.check_anchor()
    except Conflict:
        yield "iit_audit_chain_intact", (), 0.0
        return
    yield "iit_audit_chain_intact", (), 1.0
    if anchor is not None:
        at = now()
        began = datetime.fromisoformat(anchor.date).replace(tzinfo=at.tzinfo)
        yield "iit_audit_anchor_age_seconds", (), (at - began).total_seconds()
