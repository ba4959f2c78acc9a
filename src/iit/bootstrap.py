"""The one place where the parts are chosen, put together and given the present time."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from iit.config import Settings
from iit.domain.errors import InvalidInput
from iit.features.registry import FEATURE_NAMES
from iit.ingest.hl7.header import Rules, Sender, facility_table
from iit.ingest.hl7.map import Mapper, mapper
from iit.services.access import Access
from iit.services.champion import Champion
from iit.services.contexts import ContextCache
from iit.services.identities import Identities
from iit.services.inbox import Inbox
from iit.services.intake import Intake
from iit.services.modelling import Modelling
from iit.services.patients import Patients
from iit.services.predictions import Predictor
from iit.services.scoring import Scoring
from iit.store.database import Database, open_database
from iit.store.embedded.cluster import Cluster
from iit.store.migrate import upgrade


@dataclass(frozen=True)
class Service:
    """The product put together: what the doors call."""

    settings: Settings
    database: Database
    access: Access
    intake: Intake
    inbox: Inbox
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
    with Cluster(settings.data_dir, postgres_bin=settings.postgres_bin).running() as urls:
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
        inbox=Inbox(database, _hl7_mapper(settings), Identities(_pepper(settings)), lambda: datetime.now(zone)),
        patients=Patients(database),
        predictor=Predictor(database, champion, contexts, zone, lambda: _today(zone)),
        champion=champion,
        modelling=Modelling(database, settings.models_folder, lambda: datetime.now(zone)),
        scoring=Scoring(database, champion, lambda: _today(zone)),
        metrics_folder=_metrics_folder(),
    )


def _hl7_mapper(settings: Settings) -> Mapper:
    def listed(written: str) -> list[str]:
        return [one.strip() for one in written.split(",") if one.strip()]

    rules = Rules(
        ignored=frozenset(listed(settings.hl7_ignored)),
        processing_ids=frozenset(listed(settings.hl7_processing_ids)),
        senders=tuple(Sender.parse(one) for one in listed(settings.hl7_senders)),
        facilities=facility_table(settings.hl7_facilities) if settings.hl7_facilities is not None else {},
    )
    return mapper(rules, settings.zone, settings.hl7_codes)


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
