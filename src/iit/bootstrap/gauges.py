"""What is read for Prometheus, put together."""

import platform
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from iit import __version__
from iit.config import Settings
from iit.ops.gauges import of_audit, of_certificates, of_disks, of_spool
from iit.services.audit import Audit
from iit.services.champion import Champion
from iit.services.gauges import Figure, Gauges, of_database, of_latest_comparison, of_model
from iit.store.database import Database


def open_gauges(
    settings: Settings, database: Database, champion: Champion, audit: Audit, now: Callable[[], datetime]
) -> Gauges:
    """Return the figures of an installation."""
    disks = _disks(settings)
    certificates = [Path(one.strip()) for one in settings.tls_certificates.split(",") if one.strip()]
    return Gauges(
        {
            "program": lambda: _program(settings),
            "disks": lambda: of_disks(disks),
            "spool": lambda: of_spool(settings.data_dir / "spool", now),
            "certificates": lambda: of_certificates(certificates),
            "model": lambda: of_model(champion, now),
            "database": lambda: of_database(database, now),
            "comparison": lambda: of_latest_comparison(database, settings.models_folder),
            "audit": lambda: of_audit(audit, now),
        },
        time.monotonic,
        now,
    )


def _program(settings: Settings) -> Iterable[Figure]:
    yield "iit_build_info", (__version__, platform.python_version()), 1.0
    yield "iit_wal_copy_expected", (), float(settings.wal_copy_dir is not None)


def _disks(settings: Settings) -> dict[str, Path]:
    """Return the folders where something is kept, by what it is."""
    disks = {"data": settings.data_dir, "models": settings.models_folder}
    if not settings.backup_address.startswith("s3://"):
        disks["backups"] = Path(settings.backup_address)
    if settings.wal_archive_dir is not None:
        disks["wal_archive"] = settings.wal_archive_dir
    if settings.log_file is not None:
        disks["logs"] = settings.log_file.parent
    return disks
