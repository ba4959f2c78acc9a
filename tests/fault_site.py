"""A service with a small model over a private PostgreSQL of its own, which tests may stop, starve and start again."""

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from iit.bootstrap import Service
from iit.config import Settings
from iit.model.bundle import write_bundle
from iit.model.registry import Registry, entry_of
from iit.store.embedded.cluster import Cluster, ClusterUrls
from tests.conftest import libpq
from tests.unit.model.model_cases import bundle_files

DURABLE = {"shared_buffers": "'64MB'"}


@dataclass
class Site:
    """A server that can fail, and a service over it."""

    folder: Path
    cluster: Cluster
    urls: ClusterUrls
    settings: Settings
    service: Service
    key: str
    has_own_disk: bool

    def stop(self, *, how: signal.Signals = signal.SIGINT) -> None:
        """Stop PostgreSQL: at once (SIGINT), without a checkpoint (SIGQUIT), or by killing it (SIGKILL)."""
        (found,) = self.folder.rglob("postmaster.pid")
        os.kill(int(found.read_text().split()[0]), how)
        until = time.monotonic() + 20
        while _accepts(self.urls):
            assert time.monotonic() < until, "the server does not stop"
            time.sleep(0.02)

    def freeze(self, how: signal.Signals = signal.SIGSTOP) -> None:
        """Let PostgreSQL go on to take connections and answer nothing; SIGCONT undoes it."""
        (found,) = self.folder.rglob("postmaster.pid")
        head = int(found.read_text().split()[0])
        for pid in (head, *map(int, Path(f"/proc/{head}/task/{head}/children").read_text().split())):
            with suppress(ProcessLookupError):
                os.kill(pid, how)

    def start(self) -> None:
        """Start it again, if it does not run."""
        self.cluster.ensure_running()

    def owner(self) -> "psycopg.Connection[tuple[object, ...]]":
        """Return a connection of the owner that may write whatever is set."""
        return psycopg.connect(
            libpq(self.urls.owner_url), autocommit=True, options="-c default_transaction_read_only=off"
        )

    def set_read_only(self, *, to: bool) -> None:
        """Let the database take no writes, or take them again; sessions end, as at a failover."""
        with self.owner() as connection:
            change = "SET default_transaction_read_only = on" if to else "RESET default_transaction_read_only"
            connection.execute(f"ALTER DATABASE iit_ml_service {change}")  # type: ignore[arg-type]
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def count(self, query: str, *values: object) -> int:
        """Return the number that a query gives."""
        with self.owner() as connection:
            row = connection.execute(query, values).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return int(str(row[0]))


def _accepts(urls: ClusterUrls) -> bool:
    try:
        psycopg.connect(libpq(urls.owner_url), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def publish_model(models: Path, version: str) -> None:
    """Put a small model into the registry."""
    files = bundle_files(version)
    judged = {"created_at": "2026-01-01T00:00:00+00:00", "evaluation": {"metrics": {"auroc": 0.7, "ece": 0.02}}}
    manifest = json.loads(files["bundle.json"]) | judged
    digest = write_bundle(models, version, {**files, "bundle.json": json.dumps(manifest).encode()})
    Registry(models).add(entry_of(manifest, [], digest))
