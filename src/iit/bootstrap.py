"""The one place where the parts are chosen, put together and given the present time."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from iit.config import Settings
from iit.domain.errors import InvalidInput, ServiceError, Unavailable
from iit.features.registry import FEATURE_NAMES
from iit.model.registry import Registry
from iit.ops.alerts import Pager
from iit.ops.backup.catalog import Vault
from iit.ops.backup.run import BackupMaker
from iit.ops.backup.sealing import make_key, read_key
from iit.ops.journal import journal
from iit.ops.objects import open_target
from iit.ops.restore.run import Restorer
from iit.ops.tools import Tools
from iit.services.access import Access
from iit.services.champion import Champion
from iit.services.contexts import ContextCache
from iit.services.intake import Intake
from iit.services.modelling import Modelling
from iit.services.patients import Patients
from iit.services.predictions import Predictor
from iit.services.scoring import Scoring
from iit.store import server
from iit.store.database import Database, PoolSettings, open_database
from iit.store.embedded.binaries import find_binaries
from iit.store.embedded.cluster import Cluster
from iit.store.embedded.exchange import has_data
from iit.store.migrate import upgrade


@dataclass(frozen=True)
class Service:
    """The product put together: what the doors call."""

    settings: Settings
    database: Database
    access: Access
    intake: Intake
    patients: Patients
    predictor: Predictor
    champion: Champion
    modelling: Modelling
    scoring: Scoring
    metrics_folder: Path | None = None

    def now(self) -> datetime:
        """Return the present time in the facilities' zone."""
        return datetime.now(self.settings.zone)

    def today(self) -> date:
        """Return the present day in the facilities' zone."""
        return self.now().date()


@contextmanager
def service(settings: Settings, *, migrate: bool = True) -> Iterator[Service]:
    """Start what is needed (a private PostgreSQL where no URL is set), yield the service, and stop it.

    Args:
        settings: how to run.
        migrate: bring the schema up to date first.

    Raises:
        Unavailable: the database does not start or answer.
    """
    _private_folder(settings.data_dir)
    with database_urls(settings) as (owner_url, app_url):
        if migrate:
            upgrade(owner_url, feature_names=FEATURE_NAMES)
        database = open_database(app_url, time_zone=settings.time_zone, pool=settings.pool)
        try:
            yield assemble(settings, database)
        finally:
            database.close()


@contextmanager
def database_urls(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the URLs of the owner and of the application, of the given database or of a private one."""
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        owner = settings.database_owner_url
        yield (owner.get_secret_value() if owner is not None else url), url
        return
    with Cluster(
        settings.data_dir, postgres_bin=settings.postgres_bin, wal_archive=settings.wal_archive_dir
    ).running() as urls:
        yield urls.owner_url, urls.app_url


def assemble(settings: Settings, database: Database) -> Service:
    """Put the parts together on an open database."""
    champion = Champion(settings.models_folder, time.monotonic)
    contexts = ContextCache(database, time.monotonic)
    zone = settings.zone
    return Service(
        settings=settings,
        database=database,
        access=Access(database, _pepper(settings), lambda: datetime.now(UTC), time.monotonic),
        intake=Intake(database, zone),
        patients=Patients(database),
        predictor=Predictor(database, champion, contexts, zone, lambda: _today(zone)),
        champion=champion,
        modelling=Modelling(database, settings.models_folder, lambda: datetime.now(zone)),
        scoring=Scoring(database, champion, lambda: _today(zone)),
        metrics_folder=_metrics_folder(),
    )


def clock(settings: Settings) -> datetime:
    """Return the present time in the facilities' zone."""
    return datetime.now(settings.zone)


def open_vault(settings: Settings, *, new_key: bool = False) -> Vault:
    """Return where backups lie, with the key they are sealed with.

    Args:
        settings: how to run.
        new_key: make a key in the data folder where none is set and none is there.
    """
    key_file = settings.backup_key_file or settings.data_dir / "backup_key"
    if new_key and settings.backup_key_file is None and not key_file.exists():
        make_key(key_file)
    return Vault(open_target(settings.backup_address, endpoint=settings.backup_s3_endpoint), read_key(key_file))


@contextmanager
def backup_maker(settings: Settings) -> Iterator[BackupMaker]:
    """Yield what makes backups of the installation that the settings describe."""
    _private_folder(settings.data_dir)
    vault = open_vault(settings, new_key=True)
    with owned_database(settings) as (database, url):
        with database.transaction() as tx:
            major = server.major(tx)
        binaries = find_binaries(settings.postgres_bin, major=major)
        registry = Registry(settings.models_folder)
        yield BackupMaker(
            database=database,
            tools=Tools(binaries.folder, binaries.major, server.connection_environment(url)),
            vault=vault,
            staging=settings.data_dir / "staging",
            models=settings.models_folder,
            check_models=registry.verify_all,
            now=lambda: datetime.now(settings.zone),
        )


@contextmanager
def log_source(settings: Settings) -> Iterator[tuple[Database, Tools]]:
    """Yield the server whose log is copied. Nothing is committed: commits may be waiting for that very copy."""
    with database_urls(settings) as (url, _):
        database = open_database(url, time_zone=settings.time_zone, pool=PoolSettings(size=1))
        try:
            with database.transaction() as tx:
                binaries = find_binaries(settings.postgres_bin, major=server.major(tx))
            yield database, Tools(binaries.folder, binaries.major, server.connection_environment(url))
        finally:
            database.close()


@contextmanager
def owned_database(settings: Settings) -> Iterator[tuple[Database, str]]:
    """Yield the database with the owner's rights and no limit to a statement's time, and its URL."""
    with database_urls(settings) as (owner_url, _):
        upgrade(owner_url, feature_names=FEATURE_NAMES)
        patient = PoolSettings(size=2, max_overflow=2, statement_timeout_ms=0, lock_timeout_ms=60_000)
        database = open_database(owner_url, time_zone=settings.time_zone, pool=patient)
        try:
            yield database, owner_url
        finally:
            database.close()


def restorer(settings: Settings) -> Restorer:
    """Return what restores backups of the installation that the settings describe. Needs no database."""
    return Restorer(
        vault=open_vault(settings),
        data_dir=settings.data_dir,
        models=settings.models_folder,
        log_folders=tuple(one for one in (settings.wal_archive_dir, settings.wal_copy_dir) if one is not None),
        postgres_bin=settings.postgres_bin,
        zone=settings.zone,
        now=lambda: clock(settings),
    )


def pager(settings: Settings) -> Pager:
    """Return the way to call people.

    Raises:
        InvalidInput: no routing key is set.
    """
    if settings.pagerduty_routing_key is None:
        raise InvalidInput("is not set", place="IIT_PAGERDUTY_ROUTING_KEY")
    key = settings.pagerduty_routing_key.get_secret_value()
    return Pager(
        routing_key=key, url=settings.pagerduty_url, spool=settings.data_dir / "spool" / "pages", sleep=time.sleep
    )


def alert(settings: Settings, summary: str, *, dedup_key: str, warn: Callable[[str], None]) -> None:
    """Call people where that is set up; a page that cannot be sent is kept and told, and hides no other error."""
    if settings.pagerduty_routing_key is None:
        return
    try:
        pager(settings).page(summary, severity="critical", dedup_key=dedup_key)
    except ServiceError as error:
        warn(str(error))


@contextmanager
def task_log(settings: Settings, task: str, actor: str, warn: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Keep a row of a task in the log of maintenance when it ends; yield a place for its figures."""

    @contextmanager
    def opened() -> Iterator[Database]:
        if settings.database_url is None and not has_data(settings.data_dir):
            raise Unavailable("there is none yet", place="database")  # none is made for the sake of a log
        with owned_database(settings) as (database, _):
            yield database

    with journal(task, actor=actor, opened=opened, now=lambda: clock(settings), warn=warn) as detail:
        yield detail


def _metrics_folder() -> Path | None:
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None


def _today(zone: ZoneInfo) -> date:
    return datetime.now(zone).date()


def _private_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise InvalidInput(f"cannot be made: {cause.strerror}", place=f"IIT_DATA_DIR ({folder})") from cause


def _pepper(settings: Settings) -> bytes:
    """Return the secret that hashes depend on: the one set, or one made once and kept in a private file."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    path = settings.data_dir / "secret_key"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        handle = None
    if handle is not None:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
    kept = path.read_text(encoding="ascii").strip()
    if len(kept) < 64:
        raise InvalidInput("holds no complete secret: remove it to have a new one made", place=str(path))
    return kept.encode()
