"""Manifests of made-up backups."""

from datetime import UTC, datetime, timedelta

from iit.ops.backup.manifest import BackedFile, Manifest
from iit.ops.backup.sealing import BackupKey

NOW = datetime(2025, 6, 30, 12, tzinfo=UTC)
KEY = BackupKey(bytes(32))


def a_backup(days_ago: float, kind: str = "full", *, parent: str | None = None, name: str = "") -> Manifest:
    """Return the manifest of a backup made some days before `NOW`."""
    at = NOW - timedelta(days=days_ago)
    return Manifest(
        backup_id=name or f"{at:%Y%m%dT%H%M%SZ}-{kind}", kind=kind, parent=parent, started_at=at, finished_at=at,
        service_version="1",
        server={
            "version_num": "180006",
            "next_xid": str(int(1000 - days_ago)), "lsn": "0/5000000", "start_lsn": "0/5000000",
        },
        rows={"patients": (1, 2)}, audit_anchor=None, key_id=KEY.key_id,
        files=(BackedFile(name="base.tar.gz", size=1, sha256="a", sealed_size=2, sealed_sha256="b"),),
    )  # fmt: skip
