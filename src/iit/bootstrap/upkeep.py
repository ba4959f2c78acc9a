"""Backup, recovery and upkeep put together: what their commands call. Most of it needs no running service."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from iit.bootstrap.secrets import audit_keys
from iit.bootstrap.serving import database_urls, private_folder, trail
from iit.config import Settings
from iit.domain.errors import InvalidInput, ServiceError, Unavailable
from iit.features.registry import FEATURE_NAMES
from iit.model.registry import Registry
from iit.ops.alerts import Pager
from iit.ops.backup.catalog import Vault
from iit.ops.backup.pgbackrest import PgBackRest
from iit.ops.backup.run import BackupMaker
from iit.ops.backup.sealing import make_key, read_key
from iit.ops.journal import journal
from iit.ops.objects import open_target
from iit.ops.restore.run import Restorer
from iit.ops.tools import Tools
from iit.store import server
from iit.store.database import Database, PoolSettings, open_database
from iit.store.embedded.binaries import find_binaries
from iit.store.embedded.exchange import has_data
from iit.store.migrate import upgrade


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
    private_folder(settings.data_dir)
    vault = open_vault(settings, new_key=True)
    with owned_database(settings) as (database, url):
        with database.transaction() as tx:
            major = server.major(tx)
        binaries = find_binaries(settings.postgres_bin, major=major)
        registry = Registry(settings.models_folder)
        yield BackupMaker(
            database=database,
            tools=Tools.to(url, binaries),
            vault=vault,
            staging=settings.data_dir / "staging",
            models=settings.models_folder,
            check_models=registry.verify_all,
            now=lambda: clock(settings),
            audit_anchor=trail(settings, database).last_link,
        )


@contextmanager
def pgbackrest(settings: Settings, stanza: str) -> Iterator[PgBackRest]:
    """Yield what asks pgBackRest for backups of the server that the settings describe."""
    with owned_database(settings) as (database, url):
        yield PgBackRest(
            stanza=stanza, database=database, connection=server.connection_environment(url),
            now=lambda: clock(settings),
        )  # fmt: skip


@contextmanager
def log_source(settings: Settings) -> Iterator[tuple[Database, Tools]]:
    """Yield the server whose log is copied. Nothing is committed: commits may be waiting for that very copy."""
    with database_urls(settings) as (url, _):
        database = open_database(
            url, time_zone=settings.time_zone, audit_keys=audit_keys(settings), pool=PoolSettings(size=1)
        )
        try:
            with database.transaction() as tx:
                binaries = find_binaries(settings.postgres_bin, major=server.major(tx))
            yield database, Tools.to(url, binaries)
        finally:
            database.close()


@contextmanager
def owned_database(settings: Settings, *, migrate: bool = True) -> Iterator[tuple[Database, str]]:
    """Yield the database with the owner's rights and no limit to a statement's time, and its URL.

    Args:
        settings: where it is.
        migrate: bring the schema up to date first.
    """
    with database_urls(settings) as (owner_url, _):
        if migrate:
            upgrade(owner_url, feature_names=FEATURE_NAMES)
        patient = PoolSettings(size=2, max_overflow=2, statement_timeout_ms=0, lock_timeout_ms=60_000)
        database = open_database(owner_url, time_zone=settings.time_zone, audit_keys=audit_keys(settings), pool=patient)
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
