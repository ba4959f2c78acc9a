"""With pgBackRest: full and incremental backups through the command, and back to a moment between two commits."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from iit.features.registry import FEATURE_NAMES
from iit.store.embedded.account import Account
from iit.store.embedded.cluster import Cluster, ClusterUrls
from iit.store.migrate import upgrade
from iit.store.server import connection_environment
from tests.commands import Command
from tests.conftest import libpq
from tests.deploy.conftest import ROOT, wait_for
from tests.sites import FAST, a_folder

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(
        shutil.which("pgbackrest") is None or not PROGRAMS.is_dir(),
        reason="pgbackrest and postgresql-15 are not installed",
    ),
]


class Site:
    """A server that pgBackRest keeps the log of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "pgbackrest.conf"
        for name in ("repo", "spool", "log", "lock"):
            Account.current().own(folder / name, 0o700)
        self.data = folder / "data" / "postgres" / "data"
        push = f"'pgbackrest --config={self.conf} --stanza=iit archive-push %p'"
        (folder / "data").mkdir()
        extra = {**FAST, "archive_mode": "on", "archive_command": push}
        self.cluster = Cluster(folder / "data", postgres_bin=PROGRAMS, extra_settings=extra)
        self.urls: ClusterUrls

    def start(self) -> None:
        self._configure("")
        self.urls = self.cluster.ensure_running()
        self.data = Path(str(self.sql("SHOW data_directory")[0][0]))
        socket = str(self.sql("SHOW unix_socket_directories")[0][0])
        self._configure(socket)
        upgrade(self.urls.owner_url, feature_names=FEATURE_NAMES)
        self.pgbackrest("stanza-create")

    def _configure(self, socket: str) -> None:
        """Write our settings for this folder."""
        text = (ROOT / "deploy" / "pgbackrest" / "pgbackrest.conf").read_text()
        text = text.replace("/var/lib/pgbackrest", str(self.folder / "repo"))
        text = text.replace("/var/spool/pgbackrest", str(self.folder / "spool")).replace("CHANGE-ME", "of the tests")
        text = text.replace("/var/lib/postgresql/15/main", str(self.data))
        places = f"log-path={self.folder}/log\nlock-path={self.folder}/lock\n"
        self.conf.write_text(text.replace("[global]\n", f"[global]\n{places}", 1))
        if socket:
            self.conf.write_text(self.conf.read_text() + f"pg1-socket-path={socket}\n")

    @property
    def variables(self) -> dict[str, str]:
        return {**connection_environment(self.urls.owner_url), "PGBACKREST_CONFIG": str(self.conf)}

    def pgbackrest(self, *arguments: str) -> str:
        done = Account.current().run(["pgbackrest", "--stanza=iit", *arguments], **self.variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(libpq(self.urls.owner_url), autocommit=True) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    folder = a_folder()
    made = Site(folder)
    made.start()
    yield made
    made.cluster.release()
    shutil.rmtree(folder)


@pytest.fixture
def iit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], site: Site, tmp_path: Path) -> Command:
    monkeypatch.setenv("PGBACKREST_CONFIG", str(site.conf))
    settings = {
        "IIT_DATA_DIR": str(tmp_path), "IIT_DATABASE_URL": site.urls.app_url,
        "IIT_DATABASE_OWNER_URL": site.urls.owner_url, "IIT_PGBACKREST_STANZA": "iit",
    }  # fmt: skip
    return Command(monkeypatch, capsys, settings)


def facility(site: Site, name: str) -> None:
    site.sql("INSERT INTO facilities (facility) VALUES (%s)", name)


def test_full_and_incremental_and_back_to_a_moment(site: Site, iit: Command) -> None:
    facility(site, "FULL")
    code, out, err = iit("backup", "run", "--kind", "full", "--json")
    assert code == 0, err
    assert json.loads(out)["kind"] == "full"
    facility(site, "INCREMENTAL")
    code, out, err = iit("backup", "run", "--kind", "incremental", "--json")
    assert (code, json.loads(out)["kind"]) == (0, "incr"), err
    assert site.sql("SELECT kind, state FROM backups ORDER BY started_at") == [
        ("full", "good"), ("incremental", "good"),
    ]  # fmt: skip
    facility(site, "BEFORE")
    moment = site.sql("SELECT now()::text")[0][0]
    facility(site, "AFTER")
    site.sql("SELECT pg_switch_wal()")
    site.pgbackrest("check")
    assert restored(site, str(moment)) == ["BEFORE", "FULL", "INCREMENTAL"]


def restored(site: Site, moment: str) -> list[str]:
    """Restore to a moment beside the server, and return the facilities that are known then."""
    beside, socket = site.folder / "restored", site.folder / "restored.run"
    for folder in (beside, socket):
        Account.current().own(folder, 0o700)
    site.pgbackrest(
        f"--pg1-path={beside}", "restore", "--type=time", f"--target={moment}", "--target-action=promote"
    )  # fmt: skip
    options = f"-c unix_socket_directories={socket} -c archive_mode=off -c listen_addresses="
    pg_ctl = [str(PROGRAMS / "pg_ctl"), "-D", str(beside), "-w", "-t", "120", "-l", f"{socket}/log"]
    started = Account.current().run([*pg_ctl, "-o", options, "start"], **site.variables)
    assert started.returncode == 0, started.stdout + started.stderr
    try:
        way = {**os.environ, **site.variables, "PGHOST": str(socket)}

        def ask(query: str) -> list[str]:
            told = subprocess.run(["psql", "-XAtc", query], env=way, capture_output=True, text=True, check=True)
            return told.stdout.split()

        # The server answers as soon as it is consistent; what it holds is right once it has reached the moment.
        wait_for(lambda: ask("SELECT pg_is_in_recovery()") == ["f"], seconds=120, what="the moment is reached")
        return ask("SELECT facility FROM facilities ORDER BY 1")
    finally:
        Account.current().run([*pg_ctl, "-m", "immediate", "stop"])


def test_a_backup_that_fails_ends_with_its_reason_and_is_noted(site: Site, iit: Command) -> None:
    code, _, err = iit("backup", "run", "--kind", "full", IIT_PGBACKREST_STANZA="another")
    assert code == 14
    assert "pgbackrest" in err
    assert site.sql("SELECT state FROM backups ORDER BY started_at DESC LIMIT 1") == [("failed",)]
