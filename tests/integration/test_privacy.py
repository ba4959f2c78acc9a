"""Everything about a person can be given out and removed, and does not come back by itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from tests.documents import a_document, encoded, uuid_of
from tests.integration.audit_trails import an_audit

from iit.domain.access import on_behalf_of
from iit.domain.audit import AuditEvent
from iit.domain.errors import Conflict, NotFound
from iit.ingest.sources import SourceDocument, documents
from iit.services.intake import Intake
from iit.services.privacy import Privacy
from iit.store import predictions as prediction_store
from iit.store import privacy as privacy_store
from iit.store.audit import AuditFilter
from iit.store.database import Database
from iit.store.predictions import PredictionRow
from iit.store.schema import metadata
from iit.testing import TESTER

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def intake(database: Database) -> Intake:
    return Intake(database, ZoneInfo("Africa/Lagos"), lambda: datetime.now(ZoneInfo("Africa/Lagos")))


@pytest.fixture
def privacy(database: Database) -> Privacy:
    return Privacy(database, lambda: datetime.now(UTC))


def predict(database: Database, patient_uuid: str, *, days_ago: int = 0) -> None:
    row = PredictionRow(
        uuid4(), patient_uuid, "SYN000001", "v1", NOW.date(), NOW.date(), 0.25, "low", [], [1.0], 1, "champion", 1.0,
        [], "key:test",
    )  # fmt: skip
    event = AuditEvent(event_type="prediction", actor="test", action="execute", target=f"patient:{patient_uuid}")
    with database.transaction() as tx:
        prediction_store.save(tx, [row], audit=[event])
        tx.execute(
            text("UPDATE predictions SET created_at = :at WHERE prediction_id = :id"),
            {"at": datetime.now(UTC) - timedelta(days=days_ago), "id": row.prediction_id},
        )


def rows_with(database: Database, patient_uuid: str) -> list[str]:
    """Return the tables in which the id of a person stands, found by looking and not by knowing."""
    found = []
    with database.transaction() as tx:
        for table in metadata.tables:
            query = text(f"SELECT count(*) FROM {table} t WHERE t::text LIKE :uuid")  # noqa: S608
            if tx.execute(query, {"uuid": f"%{patient_uuid}%"}).scalar():
                found.append(table)
    return sorted(found)


def test_everything_kept_about_a_person_is_given_out(intake: Intake, privacy: Privacy, database: Database) -> None:
    document = a_document("export")
    intake.take_one(encoded(document), who=on_behalf_of("user:ada"))
    predict(database, uuid_of(document))
    told = privacy.export(uuid_of(document), who=on_behalf_of("user:officer"))
    assert sorted(told) == ["audit_logs", "events", "patients", "predictions", "records"]
    assert [row["event_type"] for row in told["audit_logs"]] == ["records_imported", "prediction"]
    again = privacy.export(uuid_of(document), who=on_behalf_of("user:officer"))
    assert again["audit_logs"][-1]["event_type"] == "patient_exported"


def test_others_on_a_list_with_the_person_are_not_given_out(intake: Intake, privacy: Privacy, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / f"{name}.json").write_bytes(encoded(a_document(name)))
    intake.take(documents([tmp_path]), who=TESTER)
    told = privacy.export(uuid_of(a_document("first")), who=TESTER)
    assert uuid_of(a_document("second")) not in repr(told)


def test_an_erased_person_is_gone_from_all_tables_but_the_trail(
    intake: Intake, privacy: Privacy, database: Database, tmp_path: Path
) -> None:
    document = a_document("erase")
    uuid = uuid_of(document)
    intake.take_one(encoded(document), who=TESTER)
    predict(database, uuid)
    assert rows_with(database, uuid) == ["audit_logs", "events", "patients", "predictions", "records"]
    removed = privacy.erase(uuid, who=on_behalf_of("user:officer"))
    assert removed.keys() == {"events", "patients", "predictions", "records"}
    assert rows_with(database, uuid) == ["audit_logs"]
    audit = an_audit(database, tmp_path)
    (row,) = audit.search(AuditFilter(event_types=["patient_erased"]), limit=1, who=TESTER)
    assert (row.target, row.actor, row.detail["predictions"]) == (f"patient:{uuid}", "user:officer", 1)
    assert audit.verify(who=TESTER).is_sound


def test_an_import_does_not_bring_an_erased_person_back(intake: Intake, privacy: Privacy, database: Database) -> None:
    document = a_document("comes again")
    intake.take_one(encoded(document), who=TESTER)
    privacy.erase(uuid_of(document), who=TESTER)
    with pytest.raises(Conflict, match="readmit"):
        intake.take_one(encoded(document), who=TESTER)
    summary = intake.take([SourceDocument("a place", encoded(document))], who=TESTER)
    assert (summary.n_read, summary.n_erased, summary.n_added) == (1, 1, 0)
    assert rows_with(database, uuid_of(document)) == ["audit_logs"]
    privacy.readmit(uuid_of(document), who=TESTER)
    assert intake.take_one(encoded(document), who=TESTER)[1].n_added == 1


def test_nobody_is_erased_exported_or_readmitted_who_is_not_there(privacy: Privacy) -> None:
    for act in (privacy.erase, privacy.export, privacy.readmit):
        with pytest.raises(NotFound):
            act("nobody", who=TESTER)


def test_predictions_are_kept_as_long_as_told(intake: Intake, privacy: Privacy, database: Database) -> None:
    document = a_document("ages")
    intake.take_one(encoded(document), who=TESTER)
    for days_ago in (89, 91, 200):
        predict(database, uuid_of(document), days_ago=days_ago)
    assert privacy.expired_predictions(90) == 2
    assert privacy.drop_expired_predictions(90, who=TESTER) == 2
    assert privacy.expired_predictions(90) == 0
    assert len(privacy.export(uuid_of(document), who=TESTER)["predictions"]) == 1


def test_every_table_that_names_persons_is_known() -> None:
    """A new table about persons either has their id or hangs on a prediction; others are listed here with intent."""
    elsewhere = {
        "api_keys",
        "backups",
        "blocked_addresses",
        "inbox",
        "jobs",
        "lockdown",
        "login_attempts",
        "maintenance_log",
        "maintenance_mode",
        "refresh_tokens",
        "audit_heads",
        "audit_logs",
        "erasures",
        "facilities",
        "facility_access",
        "model_metrics",
        "seen_tokens",
        "sessions",
        "spool_receipts",
        "users",
        "watermarks",
    }
    assert set(metadata.tables) - set(privacy_store.personal_tables()) == elsewhere
