"""Migrations make exactly the tables that the code speaks of, and the application may not touch its trail."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text
from tests.conftest import libpq

from iit.domain.audit import AuditEvent
from iit.domain.errors import Unavailable
from iit.features.registry import FEATURE_NAMES
from iit.store import audit, migrate
from iit.store.database import Database
from iit.store.embedded.cluster import ClusterUrls
from iit.store.schema import metadata


def test_migrations_and_tables_agree(database_urls: ClusterUrls) -> None:
    engine = create_engine(database_urls.owner_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": lambda _o, name, *_: name not in ("features", "alembic_version")}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_upgrading_again_changes_nothing(database_urls: ClusterUrls, database: Database) -> None:
    assert not migrate.upgrade(database_urls.owner_url, feature_names=FEATURE_NAMES)
    with database.transaction() as tx:
        migrate.check(tx)
        names = tx.execute(text("SELECT * FROM features LIMIT 0")).keys()
    assert [name for name in names if name in FEATURE_NAMES] == list(FEATURE_NAMES)


def test_many_may_upgrade_an_empty_database_at_once(database_urls: ClusterUrls) -> None:
    name = "upgraded_at_once"
    address, _, rest = libpq(database_urls.owner_url).rpartition("?")
    with psycopg.connect(f"{address.rpartition('/')[0]}/postgres?{rest}", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        address, _, rest = database_urls.owner_url.rpartition("?")
        url = f"{address.rpartition('/')[0]}/{name}?{rest}"
        with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
            told = [pool.submit(migrate.upgrade, url, feature_names=FEATURE_NAMES) for _ in range(3)]
            assert sorted(one.result(timeout=60) for one in told) == [False, False, True]
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_new_installation_has_neither_users_nor_keys(database_urls: ClusterUrls, database: Database) -> None:
    with database.transaction() as tx:
        for table in ("users", "api_keys", "sessions", "refresh_tokens"):
            assert tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0, table  # noqa: S608


def test_the_view_follows_the_registry(database_urls: ClusterUrls, database: Database) -> None:
    migrate.upgrade(database_urls.owner_url, feature_names=("one", "two"))
    with database.transaction() as tx:
        assert list(tx.execute(text("SELECT * FROM features LIMIT 0")).keys())[-2:] == ["one", "two"]
    migrate.upgrade(database_urls.owner_url, feature_names=FEATURE_NAMES)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_logs SET actor = 'x'", "DELETE FROM audit_logs", "TRUNCATE audit_logs"]
)
def test_the_application_cannot_change_the_audit_trail(
    database_urls: ClusterUrls, database: Database, statement: str
) -> None:
    with database.transaction() as tx:
        audit.write(tx, AuditEvent(event_type="maintenance", actor="test", action="execute", target="test"))
    with (
        psycopg.connect(libpq(database_urls.app_url)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_a_missing_schema_is_named(database_urls: ClusterUrls, database: Database) -> None:
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(Unavailable, match="iit db upgrade"), database.transaction() as tx:
        migrate.check(tx)
