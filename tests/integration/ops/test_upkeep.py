"""Maintenance of a database: figures fresh, old things gone, full disks and late backups told; and the report."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from tests.conftest import AUDIT_KEYS, libpq
from tests.manifests import NOW, a_backup

from iit.domain.errors import InvalidInput, Unavailable
from iit.ops import reports
from iit.ops.journal import journal
from iit.ops.maintenance import DiskLimits, daily, prune_log, weekly
from iit.ops.reports import bars
from iit.store import maintenance
from iit.store.activity import Share
from iit.store.database import Database, open_database
from iit.store.embedded.cluster import ClusterUrls


@pytest.fixture(scope="module")
def owned(database_urls: ClusterUrls) -> Iterator[Database]:
    opened = open_database(database_urls.owner_url, time_zone="Africa/Lagos", audit_keys=AUDIT_KEYS)
    yield opened
    opened.close()


@pytest.fixture
def connection(database_urls: ClusterUrls) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as made:
        yield made


def test_expired_sessions_go_and_others_stay(owned: Database, connection: "psycopg.Connection[tuple[object]]") -> None:
    connection.execute("INSERT INTO users VALUES ('x', 'x', 'viewer')")
    for name, expires in (("old", NOW - timedelta(seconds=1)), ("new", NOW + timedelta(seconds=1))):
        connection.execute("INSERT INTO sessions VALUES (%s, 'x', %s)", [name.encode(), expires])
    figures, wrong = daily(owned, now=NOW, disks=DiskLimits(folders=(), percent=80))
    assert (figures["sessions_removed"], wrong) == (1, [])
    assert connection.execute("SELECT token_hash FROM sessions").fetchall() == [(b"new",)]


def test_figures_of_the_planner_are_fresh(owned: Database, connection: "psycopg.Connection[tuple[object]]") -> None:
    weekly(owned, None, now=NOW, keep_days=30, logs=())
    daily(owned, now=NOW, disks=DiskLimits(folders=(), percent=80))
    told = connection.execute(
        "SELECT count(*) FILTER (WHERE last_analyze IS NULL), count(*) FILTER (WHERE last_vacuum IS NULL)"
        " FROM pg_stat_user_tables WHERE relname <> 'alembic_version'"
    ).fetchone()
    assert told == (0, 0)


@pytest.mark.parametrize(("percent", "n_wrong"), [(0.001, 1), (99.999, 0)], ids=["a low limit", "a high limit"])
def test_disks_are_compared_as_numbers(owned: Database, tmp_path: Path, percent: float, n_wrong: int) -> None:
    _, wrong = daily(owned, now=NOW, disks=DiskLimits(folders=(tmp_path, tmp_path / "none"), percent=percent))
    assert len(wrong) == n_wrong


@pytest.mark.parametrize(("hours", "is_late"), [(26, False), (26.1, True)])
def test_a_late_backup_is_told(
    owned: Database, connection: "psycopg.Connection[tuple[object]]", hours: float, is_late: bool
) -> None:
    at = NOW - timedelta(hours=hours)
    connection.execute("DELETE FROM backups")
    connection.execute("INSERT INTO backups VALUES ('a', 'full', 'good', 'x', %s, %s)", [at, at])
    connection.execute("INSERT INTO backups VALUES ('b', 'models', 'good', 'x', %s, %s)", [NOW, NOW])
    connection.execute("INSERT INTO backups VALUES ('c', 'full', 'failed', 'x', %s, %s)", [NOW, NOW])
    _, wrong = daily(owned, now=NOW, disks=DiskLimits(folders=(), percent=80))
    assert bool(wrong) == is_late


@pytest.mark.parametrize(
    ("first_backup", "rehearsed", "is_told"),
    [(100, None, False), (101, None, True), (300, 100, False), (300, 101, True)],
)
def test_a_backup_that_nobody_tried_for_a_hundred_days_is_told(
    owned: Database,
    connection: "psycopg.Connection[tuple[object]]",
    first_backup: int,
    rehearsed: int | None,
    is_told: bool,
) -> None:
    connection.execute("DELETE FROM backups")
    connection.execute("DELETE FROM maintenance_log")
    for name, at in (("old", NOW - timedelta(days=first_backup)), ("new", NOW)):
        connection.execute("INSERT INTO backups VALUES (%s, 'full', 'good', 'x', %s, %s)", [name, at, at])
    for days, outcome in ((rehearsed, "ok"), (1, "failed")):
        if days is not None:
            at = NOW - timedelta(days=days)
            connection.execute(
                "INSERT INTO maintenance_log (task, actor, started_at, finished_at, outcome, detail)"
                " VALUES ('restore rehearsal', 'test', %s, %s, %s, '{}')",
                [at, at, outcome],
            )
    _, wrong = daily(owned, now=NOW, disks=DiskLimits(folders=(), percent=80))
    assert bool(wrong) == is_told


def test_the_log_before_the_oldest_backup_goes_and_histories_stay(tmp_path: Path) -> None:
    kept = ["000000010000000000000005.gz", "000000010000000000000006.partial", "00000002.history.gz", "note.txt"]
    for name in [*kept, "000000010000000000000004.gz", "000000010000000000000003.00000028.backup.gz"]:
        (tmp_path / name).touch()
    backup = a_backup(1)
    assert prune_log(tmp_path, []) == 0
    assert prune_log(tmp_path, [backup]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_every_task_leaves_a_row(owned: Database) -> None:
    said: list[str] = []
    with journal("good", actor="test", opened=lambda: nullcontext(owned), now=lambda: NOW, warn=said.append) as detail:
        detail["n"] = 1
    with (
        pytest.raises(Unavailable),
        journal("bad", actor="test", opened=lambda: nullcontext(owned), now=lambda: NOW, warn=said.append),
    ):
        raise Unavailable("no disk", place="disk")
    with owned.transaction() as tx:
        bad, good = maintenance.logged(tx, limit=2)
    assert (good.task, good.outcome, good.detail) == ("good", "ok", {"n": 1})
    assert (bad.task, bad.outcome, bad.detail) == ("bad", "failed", {"reason": "disk: no disk"})
    assert said == []


def test_the_application_cannot_change_the_log_of_maintenance(database_urls: ClusterUrls) -> None:
    with psycopg.connect(libpq(database_urls.app_url)) as connection:
        for statement in ("UPDATE maintenance_log SET outcome = 'ok'", "DELETE FROM maintenance_log"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
            connection.rollback()


def test_the_report_counts_its_month_only(
    owned: Database, connection: "psycopg.Connection[tuple[object]]", tmp_path: Path
) -> None:
    for day in ("2025-05-31", "2025-06-01", "2025-06-30", "2025-07-01"):
        connection.execute(
            "INSERT INTO predictions VALUES (gen_random_uuid(), 'p', '<b>F</b>', 'v1', %s, NULL, 0.5, 'high', '[]',"
            " '{1}', 1, 'champion', 0.9, '[]', 'test', %s)",
            [day, f"{day} 12:00+00"],
        )
    path = tmp_path / "reports" / "2025-06.html"
    connection.execute("DELETE FROM maintenance_log")
    for week in range(5):
        at, size = NOW - timedelta(weeks=60 - week), (100 + week + week % 2) * 1_000_000
        connection.execute(
            "INSERT INTO maintenance_log (task, actor, started_at, finished_at, outcome, detail)"
            " VALUES ('maintenance weekly', 'test', %s, %s, 'ok', jsonb_build_object('database_bytes', %s::bigint))",
            [at, at, size],
        )
    start, end = datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)
    told = reports.compose("monthly", owned, start=start, end=end, free_bytes=10**12)
    page = reports.as_page(told).decode()
    assert told["n_predictions"] == 2
    assert "2 predictions from 2025-06-01" in page
    assert "&lt;b&gt;F&lt;/b&gt;" in page
    assert page.count("<rect") == 2
    pdf = path.with_suffix(".pdf")
    reports.write(told, pdf)
    assert sorted(path.parent.iterdir()) == [pdf]
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert pdf.read_bytes().count(b"/Subtype /Image") >= 1


def test_reports_tell_what_the_database_holds(
    owned: Database, connection: "psycopg.Connection[tuple[object]]", tmp_path: Path
) -> None:
    start, end = datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC)
    for day in ("2024-06-01", "2024-06-30", "2024-07-01"):
        connection.execute(
            "INSERT INTO predictions VALUES (gen_random_uuid(), 'p', '<b>F</b>', 'v1', %s, NULL, 0.5, 'high', '[]',"
            " '{1}', 1, 'champion', 0.9, '[]', 'test', %s)",
            [day, f"{day} 12:00+00"],
        )
    for segment, value in (("all", 0.71), ("low", 0.65), ("high", 0.77)):
        for name, at in (("live_auroc", "2024-06-20"), ("live_auroc", "2024-07-20")):
            connection.execute(
                "INSERT INTO model_metrics (model_id, metric_name, metric_value, segment, recorded_at)"
                " VALUES ('v1', %s, %s, %s, %s)",
                [name, value if at < "2024-07" else 0.99, segment, at],
            )
    connection.execute(
        "INSERT INTO model_metrics (model_id, metric_name, metric_value, segment, recorded_at)"
        " VALUES ('v1', 'data_quality_score', 0.42, 'SYN1', '2024-06-20')"
    )
    performance = reports.compose("performance", owned, start=start, end=end, free_bytes=10**12)
    assert performance["tables"]["Live figures, with 95 % intervals"] == [("v1, auroc", "0.7100 (0.6500 to 0.7700)")]
    quality = reports.compose("quality", owned, start=start, end=end, free_bytes=10**12)
    assert quality["tables"]["Quality score by facility, lowest first"] == [("SYN1", "0.420")]
    assert quality["tables"]["Known features by facility, lowest first"] == [("<b>F</b>", "90.0 % of 2 predictions")]
    text = reports.as_text(quality).decode()
    assert "2 predictions from 2024-06-01 until before 2024-07-01." in text
    with pytest.raises(InvalidInput):
        reports.write(quality, tmp_path / "quality.docx")


@pytest.mark.parametrize("kind", reports.KINDS)
def test_a_report_of_a_time_without_anything_says_so(owned: Database, kind: str) -> None:
    start, end = datetime(1999, 6, 1, tzinfo=UTC), datetime(1999, 7, 1, tzinfo=UTC)
    text = reports.as_text(reports.compose(kind, owned, start=start, end=end, free_bytes=10**12)).decode()
    assert "No prediction was made from 1999-06-01 until before 1999-07-01." in text
    assert " nan" not in text


def test_bars_are_as_high_as_their_share() -> None:
    low, high = bars([Share("a", 1), Share("b", 4)])
    assert (low["height"], high["height"], high["y"]) == (20, 80, 0)
    assert bars([]) == []
