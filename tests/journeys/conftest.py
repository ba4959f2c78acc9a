"""A service with a synthetic cohort, a trained model and an API key, made once for the journeys."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from iit.api.app import create_app
from iit.bootstrap import Service, assemble, audit_keys
from iit.config import Settings
from iit.domain.access import Role
from iit.ingest.sources import documents
from iit.model.registry import Registry
from iit.services import contexts
from iit.services.keys import KeyWish
from iit.services.scoring import ScoringWish
from iit.services.training import TrainingResult
from iit.services.truths import keep_truths
from iit.store.database import open_database
from iit.store.embedded.cluster import ClusterUrls
from iit.synth import write_cohort
from iit.testing import TESTER
from iit.web.pages import add_pages
from tests.conftest import a_copy
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
    judged: Mapping[str, Any]
    """The same evaluation again, before any test has changed a record."""


@pytest.fixture(scope="session")
def running(cluster: ClusterUrls) -> Iterator[Running]:
    urls = a_copy(cluster, "journeys")
    folder = Path(tempfile.mkdtemp(prefix="iit-journey-"))
    settings = Settings(
        data_dir=folder / "data",
        database_url=SecretStr(urls.app_url),
        database_owner_url=SecretStr(urls.owner_url),
        secret_key=SecretStr("0123456789abcdefghijklmnopqrstuv-test"),
    )
    settings.data_dir.mkdir()
    database = open_database(
        urls.app_url, time_zone=settings.time_zone, audit_keys=audit_keys(settings), pool=settings.pool
    )
    service = assemble(settings, database)
    cohort = folder / "cohort"
    write_cohort(cohort, patients=PATIENTS, seed=3, until=UNTIL)
    service.intake.take(documents([cohort]), who=TESTER)
    service.intake.take_one(encoded(a_document("known when the model was trained")), who=TESTER)
    keep_truths(database, cohort)
    contexts.refresh(database)
    training = service.training.train("v0.1", who=TESTER, seed=1)
    Registry(settings.models_folder).promote("v0.1")
    judged = service.evaluation.judge(who=TESTER)
    service.scoring.score(ScoringWish(), who=TESTER)
    yield Running(
        service,
        cohort,
        training,
        service.access.keys.create(KeyWish(label="test", role=Role.ADMINISTRATOR), who=TESTER),
        judged,
    )
    database.close()
    rmtree(folder)


@pytest.fixture(scope="session")
def api(running: Running) -> Iterator[TestClient]:
    app = create_app(running.service)
    add_pages(app)
    with TestClient(app, headers={"X-API-Key": running.key}, raise_server_exceptions=False) as client:
        yield client
