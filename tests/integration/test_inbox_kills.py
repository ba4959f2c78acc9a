"""Killed at any moment, the inbox loses nothing that was acknowledged and does nothing twice.

`make test-inbox` runs it with many more kills: INBOX_KILLS of listener and workers, POSTGRES_KILLS of the server.
"""

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.integration.inbox_processes import Processes, Senders, free_port, kill_postgres, make_inbox

from iit.features.registry import FEATURE_NAMES
from iit.services.inbox import Inbox
from iit.store.embedded.cluster import Cluster
from iit.store.migrate import upgrade

KILLS = int(os.environ.get("INBOX_KILLS", "10"))
POSTGRES_KILLS = int(os.environ.get("POSTGRES_KILLS", "2"))
SEED = int(os.environ.get("INBOX_SEED", "5"))
SENDERS = 8


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[tuple[Cluster, Path]]:
    """A server of this test alone, as safe as in use."""
    folder = Path(tempfile.mkdtemp(prefix="iit-kills-"))
    folder.chmod(0o755)
    cluster = Cluster(folder, extra_settings={"shared_buffers": "'32MB'"})
    upgrade(cluster.ensure_running().owner_url, feature_names=FEATURE_NAMES)
    yield cluster, folder
    cluster.release()
    shutil.rmtree(folder, ignore_errors=True)


def worked_off(inbox: Inbox, *, within_seconds: float) -> bool:
    until = time.monotonic() + within_seconds
    while time.monotonic() < until:
        if inbox.depth().n_waiting == 0:
            return True
        time.sleep(0.1)
    return False


def test_what_is_acknowledged_is_stored_and_has_its_effect_once(own_cluster: tuple[Cluster, Path]) -> None:
    cluster, folder = own_cluster
    urls = cluster.ensure_running()
    chance = random.Random(SEED)
    kills = ["listener", "worker 1", "worker 2"] * KILLS
    plan = kills[:KILLS] + ["postgres"] * POSTGRES_KILLS
    chance.shuffle(plan)
    with Processes(urls.app_url) as processes:
        senders = Senders(processes.port)
        senders.start(SENDERS)
        for victim in plan:
            time.sleep(chance.uniform(0.02, 0.4))
            if victim == "postgres":
                kill_postgres(folder)
                cluster.ensure_running()
            else:
                processes.kill(victim)
        time.sleep(1.0)
        senders.join()
        inbox = make_inbox(urls.app_url)
        assert worked_off(inbox, within_seconds=60), inbox.depth()
    assert senders.faults == []
    assert len(senders.acknowledged) > 2 * len(plan), "too little was sent to prove anything"
    with inbox.database.transaction() as tx:
        rows = tx.execute(text("SELECT control_id, state FROM inbox")).all()
        told = tx.execute(text("SELECT count(*) FROM events WHERE code = 'PICKUP'")).scalar_one()
        merged = tx.execute(
            text("SELECT sum((detail->>'n')::int) FROM audit_logs WHERE event_type = 'records_merged'")
        ).scalar_one()
    stored = [row.control_id for row in rows]
    assert len(stored) == len(set(stored))
    assert set(senders.acknowledged) <= set(stored)
    assert {row.state for row in rows} == {"done"}
    assert told == merged == len(stored)
    inbox.database.close()


def test_told_to_stop_the_listener_answers_what_it_has_begun(own_cluster: tuple[Cluster, Path]) -> None:
    urls = own_cluster[0].ensure_running()
    at = datetime.now(UTC)
    with Processes(urls.app_url, free_port()) as processes:
        senders = Senders(processes.port)
        senders.start(SENDERS, first=100)
        time.sleep(2.0)
        listener = processes.running["listener"]
        began = time.monotonic()
        os.kill(listener.pid or 0, signal.SIGTERM)
        listener.join(30)
        assert listener.exitcode == 0
        assert time.monotonic() - began < 30
        senders.join()
        inbox = make_inbox(urls.app_url)
        assert worked_off(inbox, within_seconds=30)
    with inbox.database.transaction() as tx:
        stored = set(tx.execute(text("SELECT control_id FROM inbox WHERE received_at >= :at"), {"at": at}).scalars())
    assert stored == set(senders.acknowledged), "nothing was stored without an answer, and nothing answered but stored"
    inbox.database.close()
