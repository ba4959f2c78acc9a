"""Health put together: what is looked at, and the token by which programs on this machine may ask."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from iit.bootstrap.secrets import message_keys_of
from iit.config import Settings
from iit.ops.health.probes import Watched, health_of
from iit.ops.health.reporting import Reporting
from iit.ops.health.run import Health
from iit.ops.mail import Mailer
from iit.ops.mail_server import Server
from iit.ops.maintenance import DiskLimits
from iit.services.audit import Audit
from iit.services.champion import Champion
from iit.store.database import Database

LOCAL_PREFIX: Final = "iit_local_"
_SHORTEST: Final = len(LOCAL_PREFIX) + 64


def open_health(
    settings: Settings, database: Database, champion: Champion, audit: Audit, now: Callable[[], datetime]
) -> Health:
    """Return the checks of an installation."""
    return health_of(
        Watched(
            database=database,
            champion=champion,
            audit=audit,
            redis_url=None if settings.redis_url is None else settings.redis_url.get_secret_value(),
            disks=disks_of(settings),
            spool=settings.data_dir / "spool",
            message_keys=message_keys_of(settings).ids,
            now=now,
        )
    )


def open_reporting(settings: Settings, health: Health, database: Database, now: Callable[[], datetime]) -> Reporting:
    """Return what makes, keeps and mails health reports."""
    mailer = None
    if settings.smtp_url is not None:
        server = Server.of(settings.smtp_url.get_secret_value())
        mailer = Mailer(server=server, outbox=settings.data_dir / "spool" / "mail", trusted=settings.smtp_ca_file)
    allowed = (one.strip().lower() for one in settings.report_recipients.split(","))
    return Reporting(
        health=health,
        database=database,
        folder=settings.data_dir / "reports",
        recipients=frozenset(one for one in allowed if one),
        mailer=mailer,
        sender=settings.smtp_from,
        now=now,
    )


def disks_of(settings: Settings) -> DiskLimits:
    """Return the folders whose disks are watched: data, log of the database, backups and the log file."""
    folders = [settings.data_dir]
    if settings.wal_archive_dir is not None:
        folders.append(settings.wal_archive_dir)
    if not settings.backup_address.startswith("s3://"):
        folders.append(Path(settings.backup_address))
    if settings.log_file is not None:
        folders.append(settings.log_file.parent)
    return DiskLimits(folders=folders, percent=settings.disk_warn_percent)


def make_local_token(settings: Settings) -> Path:
    """Make the token by which programs on this machine may ask about health, and return its file (mode 0600)."""
    path = _token_file(settings)
    with suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(LOCAL_PREFIX + secrets.token_hex(32))
    return path


def local_token(settings: Settings) -> str | None:
    """Return the token, read anew each time: removing or replacing the file takes effect at once.

    None where there is no file, it is not whole, or others than its owner may read it.
    """
    path = _token_file(settings)
    try:
        if path.stat().st_mode & 0o077:
            return None
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return token if token.startswith(LOCAL_PREFIX) and len(token) >= _SHORTEST else None


def _token_file(settings: Settings) -> Path:
    return settings.data_dir / "local_token"
