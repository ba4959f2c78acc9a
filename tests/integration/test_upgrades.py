"""An upgrade stops nobody: what the version before asks of the database still works, and no migration blocks it."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event
from tests.conftest import libpq

from iit.features.registry import FEATURE_NAMES
from iit.store import migrate
from iit.store.embedded.cluster import APPLICATION_ROLE, ClusterUrls

_FIRST = "0007"  # the first release: nobody runs anything older beside a newer one
_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
       a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
  AND a.attnum > 0 AND NOT a.attisdropped AND c.relname NOT IN ('alembic_version', 'features')
"""
_LIMITS = """
SELECT conrelid::regclass::text, conname FROM pg_constraint
WHERE contype IN ('c', 'f', 'u', 'x', 'p') AND connamespace = 'public'::regnamespace
UNION SELECT indrelid::regclass::text, indexrelid::regclass::text FROM pg_index JOIN pg_class c ON c.oid = indexrelid
WHERE indisunique AND c.relnamespace = 'public'::regnamespace
"""
_BLOCKING = (
    r"CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY).*?\sON\s+(?P<table>\w+)",
    r"DROP\s+INDEX\s+(?!CONCURRENTLY)(?P<table>)",
    r"ALTER\s+TABLE\s+(?P<table>\w+)\s+ADD\s+CONSTRAINT(?!.*(?:NOT\s+VALID|USING\s+INDEX))",
    r"ALTER\s+TABLE\s+(?P<table>\w+)\s+ALTER\s+(?:COLUMN\s+)?\w+\s+(?:SET\s+NOT\s+NULL|(?:SET\s+DATA\s+)?TYPE)",
    r"(?:VACUUM\s+FULL|CLUSTER|LOCK\s+TABLE|REINDEX\s+TABLE)\s+(?!CONCURRENTLY)(?P<table>\w+)",
)


@dataclass(frozen=True)
class Schema:
    """What a revision offers: columns with their types, those a writer must fill, limits, and what may be done."""

    columns: dict[tuple[str, str], str]
    required: set[tuple[str, str]]
    limits: set[tuple[str, str]]
    allowed: set[str]

    @property
    def tables(self) -> set[str]:
        return {table for table, _ in self.columns}


@dataclass(frozen=True)
class Step:
    """A migration: the schema before and after, and the statements that it ran."""

    revision: str
    before: Schema
    after: Schema
    statements: list[str]


@pytest.fixture(scope="module")
def steps(cluster: ClusterUrls) -> Iterator[list[Step]]:
    server = libpq(cluster.owner_url).replace("/iit_ml_service?", "/postgres?")
    url = cluster.owner_url.replace("/iit_ml_service?", "/stepwise?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE stepwise")
    try:
        yield list(_walk(url))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("DROP DATABASE stepwise WITH (FORCE)")


def _walk(url: str) -> Iterator[Step]:
    revisions = [one.revision for one in ScriptDirectory.from_config(migrate._config()).walk_revisions()][::-1]
    _move(url, _FIRST)
    before = _schema(url, ())
    for revision in revisions[revisions.index(_FIRST) + 1 :]:
        statements = _move(url, revision)
        after = _schema(url, before.allowed)
        yield Step(revision, before, after, statements)
        before = _schema(url, ())


def _move(url: str, revision: str) -> list[str]:
    statements: list[str] = []
    engine = create_engine(url)

    def keep(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", keep)
    with engine.connect() as connection:
        command.upgrade(migrate._config(connection), revision)
    engine.dispose()
    return statements


def _schema(url: str, asked: Collection[str]) -> Schema:
    """Return what a database offers; without `asked`, every statement on one column or table is tried."""
    with psycopg.connect(libpq(url), autocommit=True) as connection:
        rows = connection.execute(_COLUMNS).fetchall()
        limits = set(connection.execute(_LIMITS).fetchall())
        connection.execute(f"SET ROLE {APPLICATION_ROLE}")  # type: ignore[arg-type]
        wanted = asked or {statement for table, column, *_ in rows for statement in _statements(table, column)}
        allowed = {statement for statement in wanted if _works(connection, statement)}
    return Schema({(t, c): kind for t, c, kind, _ in rows}, {(t, c) for t, c, _, must in rows if must}, limits, allowed)


def _statements(table: str, column: str) -> Iterator[str]:
    for form in (
        'SELECT "{column}" FROM "{table}"',
        'INSERT INTO "{table}" ("{column}") VALUES (NULL)',
        'UPDATE "{table}" SET "{column}" = NULL',
        'DELETE FROM "{table}"',
    ):
        yield form.format(table=table, column=column)


def _works(connection: "psycopg.Connection[Any]", statement: str) -> bool:
    try:
        connection.execute(f"EXPLAIN {statement}")  # type: ignore[arg-type]  # plans and checks rights, changes nothing
    except psycopg.Error:
        return False
    return True


def blocking(statements: list[str], tables: set[str]) -> list[str]:
    """Return the statements that would hold up users of tables that exist already."""
    found = []
    for statement in statements:
        plain = statement.replace('"', "")
        for pattern in _BLOCKING:
            match = re.search(pattern, plain, re.IGNORECASE | re.DOTALL)
            if match and (not match["table"] or match["table"] in tables):
                found.append(statement)
    return found


def losses(step: Step) -> dict[str, list[Any]]:
    """Return what the version before relies on and no longer has."""
    old, new = step.before, step.after
    return {
        "columns gone or of another type": [one for one, kind in old.columns.items() if new.columns.get(one) != kind],
        "columns that it does not fill": [
            one for one in new.required - old.required if one[0] in old.tables and one in new.columns
        ],
        "limits that it does not know": [one for one in new.limits - old.limits if one[0] in old.tables],
        "statements that fail": sorted(old.allowed - new.allowed),
    }


def test_the_version_before_goes_on_beside_each_migration(steps: list[Step]) -> None:
    assert steps[0].before.allowed > {'INSERT INTO "predictions" ("risk_score") VALUES (NULL)'}
    for step in steps:
        assert {step.revision: {name: rows for name, rows in losses(step).items() if rows}} == {step.revision: {}}


def test_no_migration_blocks_those_who_work(steps: list[Step]) -> None:
    for step in steps:
        assert "SET lock_timeout = '5s'" in step.statements
        assert (step.revision, blocking(step.statements, step.before.tables)) == (step.revision, [])


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX i ON predictions (as_of)",
        "CREATE UNIQUE INDEX i ON predictions (as_of)",
        "DROP INDEX idx_predictions_as_of",
        "ALTER TABLE predictions ADD CONSTRAINT c CHECK (risk_score >= 0)",
        "ALTER TABLE predictions ALTER COLUMN facility SET NOT NULL",
        "ALTER TABLE predictions ALTER COLUMN risk_score TYPE real",
        'LOCK TABLE "predictions"',
    ],
)
def test_what_blocks_is_found(statement: str) -> None:
    assert blocking([statement], {"predictions"}) == [statement]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX CONCURRENTLY i ON predictions (as_of)",
        "CREATE INDEX i ON made_just_now (as_of)",
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "ALTER TABLE predictions ADD CONSTRAINT c CHECK (risk_score >= 0) NOT VALID",
        "ALTER TABLE predictions ADD COLUMN note TEXT",
    ],
)
def test_what_does_not_block_is_left_alone(statement: str) -> None:
    assert blocking([statement], {"predictions"}) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("ALTER TABLE sessions DROP COLUMN expires_at", "columns gone or of another type"),
        ("ALTER TABLE sessions ADD COLUMN device text NOT NULL", "columns that it does not fill"),
        ("ALTER TABLE sessions ADD CHECK (length(user_name) < 9)", "limits that it does not know"),
        ("REVOKE INSERT ON sessions FROM ml_service", "statements that fail"),
        ("ALTER TABLE sessions RENAME TO logins", "statements that fail"),
    ],
)
def test_what_the_version_before_would_miss_is_found(database_urls: ClusterUrls, change: str, kind: str) -> None:
    asked = {one for column in ("token_hash", "user_name", "expires_at") for one in _statements("sessions", column)}
    before = _schema(database_urls.owner_url, asked)
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as connection:
        connection.execute(change)  # type: ignore[call-overload]
    assert losses(Step("", before, _schema(database_urls.owner_url, before.allowed), []))[kind]


def test_a_version_starts_and_serves_on_the_schema_of_the_next(database_urls: ClusterUrls) -> None:
    engine = create_engine(database_urls.owner_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert not migrate.upgrade(database_urls.owner_url, feature_names=FEATURE_NAMES)
    with engine.connect() as connection:
        migrate.check(connection)
        assert migrate._revision(connection) == "9999"
    engine.dispose()
