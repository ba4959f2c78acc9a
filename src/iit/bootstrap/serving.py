"""The one place where the parts are chosen, put together and given the present time."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread
from uuid import UUID
from zoneinfo import ZoneInfo

from iit.bootstrap.cds import emr_tokens, hooks
from iit.bootstrap.faults import breaker_of, redis_breaker, spooled_database
from iit.bootstrap.fhir import exchange
from iit.bootstrap.gauges import open_gauges
from iit.bootstrap.health import open_health, open_reporting
from iit.bootstrap.oidc import with_single_sign_on
from iit.bootstrap.secrets import audit_keys, secrets_of
from iit.bootstrap.tracing import carried_on, tracing
from iit.config import Settings
from iit.domain.errors import InvalidInput
from iit.features.registry import FEATURE_NAMES
from iit.ingest.hl7.header import Rules, Sender, facility_table
from iit.ingest.hl7.map import Mapper, mapper
from iit.ops.health.reporting import Reporting
from iit.ops.health.run import Health
from iit.ops.memory import Memory
from iit.services.access import Access, open_access
from iit.services.analytics import Analytics
from iit.services.assessments import Assessments
from iit.services.audit import Audit
from iit.services.batches import Batches
from iit.services.cds import Hooks
from iit.services.champion import Champion
from iit.services.contexts import ContextCache
from iit.services.emr_tokens import EmrTokens
from iit.services.evaluation import Evaluation
from iit.services.fhir import Exchange
from iit.services.gauges import Gauges
from iit.services.identities import Identities
from iit.services.inbox import Inbox
from iit.services.inbox_work import FHIR
from iit.services.intake import Intake
from iit.services.jobs import Jobs
from iit.services.keyring import Keyring
from iit.services.models import Models
from iit.services.modes import Modes
from iit.services.monitoring import Monitoring
from iit.services.outcomes import Outcomes
from iit.services.patients import Patients
from iit.services.predictions import Predictor
from iit.services.privacy import Privacy
from iit.services.scoring import Scoring
from iit.services.shadow import Shadow
from iit.services.spooling import Spooling
from iit.services.training import Training
from iit.store.anchors import Anchors
from iit.store.database import Database, open_database
from iit.store.embedded.cluster import Cluster
from iit.store.limits import Limits, open_limits
from iit.store.migrate import upgrade


@dataclass(frozen=True)
class Service:
    """The product put together: what the doors call."""

    settings: Settings
    database: Database
    access: Access
    audit: Audit
    limits: Limits
    intake: Intake
    inbox: Inbox
    fhir: Exchange
    assessments: Assessments
    hooks: Hooks
    emr_tokens: EmrTokens | None
    patients: Patients
    predictor: Predictor
    privacy: Privacy
    champion: Champion
    training: Training
    evaluation: Evaluation
    models: Models
    scoring: Scoring
    jobs: Jobs
    batches: Batches
    shadow: Shadow
    outcomes: Outcomes
    monitoring: Monitoring
    analytics: Analytics
    gauges: Gauges
    modes: Modes
    spooling: Spooling
    health: Health
    reporting: Reporting
    memory: Memory
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
    private_folder(settings.data_dir)
    with tracing(settings), database_urls(settings) as (owner_url, app_url):
        has_upgraded = migrate and upgrade(owner_url, feature_names=FEATURE_NAMES)
        database = open_database(
            app_url,
            time_zone=settings.time_zone,
            audit_keys=audit_keys(settings),
            pool=settings.pool,
            breaker=breaker_of(settings, "database"),
        )
        try:
            made = assemble(settings, database)
            if has_upgraded:
                made.audit.note_upkeep("schema")
            made.audit.anchor_daily()
            yield made
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
    database, spooling = spooled_database(settings, database)
    champion = Champion(settings.models_folder, time.monotonic)
    contexts = ContextCache(database, time.monotonic)
    zone = settings.zone
    identities = Identities(secrets_of(settings).oldest)
    predictor = Predictor(database, champion, contexts, zone, lambda: _today(zone), spooling)
    fhir = exchange(settings, database, identities, lambda: datetime.now(zone))
    training = Training(database, settings.models_folder, lambda: datetime.now(zone))
    audit = trail(settings, database)
    health = open_health(settings, database, champion, audit, lambda: datetime.now(zone))
    shadow = Shadow(database, settings.models_folder)
    outcomes = Outcomes(database, lambda: _today(zone))
    scoring = Scoring(database, champion, shadow, lambda: _today(zone))
    jobs = Jobs(database, {"train": training.retrain, "score": scoring.run}, _launcher(settings), time.monotonic)
    return Service(
        settings=settings,
        database=database,
        access=with_single_sign_on(
            open_access(
                database,
                Keyring(secrets_of(settings).accepted),
                clock=lambda: datetime.now(UTC),
                monotonic=time.monotonic,
                session_lasts=timedelta(hours=settings.session_hours),
                session_idle=timedelta(minutes=settings.session_idle_minutes),
            ),
            settings,
        ),
        audit=audit,
        limits=open_limits(_redis_url(settings), time.time, redis_breaker(settings)),
        intake=Intake(database, zone, lambda: datetime.now(zone)),
        inbox=Inbox(
            database,
            _hl7_mapper(settings),
            identities,
            lambda: datetime.now(zone),
            {FHIR: fhir.merge_waiting},
            fhir.keys,
        ),
        fhir=fhir,
        assessments=Assessments(database),
        hooks=hooks(settings, database, fhir.mapper, identities, predictor),
        emr_tokens=emr_tokens(settings, database, secrets_of(settings).oldest),
        patients=Patients(database),
        predictor=predictor,
        spooling=spooling,
        modes=Modes(database),
        champion=champion,
        training=training,
        evaluation=Evaluation(database, settings.models_folder),
        models=Models(database, settings.models_folder, training),
        privacy=Privacy(database, lambda: datetime.now(zone)),
        scoring=scoring,
        jobs=jobs,
        batches=Batches(database, jobs, lambda: _today(zone)),
        shadow=shadow,
        outcomes=outcomes,
        monitoring=Monitoring(database, settings.models_folder, outcomes, lambda: _today(zone)),
        analytics=Analytics(database, settings.models_folder),
        gauges=open_gauges(settings, database, champion, audit, lambda: datetime.now(zone)),
        health=health,
        reporting=open_reporting(settings, health, database, lambda: datetime.now(zone)),
        memory=Memory(settings.debug_memory),
        metrics_folder=_metrics_folder(),
    )


def _launcher(settings: Settings) -> Callable[[UUID], None]:
    """Return what starts a process for a job: training must take neither memory nor time from those who answer."""

    def launch(job_id: UUID) -> None:
        process = subprocess.Popen(  # noqa: S603 - this very program, an id made here
            [sys.executable, "-m", "iit", "jobs", "run", str(job_id)],
            env={**os.environ, **settings.as_environment(), **carried_on()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        Thread(target=process.wait, daemon=True).start()  # leaves no zombie behind

    return launch


def _redis_url(settings: Settings) -> str | None:
    return None if settings.redis_url is None else settings.redis_url.get_secret_value()


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


def trail(settings: Settings, database: Database) -> Audit:
    """Return the audit trail of an open database, with its anchors."""
    return Audit(database, Anchors(settings.anchor_folder, database.trail_keys), lambda: datetime.now(settings.zone))


def private_folder(folder: Path) -> None:
    """Make the data folder if it is missing.

    Raises:
        InvalidInput: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise InvalidInput(f"cannot be made: {cause.strerror}", place=f"IIT_DATA_DIR ({folder})") from cause
