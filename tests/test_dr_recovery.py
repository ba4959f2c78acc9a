"""The quarterly test of the operators' guide: a backup restored in isolation, and the service checked on it.

Independent of production: it makes an installation of its own, backs it up, restores it as a namespace and asks the
service there. With IIT_DR_DATA_DIR it checks a namespace that `scripts/restore_backup.sh` has restored instead.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from iit.api.app import create_app
from iit.bootstrap import Service, service
from iit.bootstrap.upkeep import backup_maker, clock
from iit.config import Settings
from iit.domain.access import Role
from iit.ingest.sources import SourceDocument
from iit.ops.integrity import Scope, check
from iit.services.keys import KeyWish
from iit.testing import TESTER
from tests.documents import a_document, encoded, uuid_of
from tests.sites import a_folder, fast_restorer


@pytest.fixture(scope="module")
def restored() -> Iterator[tuple[Service, str | None]]:
    """The service on restored data, and a patient that must be there."""
    given = os.environ.get("IIT_DR_DATA_DIR")
    if given is not None:
        with service(Settings(data_dir=Path(given))) as there:
            yield there, None
        return
    folder = a_folder()
    settings = Settings(data_dir=folder / "data")
    settings.data_dir.mkdir()
    with service(settings) as production:
        production.intake.take([SourceDocument("one", encoded(a_document("one")))], who=TESTER)
        with backup_maker(settings) as maker:
            maker.run("full", actor="test")
        report = fast_restorer(settings).isolate("dr-test", clock(settings).date())
        production.intake.take([SourceDocument("two", encoded(a_document("two")))], who=TESTER)
    with service(Settings(data_dir=report.data_dir)) as there:
        yield there, uuid_of(a_document("one"))
    shutil.rmtree(folder)


def test_the_restored_data_are_whole(restored: tuple[Service, str | None]) -> None:
    there, _ = restored
    assert check(there.database, Scope()) == []


def test_the_service_answers_on_restored_data(restored: tuple[Service, str | None]) -> None:
    there, patient = restored
    key = there.access.keys.create(KeyWish(label="dr test", role=Role.ADMINISTRATOR, valid_days=1), who=TESTER)
    with TestClient(create_app(there), headers={"X-API-Key": key}) as client:
        assert client.get("/health/live").status_code == 200
        found = client.get("/api/v1/patients").json()
        if patient is not None:
            assert client.get(f"/api/v1/patients/{patient}").status_code == 200
            assert str(found).count("patient_uuid") == 1, "what came after the backup is not there"


def test_the_restored_service_takes_records_in(restored: tuple[Service, str | None]) -> None:
    there, _ = restored
    summary = there.intake.take([SourceDocument("new", encoded(a_document("dr")))], who=TESTER)
    assert summary.n_rejected == 0
    assert summary.n_added + summary.n_unchanged == 1
