"""Rows that are older than the chain become its beginning."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from pydantic import SecretStr
from sqlalchemy import create_engine
from tests.conftest import AUDIT_KEYS, libpq
from tests.integration.audit_trails import an_audit, an_event, note

from iit.bootstrap import service
from iit.config import Settings
from iit.store import migrate
from iit.store.audit import AuditFilter
from iit.store.chain import GENESIS
from iit.store.database import Database, open_database
from iit.store.embedded.cluster import ClusterUrls
from iit.testing import TESTER


@pytest.fixture(scope="module")
def old_urls(cluster: ClusterUrls) -> Iterator[ClusterUrls]:
    """A database of the first schema, with rows on its trail and gaps between their numbers."""
    urls = ClusterUrls(*(one.replace("/iit_ml_service?", "/old?") for one in (cluster.owner_url, cluster.app_url)))
    server = libpq(cluster.owner_url).replace("/iit_ml_service?", "/postgres?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE old")
    engine = create_engine(urls.owner_url)
    with engine.connect() as connection:
        command.upgrade(migrate._config(connection), "0001")
        connection.commit()
    engine.dispose()
    with psycopg.connect(libpq(urls.owner_url)) as owner:
        for number in (1, 2, 5, 9):
            owner.execute(
                "INSERT INTO audit_logs (id, event_type, actor, action, target, outcome, detail) "
                "VALUES (%s, 'patient_read', 'user:ada', 'read', E'a\\tb', 'ok', '{\"n\": 1.50, \"a\": \"é\"}')",
                [number],
            )
    migrate.upgrade(urls.owner_url)
    yield urls
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE old WITH (FORCE)")


@pytest.fixture(scope="module")
def old(old_urls: ClusterUrls) -> Iterator[Database]:
    opened = open_database(old_urls.app_url, time_zone="Africa/Lagos", audit_keys=AUDIT_KEYS)
    yield opened
    opened.close()


def test_they_are_numbered_and_chained(old_urls: ClusterUrls, old: Database, tmp_path: Path) -> None:
    note(old, an_event())
    verdict = an_audit(old, tmp_path).verify(who=TESTER)
    assert (verdict.findings, verdict.n_rows) == ([], 5)
    with psycopg.connect(libpq(old_urls.owner_url)) as owner:
        told = owner.execute("SELECT seq, key_id FROM audit_logs ORDER BY seq").fetchall()
    assert told[:4] == [(number, GENESIS) for number in (1, 2, 3, 4)]


def test_one_that_is_changed_is_found(old_urls: ClusterUrls, old: Database, tmp_path: Path) -> None:
    with psycopg.connect(libpq(old_urls.owner_url)) as owner:
        owner.execute("UPDATE audit_logs SET actor = 'user:another' WHERE seq = 2")
    assert an_audit(old, tmp_path).verify(who=TESTER).findings[0].seq == 2


def test_bringing_the_schema_up_to_date_is_on_the_trail(old_urls: ClusterUrls, tmp_path: Path) -> None:
    server = libpq(old_urls.owner_url).replace("/old?", "/postgres?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    owner, app = (SecretStr(url.replace("/old?", "/fresh?")) for url in (old_urls.owner_url, old_urls.app_url))
    for _ in range(2):
        with service(Settings(data_dir=tmp_path, database_url=app, database_owner_url=owner)) as made:
            told = made.audit.search(AuditFilter(event_types=["maintenance"]), limit=10, who=TESTER)
            assert [(row.seq, row.actor, row.target) for row in told] == [(1, "service", "schema")]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE fresh WITH (FORCE)")


def test_the_first_schema_can_be_had_again(old_urls: ClusterUrls) -> None:
    engine = create_engine(old_urls.owner_url)
    with engine.connect() as connection:
        command.downgrade(migrate._config(connection), "0001")
        connection.commit()
    engine.dispose()
    migrate.upgrade(old_urls.owner_url)
