"""Each kind of damage, planted, is found and named; a sound database has no finding."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg import sql
from tests.conftest import AUDIT_KEYS, libpq
from tests.documents import a_document, encoded, uuid_of

from iit.domain.errors import InvalidInput
from iit.ingest.sources import SourceDocument
from iit.model.registry import Registry
from iit.ops.integrity import Scope, check
from iit.ops.tools import Tools
from iit.services.answers import audit_of
from iit.services.intake import Intake
from iit.store import predictions, server
from iit.store.database import Database, open_database
from iit.store.embedded.binaries import find_binaries
from iit.store.embedded.cluster import ClusterUrls
from iit.store.predictions import PredictionRow
from iit.testing import TESTER

UUID = uuid_of(a_document("a"))


@pytest.fixture(scope="module")
def owned(database_urls: ClusterUrls) -> Iterator[Database]:
    """A database with two patients and their predictions."""
    opened = open_database(database_urls.owner_url, time_zone="Africa/Lagos", audit_keys=AUDIT_KEYS)
    Intake(opened, ZoneInfo("Africa/Lagos"), lambda: datetime.now(ZoneInfo("Africa/Lagos"))).take(
        [SourceDocument(name, encoded(a_document(name))) for name in "ab"], who=TESTER
    )
    for day, risk in ((1, 0.2), (2, 0.4)):
        row = PredictionRow(
            uuid4(), UUID, "SYN000001", "v1", date(2024, 3, day), None, risk, "medium", [], [1.0], 1, "champion",
            None, [], "test",
        )  # fmt: skip
        with opened.transaction() as tx:
            predictions.save(tx, [row], audit=[audit_of(row)])
    yield opened
    opened.close()


@contextmanager
def planted(urls: ClusterUrls, damage: str) -> Iterator[None]:
    """Run a statement past all constraints; the tables are as before afterwards."""
    tables = [
        sql.Identifier(name) for name in ("facilities", "patients", "events", "records", "predictions", "sessions")
    ]
    kept = [sql.Identifier(f"kept_{place}") for place in range(len(tables))]
    with psycopg.connect(libpq(urls.owner_url), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for table, copy in zip(tables, kept, strict=True):
            connection.execute(sql.SQL("CREATE TEMP TABLE {} AS SELECT * FROM {}").format(copy, table))
        connection.execute(damage)
        try:
            yield
        finally:
            for table, copy in zip(tables, kept, strict=True):
                connection.execute(sql.SQL("DELETE FROM {}").format(table))
                connection.execute(sql.SQL("INSERT INTO {} SELECT * FROM {}").format(table, copy))


def test_a_sound_database_has_no_finding(owned: Database, database_urls: ClusterUrls, tmp_path: Path) -> None:
    with owned.transaction() as tx:
        rows = {table: (count, count) for table, count in server.row_counts(tx).items()}
        binaries = find_binaries(major=server.major(tx))
    tools = Tools(binaries.folder, binaries.major, server.connection_environment(database_urls.owner_url))
    assert rows["patients"] == (2, 2)
    assert check(owned, Scope(registry=Registry(tmp_path), tools=tools, rows=rows)) == []


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("DELETE FROM facilities", "patients without their facility"),
        ("DELETE FROM patients", "events without their patient"),
        ("DELETE FROM patients", "records without their patient"),
        ("DELETE FROM records", "events without a record"),
        ("UPDATE records SET facility = 'X'", "records of another facility than their patient"),
        ("INSERT INTO sessions VALUES ('x', 'nobody', now(), now())", "sessions without their user"),
        ("UPDATE predictions SET risk_score = 1.01", "predictions with a risk outside 0 to 1"),
        ("UPDATE predictions SET risk_score = 'NaN'", "predictions with a risk outside 0 to 1"),
        ("UPDATE patients SET risk_score = -0.01", "patients with a risk outside 0 to 1"),
        ("UPDATE predictions SET risk_band = 'severe'", "predictions with an unknown band"),
        ("UPDATE patients SET risk_band = 'severe'", "patients with an unknown band"),
        ("UPDATE predictions SET source = 'guess'", "predictions of an unknown source"),
        ("UPDATE patients SET risk_score = 0.3", "patients whose latest risk is not that of their last prediction"),
        (
            "UPDATE patients SET risk_score = 0.2, risk_as_of = '2024-03-01'",
            "patients whose latest risk is not that of their last prediction",
        ),
        ("UPDATE patients SET risk_score = NULL", "patients who lack the risk of their last prediction"),
        ("DELETE FROM events WHERE code LIKE 'PICKUP%'", "records whose packed facts differ from their events"),
        (
            "UPDATE events SET numeric_value = numeric_value + 1",
            "records whose packed facts differ from their events",
        ),
        (
            "UPDATE events SET occurred_at = occurred_at + interval '1 day'",
            "records whose packed facts differ from their events",
        ),
        (
            "UPDATE records SET facts = set_byte(facts, 0, get_byte(facts, 0) # 1)",
            "records whose packed facts differ from their events",
        ),
        ("UPDATE events SET code = 'NOTHING'", "events hold a code of no known kind"),
    ],
)
def test_planted_damage_is_named(owned: Database, database_urls: ClusterUrls, damage: str, reason: str) -> None:
    with planted(database_urls, damage):
        found = check(owned, Scope())
    assert reason in [one.reason for one in found]
    assert UUID not in str(found)
    assert check(owned, Scope()) == []


def test_rows_that_are_missing_or_too_many_are_found(owned: Database) -> None:
    with owned.transaction() as tx:
        counts = server.row_counts(tx)
    rows = {
        "patients": (1, 1),
        "events": (counts["events"] - 1, counts["events"] + 1),
        "gone": (0, 0),
        "sessions": (9, 9),
    }
    reasons = {one.reason for one in check(owned, Scope(rows=rows))}
    assert reasons == {"patients holds 2 rows; the manifest says 1", "the table gone is gone"}


def test_a_broken_index_is_found(owned: Database, database_urls: ClusterUrls) -> None:
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as connection:
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_records_facility'::regclass")
        found = check(owned, Scope())
        connection.execute("UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'idx_records_facility'::regclass")
    assert [one.reason for one in found] == ["indexes that are not valid"]


def test_a_broken_audit_chain_is_a_finding(owned: Database) -> None:
    def broken() -> None:
        raise InvalidInput("entry 7 was altered", place="audit_logs")

    (found,) = check(owned, Scope(audit_chain=broken))
    assert (found.check, found.reason) == ("audit chain", "audit_logs: entry 7 was altered")


def test_a_damaged_registry_is_a_finding(owned: Database, tmp_path: Path) -> None:
    (tmp_path / "registry.json").write_text("{")
    (found,) = check(owned, Scope(registry=Registry(tmp_path)))
    assert found.check == "models"
