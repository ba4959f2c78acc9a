"""One site for each test file, and a client of its service."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from tests.documents import a_document, encoded
from tests.fault_site import DURABLE, Site, publish_model

from iit.api.app import create_app
from iit.bootstrap import assemble, audit_keys
from iit.bootstrap.faults import breaker_of
from iit.config import Settings
from iit.domain.access import Role
from iit.features.registry import FEATURE_NAMES
from iit.model.registry import Registry
from iit.services import contexts
from iit.services.keys import KeyWish
from iit.store.database import open_database
from iit.store.embedded.cluster import Cluster
from iit.store.migrate import upgrade
from iit.testing import TESTER


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="iit-faults-"))
    has_own_disk = mount(folder)
    folder.chmod(0o755)
    data_dir = Path(tempfile.mkdtemp(prefix="iit-faults-service-"))
    with Cluster(folder, extra_settings=DURABLE).running() as urls:
        upgrade(urls.owner_url, feature_names=FEATURE_NAMES)
        settings = Settings(
            data_dir=data_dir,
            database_url=SecretStr(urls.app_url),
            database_owner_url=SecretStr(urls.owner_url),
            secret_key=SecretStr("0123456789abcdefghijklmnopqrstuv-test"),
        )
        publish_model(settings.models_folder, "v0.1")
        Registry(settings.models_folder).promote("v0.1")
        database = open_database(
            urls.app_url, time_zone=settings.time_zone, audit_keys=audit_keys(settings), pool=settings.pool,
            breaker=breaker_of(settings, "database"),
        )  # fmt: skip
        service = assemble(settings, database)
        service.intake.take_one(encoded(a_document("stored")), who=TESTER)
        contexts.refresh(service.database)
        service.predictor.warm()
        key = service.access.keys.create(KeyWish(label="test", role=Role.ADMINISTRATOR), who=TESTER)
        cluster = Cluster(folder, extra_settings=DURABLE)
        yield Site(folder, cluster, urls, settings, service, key, has_own_disk)
        cluster.ensure_running()
        database.close()
        cluster.release()
    if has_own_disk:
        subprocess.run(["umount", "--lazy", folder], check=True)
    shutil.rmtree(folder)
    shutil.rmtree(data_dir)


def mount(folder: Path) -> bool:
    """Give the database a small disk of its own, where this process may; return whether it did."""
    command = ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", folder]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[TestClient]:
    app = create_app(site.service)
    with TestClient(app, headers={"X-API-Key": site.key}, raise_server_exceptions=False) as opened:
        yield opened
