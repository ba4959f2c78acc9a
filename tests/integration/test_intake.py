"""Taking records in: each document wholly or not at all, and the same twice changes nothing."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from tests.documents import a_document, encoded, uuid_of

from iit.domain.access import EVERYTHING
from iit.domain.errors import InvalidInput
from iit.domain.record import Record, make_record
from iit.features.columns import pack
from iit.ingest.sources import SourceDocument, documents
from iit.services.intake import Intake, IntakeSummary
from iit.store import records as record_store
from iit.store.database import Database
from iit.testing import TESTER

TABLES = ("patients", "events", "records", "facilities")


@pytest.fixture
def intake(database: Database) -> Iterator[Intake]:
    yield Intake(database, ZoneInfo("Africa/Lagos"), lambda: datetime.now(ZoneInfo("Africa/Lagos")))
    with database.transaction() as tx:
        tx.execute(text("DELETE FROM patients"))


def take(intake: Intake, *given: object) -> IntakeSummary:
    return intake.take([SourceDocument(f"doc {i}", encoded(one)) for i, one in enumerate(given)], who=TESTER)


def snapshot(database: Database) -> dict[str, object]:
    with database.transaction() as tx:
        return {
            table: tx.execute(
                text(f"SELECT md5(string_agg(t::text || xmin::text, '|' ORDER BY t::text)) FROM {table} t")  # noqa: S608
            ).scalar()
            for table in TABLES
        }


def test_importing_twice_changes_no_row(intake: Intake, database: Database) -> None:
    first = take(intake, a_document("one"), a_document("two"))
    before = snapshot(database)
    again = take(intake, a_document("one"), a_document("two"))
    assert (first.n_added, again.n_added, again.n_unchanged) == (2, 0, 2)
    assert snapshot(database) == before


def test_a_newer_export_updates_and_what_it_lacks_disappears(intake: Intake, database: Database) -> None:
    take(intake, a_document("one"))
    newer = a_document("one", days=("2024-01-10",), messageCreationDateTime="2024-03-02 08:00:00")
    assert take(intake, newer).n_updated == 1
    with database.transaction() as tx:
        days = [
            e.occurred_at.date().isoformat() for e in record_store.events_of(tx, uuid_of(newer)) if e.code == "PICKUP"
        ]
    assert days == ["2024-01-10"]


def test_an_older_export_is_ignored(intake: Intake, database: Database) -> None:
    take(intake, a_document("one"))
    before = snapshot(database)
    older = a_document("one", days=("2024-01-10",), messageCreationDateTime="2024-02-20 08:00:00")
    assert take(intake, older).n_older == 1
    assert snapshot(database) == before


NOW = datetime(2024, 3, 10, 12, tzinfo=ZoneInfo("Africa/Lagos"))


@pytest.mark.parametrize(
    ("exported", "rejected"),
    [
        pytest.param("2024-03-11 12:00:00", 0, id="a day ahead: clocks differ"),
        pytest.param("2024-03-11 12:00:01", 1, id="further ahead"),
        pytest.param("2099-12-31 00:00:00", 1, id="far ahead"),
    ],
)
def test_an_export_from_the_future_is_refused_and_moves_nothing(
    database: Database, exported: str, rejected: int
) -> None:
    intake = Intake(database, ZoneInfo("Africa/Lagos"), lambda: NOW)
    name = f"ahead {exported}"
    summary = take(intake, a_document(name, messageCreationDateTime=exported, facilityDatimCode=f"SYN9{rejected}"))
    assert (summary.n_added, summary.n_rejected) == (1 - rejected, rejected)
    if rejected:
        assert summary.rejections[0].reason == "messageHeader.messageCreationDateTime: lies in the future"
        with pytest.raises(InvalidInput, match="lies in the future"):
            intake.take_one(encoded(a_document(name, messageCreationDateTime=exported)), who=TESTER)
    with database.transaction() as tx:
        reach = tx.execute(text("SELECT max(data_until) FROM facilities")).scalar()
        tx.execute(text("DELETE FROM patients"))
        tx.execute(text("DELETE FROM facilities WHERE facility LIKE 'SYN9%'"))
    assert reach is None or reach <= NOW.date().replace(day=11)


def test_without_a_time_of_export_no_fact_lies_in_the_future(database: Database) -> None:
    intake = Intake(database, ZoneInfo("Africa/Lagos"), lambda: NOW)
    document = a_document("no clock", days=("2024-01-10", "2098-10-26"), messageCreationDateTime=None)
    record, _ = intake.take_one(encoded(document), who=TESTER)
    assert max(one.occurred_at for one in record.events) <= NOW
    with database.transaction() as tx:
        tx.execute(text("DELETE FROM patients"))


def test_of_two_exports_in_one_batch_the_newest_stays(intake: Intake, database: Database) -> None:
    newer = a_document("one", days=("2024-01-10",), messageCreationDateTime="2024-03-02 08:00:00")
    summary = take(intake, newer, a_document("one"))
    assert (summary.n_added, summary.n_older) == (1, 1)
    with database.transaction() as tx:
        assert len([e for e in record_store.events_of(tx, uuid_of(newer)) if e.code == "PICKUP"]) == 1


def test_a_voided_patient_is_removed(intake: Intake, database: Database) -> None:
    document = a_document("one")
    take(intake, document)
    document["messageData"]["demographics"]["voided"] = 1
    document["messageHeader"]["messageCreationDateTime"] = "2024-03-02 08:00:00"
    assert take(intake, document).n_removed == 1
    with database.transaction() as tx:
        assert record_store.facts_of(tx, uuid_of(document), EVERYTHING) is None
        assert record_store.events_of(tx, uuid_of(document)) == []


def test_a_bad_document_is_rejected_and_the_others_go_on(intake: Intake) -> None:
    day_first = a_document("bad")
    day_first["messageData"]["demographics"]["birthdate"] = "14/05/1991"
    summary = take(intake, a_document("one"), day_first, {"no": "data"}, a_document("two"))
    assert (summary.n_read, summary.n_added, summary.n_rejected) == (4, 2, 2)
    assert [one.place for one in summary.rejections] == ["doc 1", "doc 2"]
    assert "birthdate" in summary.rejections[0].reason
    assert "1991" not in summary.rejections[0].reason


def test_the_numbers_add_up(intake: Intake) -> None:
    take(intake, a_document("one"), a_document("two"))
    newer = a_document("one", days=("2024-01-10",), messageCreationDateTime="2024-03-02 08:00:00")
    summary = take(intake, newer, a_document("two"), a_document("three"), a_document("three"), {})
    told = summary.as_dict()
    parts = ("added", "updated", "unchanged", "older", "removed", "rejected", "erased")
    assert sum(int(str(told[name])) for name in parts) == told["read"] == 5


def test_nothing_is_stored_of_a_rejected_document(intake: Intake, database: Database) -> None:
    before = snapshot(database)
    with pytest.raises(InvalidInput):
        intake.take_one(b"{", who=TESTER)
    assert snapshot(database) == before


def test_stored_events_and_packed_facts_say_the_same(intake: Intake, database: Database) -> None:
    document = a_document("one")
    record, _ = intake.take_one(encoded(document), who=TESTER)
    with database.transaction() as tx:
        stored = record_store.facts_of(tx, uuid_of(document), EVERYTHING)
        events = record_store.events_of(tx, uuid_of(document))
    assert stored is not None
    assert stored.facts == pack(make_record(record.patient, events)) == pack(Record(record.patient, record.events))


def test_no_name_and_no_phone_reaches_the_database(intake: Intake, database: Database) -> None:
    take(intake, a_document("one"))
    with database.transaction() as tx:
        for table in TABLES:
            found = tx.execute(text(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%CANARY%'")).scalar()  # noqa: S608
            assert found == 0


def test_files_in_a_folder_are_taken(intake: Intake, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(encoded(a_document("one")))
    (tmp_path / "b.ndjson").write_bytes(
        encoded(a_document("two")) + b"\n" + encoded(a_document("three")) + b"\nnot json\n"
    )
    summary = intake.take(documents([tmp_path]), who=TESTER)
    assert (summary.n_added, summary.n_rejected) == (3, 1)
    assert summary.rejections[0].place.endswith("b.ndjson:3")
