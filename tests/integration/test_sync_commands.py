"""`iit sync` and `iit reconcile` as operators run them, against a real OpenMRS database."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from sqlalchemy import text
from tests.commands import Command, settings_at
from tests.openmrs.server import mariadb, needs_mariadb
from tests.openmrs.site import Site

from iit.config import Settings
from iit.store import maintenance as maintenance_store
from iit.store import records as record_store
from iit.store.database import Database
from iit.store.embedded.cluster import ClusterUrls
from iit.synth import cohort_documents

pytestmark = needs_mariadb
WORD = "CANARYSECRET"
PATIENTS = 600  # several batches


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """A site's database with several batches of patients; yields its address."""
    documents = (data for _, _, data in cohort_documents(patients=PATIENTS, seed=3))
    with mariadb() as server, server.admin() as admin, admin.cursor() as cursor:
        cursor.execute("CREATE DATABASE openmrs")
        cursor.execute(f"CREATE USER reader IDENTIFIED BY '{WORD}'")
        cursor.execute("GRANT SELECT ON openmrs.* TO reader")
        admin.select_db("openmrs")
        Site(documents).create(admin)
        yield f"mysql://reader:{WORD}@127.0.0.1:{server.port}/openmrs"


@pytest.fixture
def settings_of(settings: Settings, database_urls: ClusterUrls) -> dict[str, str]:
    return settings_at(database_urls, settings.data_dir)


@pytest.fixture
def iit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings_of: dict[str, str], database: Database
) -> Iterator[Command]:
    yield Command(monkeypatch, capsys, settings_of)
    with database.transaction() as tx:
        tx.execute(text("DELETE FROM patients"))
        tx.execute(text("DELETE FROM watermarks"))


def test_a_killed_reading_is_finished_by_the_next(
    iit: Command, site: str, settings_of: dict[str, str], database: Database
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "iit", "sync"], env={**os.environ, **settings_of, "IIT_OPENMRS_URL": site},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(2_000):
        with database.transaction() as tx:
            if record_store.count(tx):
                break
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with database.transaction() as tx:
        kept = record_store.count(tx)
    assert kept % 200 == 0
    told = iit("sync", "--json", IIT_OPENMRS_URL=site)
    figures = json.loads(told.stdout)
    assert (told.returncode, figures["resumed"]) == (0, kept)
    assert figures["added"] > 0
    told = iit("reconcile", "--json", IIT_OPENMRS_URL=site)
    assert told.returncode == 0
    assert json.loads(told.stdout)["ours"]["n_patients"] == kept + figures["added"]


def test_a_reading_leaves_a_row_and_says_what_it_did(iit: Command, site: str, database: Database) -> None:
    first = iit("import", "--source", "openmrs", site)
    assert (first.returncode, "all records" in first.stdout) == (0, True)
    again = iit("sync", site)
    assert "0 patients read" in again.stdout
    assert "changes since" in again.stdout
    with database.transaction() as tx:
        rows = [one for one in maintenance_store.logged(tx) if one.task == "sync openmrs"]
    assert [one.outcome for one in rows[:2]] == ["ok", "ok"]
    assert rows[1].detail["added"] > 400
    assert WORD not in first.stdout + first.stderr + again.stdout + repr([one.detail for one in rows])


def test_differences_end_the_command_with_13_and_are_listed(iit: Command, site: str, tmp_path: Path) -> None:
    told = iit("reconcile", site, "--differences", str(tmp_path / "differences.csv"))
    assert (told.returncode, "patients that we do not hold" in told.stdout) == (13, True)
    lines = (tmp_path / "differences.csv").read_text().splitlines()
    assert lines[0] == "patient_uuid,difference"
    assert {line.split(",")[1] for line in lines[1:]} == {"missing"}


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["sync", "mysql://reader:{}@127.0.0.1:1/openmrs"], id="nobody there"),
        pytest.param(["sync", "mysql://reader:{}@127.0.0.1:1/openmrs?tls={}"], id="a wrong address"),
        pytest.param(["import", "mysql://reader:{}@127.0.0.1:1/openmrs"], id="without --source"),
    ],
)
def test_the_password_is_never_shown(iit: Command, arguments: list[str], caplog: pytest.LogCaptureFixture) -> None:
    with stamina.set_testing(True, attempts=1):
        told = iit(*(one.replace("{}", WORD) for one in arguments))
    assert told.returncode in (10, 14)
    assert WORD not in told.stdout + told.stderr + caplog.text
