"""One private PostgreSQL for all tests of a process, and a fresh copy of a migrated database for each test file."""

import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from iit.features.registry import FEATURE_NAMES
from iit.store.chain import AuditKeys
from iit.store.database import Database, PoolSettings, open_database
from iit.store.embedded.cluster import Cluster, ClusterUrls
from iit.store.migrate import upgrade
from tests.documents import CANARIES

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "'64MB'"}
AUDIT_KEYS = AuditKeys.derived(b"a secret of the tests")
_TEMPLATE = "iit_ml_service"
_numbers = count(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Fail a test that printed or logged what a document holds of a person."""
    report: pytest.TestReport = yield  # type: ignore[misc, assignment]
    told = "".join(text for title, text in report.sections if title.endswith(report.when))
    leaked = {name for name, canary in CANARIES.items() if canary in told}
    if leaked and report.passed:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: printed or logged a person's {', '.join(sorted(leaked))}"
    return report  # type: ignore[return-value]


def libpq(url: str) -> str:
    """Return a URL as psycopg takes it."""
    return url.replace("postgresql+psycopg://", "postgresql://")


@pytest.fixture(scope="session")
def cluster() -> Iterator[ClusterUrls]:
    """A private server; its own folder, since pytest's is closed to the account that PostgreSQL runs under."""
    folder = Path(tempfile.mkdtemp(prefix="iit-test-"))
    folder.chmod(0o755)
    with Cluster(folder, extra_settings=_FAST).running() as urls:
        upgrade(urls.owner_url, feature_names=FEATURE_NAMES)
        yield urls
    shutil.rmtree(folder)


def a_copy(cluster: ClusterUrls, name: str) -> ClusterUrls:
    """Make a fresh, migrated database of its own and return its URLs."""
    server = libpq(cluster.owner_url).replace(f"/{_TEMPLATE}?", "/postgres?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(_TEMPLATE))
        )
    return ClusterUrls(*(url.replace(f"/{_TEMPLATE}?", f"/{name}?") for url in (cluster.owner_url, cluster.app_url)))


@pytest.fixture(scope="module")
def database_urls(cluster: ClusterUrls) -> Iterator[ClusterUrls]:
    """A fresh, migrated database for a test file."""
    name = f"copy_{next(_numbers)}"
    yield a_copy(cluster, name)
    server = libpq(cluster.owner_url).replace(f"/{_TEMPLATE}?", "/postgres?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def database(database_urls: ClusterUrls) -> Iterator[Database]:
    """The application's own access to that database."""
    opened = open_database(
        database_urls.app_url,
        time_zone="Africa/Lagos",
        audit_keys=AUDIT_KEYS,
        pool=PoolSettings(size=4, max_overflow=4, timeout_seconds=2),
    )
    yield opened
    opened.close()
