"""A service with a synthetic cohort, a trained model and an API key, made once for the journeys."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from shutil import rmtree

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg import sql

from iit.api.app import create_app
from iit.bootstrap import Service, assemble, audit_keys
from iit.config import Settings
from iit.ingest.sources import documents
from iit.model.registry import Registry
from iit.services import contexts
from iit.services.modelling import TrainingResult
from iit.services.scoring import ScoringWish
from iit.services.truths import keep_truths
from iit.store.database import open_database
from iit.store.embedded.cluster import ClusterUrls
from iit.synth import write_cohort
from iit.web.pages import add_pages
from tests.documents import a_document, encoded

UNTIL = date(2025, 6, 30)
PATIENTS = 1200


@dataclass(frozen=True)
class Running:
    """A service that has been through the main job."""

    service: Service
    cohort: Path
    training: TrainingResult
    key: str


@pytest.fixture(scope="session")
def running(cluster: ClusterUrls) -> Iterator[Running]:
    name = "journeys"
    urls = ClusterUrls(*(u.replace("/iit_ml_service?", f"/{name}?") for u in (cluster.owner_url, cluster.app_url)))
    server = cluster.owner_url.replace("+psycopg", "").replace("/iit_ml_service?", "/postgres?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE iit_ml_service").format(sql.Identifier(name)))
    folder = Path(tempfile.mkdtemp(prefix="iit-journey-"))
    settings = Settings(data_dir=folder / "data", secret_key="0123456789abcdefghijklmnopqrstuv-test")  # type: ignore[arg-type]
    settings.data_dir.mkdir()
    database = open_database(
        urls.app_url, time_zone=settings.time_zone, audit_keys=audit_keys(settings), pool=settings.pool
    )
    service = assemble(settings, database)
    cohort = folder / "cohort"
    write_cohort(cohort, patients=PATIENTS, seed=3, until=UNTIL)
    service.intake.take(documents([cohort]), actor="test")
    service.intake.take_one(encoded(a_document("known when the model was trained")), actor="test")
    keep_truths(database, cohort)
    contexts.refresh(database)
    training = service.modelling.train("v0.1", actor="test", seed=1)
    Registry(settings.models_folder).promote("v0.1")
    service.scoring.score(ScoringWish(), actor="test")
    yield Running(service, cohort, training, service.access.create_key("test", actor="test"))
    database.close()
    rmtree(folder)


@pytest.fixture(scope="session")
def api(running: Running) -> Iterator[TestClient]:
    app = create_app(running.service)
    add_pages(app)
    with TestClient(app, headers={"X-API-Key": running.key}, raise_server_exceptions=False) as client:
        yield client
