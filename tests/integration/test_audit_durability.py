"""What was answered survives the death of the database, although commits that audit do not wait for the disk alone."""

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree

import pytest
from tests.conftest import AUDIT_KEYS
from tests.integration.audit_trails import an_audit, an_event, note

from iit.domain.errors import Unavailable
from iit.store import audit
from iit.store.database import PoolSettings, open_database
from iit.store.embedded.cluster import Cluster
from iit.store.migrate import upgrade
from iit.testing import TESTER

_SLOW_LOG_WRITER = {"wal_writer_delay": "10s", "wal_writer_flush_after": "0"}
"""What nobody waits for stays in memory for long, so that a crash loses it."""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="iit-durable-"))
    made.chmod(0o755)
    yield made
    rmtree(made)


def test_no_answered_act_is_lost(folder: Path) -> None:
    cluster = Cluster(folder, extra_settings=_SLOW_LOG_WRITER)
    with cluster.running() as urls, ExitStack() as stack:
        upgrade(urls.owner_url)
        database = open_database(
            urls.app_url, time_zone="UTC", audit_keys=AUDIT_KEYS, pool=PoolSettings(size=4, timeout_seconds=5)
        )
        stack.callback(database.close)
        answered: list[int] = []
        enough = threading.Event()

        def work(writer: int) -> None:
            for number in range(10_000):
                try:
                    note(database, an_event(10_000 * writer + number))
                except Unavailable:
                    return
                answered.append(10_000 * writer + number)
                if len(answered) >= 60:
                    enough.set()

        threads = [threading.Thread(target=work, args=(writer,)) for writer in range(3)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        (pid_file,) = folder.rglob("postmaster.pid")
        os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGQUIT)
        for thread in threads:
            thread.join()
        cluster.ensure_running()
        with database.transaction() as tx:
            kept = {row.target for row in audit.search(tx, audit.AuditFilter(), newest=False)}
        assert {an_event(number).target for number in answered} <= kept
        assert an_audit(database, folder / "anchors").verify(who=TESTER).is_sound
