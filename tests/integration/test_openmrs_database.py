"""An OpenMRS database: read as its exporter would write it, followed from change to change, and never written to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import stamina
from sqlalchemy import text
from tests.documents import CANARIES
from tests.openmrs.server import MariaDb, mariadb, needs_mariadb
from tests.openmrs.site import Site

from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound, Unavailable
from iit.domain.record import Event
from iit.domain.vocabulary import Kind
from iit.features.columns import pack
from iit.ingest.nmrs import Imported, read_nmrs
from iit.ingest.openmrs import statements
from iit.ingest.openmrs.address import read_address
from iit.ingest.openmrs.database import OpenmrsDatabase
from iit.ingest.openmrs.dictionary import read_dictionary
from iit.ingest.openmrs.snapshot import snapshot
from iit.ingest.openmrs.told import Batch
from iit.services.intake import Intake, content_hash
from iit.services.reconciliation import WHAT, reconcile
from iit.services.sync import Sync
from iit.store import deltas as delta_store
from iit.store import records as record_store
from iit.store import sync as sync_store
from iit.store.database import Database
from iit.store.deltas import Delta, DeltaFact
from iit.synth import cohort_documents
from iit.testing import TESTER

pytestmark = needs_mariadb

ZONE = ZoneInfo("Africa/Lagos")
FACILITY = "SYN00000007"
READ_AT = datetime(2025, 6, 30, 18, tzinfo=ZONE)  # when the documents were exported
TABLES = (
    "concept", "concept_name", "encounter", "form", "global_property", "obs", "patient", "patient_identifier",
    "patient_program", "person", "person_address", "person_attribute", "person_attribute_type", "person_merge_log",
    "visit",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _without_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=1):
        yield


@pytest.fixture(scope="module")
def documents() -> list[bytes]:
    return [data for code, _, data in cohort_documents(patients=300, seed=3) if code == FACILITY]


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDb]:
    with mariadb() as running:
        yield running


@pytest.fixture
def site(server: MariaDb, documents: list[bytes]) -> Iterator[Any]:
    """A site's database, freshly filled, and a user who may read the tables that we ask for and nothing else."""
    with server.admin() as admin, admin.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS openmrs")
        cursor.execute("DROP USER IF EXISTS reader")
        cursor.execute("CREATE DATABASE openmrs")
        cursor.execute("CREATE USER reader IDENTIFIED BY 'p@ss/word'")
        admin.select_db("openmrs")
        Site(documents).create(admin)
        for table in TABLES:
            cursor.execute(f"GRANT SELECT ON openmrs.{table} TO reader")
        yield cursor


def url_of(server: MariaDb, word: str = "p%40ss%2Fword", database: str = "openmrs", options: str = "") -> str:
    return f"mysql://reader:{word}@127.0.0.1:{server.port}/{database}{options}"


@pytest.fixture
def source(server: MariaDb, site: Any) -> OpenmrsDatabase:
    return OpenmrsDatabase(read_address(url_of(server)), None, ZONE, lambda: READ_AT)


@pytest.fixture
def sync(database: Database) -> Iterator[Sync]:
    yield Sync(
        database, Intake(database, ZONE, lambda: datetime.now(ZONE)), lambda: READ_AT, overlap=timedelta(0), batch=10
    )
    with database.transaction() as tx:
        tx.execute(text("DELETE FROM patients"))
        tx.execute(text("DELETE FROM watermarks"))


def imported(batch: Batch) -> list[Imported]:
    return [one.outcome for one in batch.told if isinstance(one.outcome, Imported)]


def kept(database: Database, patient_uuid: str) -> list[Event]:
    with database.transaction() as tx:
        return record_store.events_of(tx, patient_uuid)


def a_pickup_form(cursor: Any) -> tuple[int, int, str]:
    """Return patient, encounter and the patient's UUID of a form that is a pick-up."""
    cursor.execute(
        "SELECT e.patient_id, e.encounter_id, n.uuid FROM encounter e JOIN person n ON n.person_id = e.patient_id "
        "JOIN obs o ON o.encounter_id = e.encounter_id AND o.concept_id = 165708 AND NOT o.voided "
        "WHERE e.form_id = 27 AND NOT e.voided ORDER BY e.encounter_id LIMIT 1"
    )
    return cursor.fetchone()


def test_a_database_and_documents_tell_exactly_the_same(source: OpenmrsDatabase, documents: list[bytes]) -> None:
    told = {one.record.patient.patient_uuid: one for one in imported(source.read(source.changed(None)))}
    assert len(told) == len(documents) > 20
    for data in documents:
        mine = read_nmrs(data, zone=ZONE)
        other = told[mine.record.patient.patient_uuid]
        assert str(other.record.events) == str(mine.record.events)
        assert [tuple(map(str, event)) for event in other.record.events] == [
            tuple(map(str, event)) for event in mine.record.events
        ]
        person = other.record.patient._replace(facility_name=mine.record.patient.facility_name)
        record = other.record._replace(patient=person)
        assert content_hash(record, pack(record)) == content_hash(mine.record, pack(mine.record))


def test_nothing_of_a_person_is_read(source: OpenmrsDatabase, site: Any) -> None:
    site.execute("UPDATE obs SET value_text = %s WHERE concept_id = 159635", (CANARIES["phoneNumber"],))
    numbers = [int(key) for key in source.changed(None)]
    read = []
    with snapshot(source.address, limit_seconds=10) as view:
        words = read_dictionary(view, facility=None)
        for statement in (statements.PERSONS, statements.PLACES, statements.PHONES, statements.IDENTIFIER_TYPES,
                          statements.PROGRAMS, statements.ENCOUNTERS, statements.OBS):  # fmt: skip
            read += view.rows(statement, patients=numbers, phone_types=words.phone_types, phones=words.telephones,
                              questions=words.questions)  # fmt: skip
    assert len(read) > 1000
    shown = repr(read)
    assert [name for name, canary in CANARIES.items() if canary in shown] == []


def test_the_first_reading_takes_all_and_the_next_only_what_changed(
    sync: Sync, source: OpenmrsDatabase, site: Any, database: Database, documents: list[bytes]
) -> None:
    steps: list[tuple[int, int]] = []
    first = sync.run(source, who=TESTER, on_progress=lambda done, of: steps.append((done, of)))
    assert (first.intake.n_added, first.since) == (len(documents), None)
    assert steps[-1] == (len(documents), len(documents))
    again = sync.run(source, who=TESTER)
    assert (again.since, again.intake.n_read) == (first.until, 0)
    _, form, uuid = a_pickup_form(site)
    before = [one for one in kept(database, uuid) if one.kind is Kind.PICKUP]
    site.execute("UPDATE encounter SET voided = 1, date_voided = NOW() WHERE encounter_id = %s", (form,))
    third = sync.run(source, who=TESTER)
    after = [one for one in kept(database, uuid) if one.kind is Kind.PICKUP]
    assert (third.intake.n_read, third.intake.n_updated) == (1, 1)
    assert len(after) == len(before) - 1


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE obs SET voided = 1, date_voided = NOW() WHERE encounter_id = %(form)s",
                     id="voided answers"),
        pytest.param(
            "INSERT INTO obs (person_id, concept_id, encounter_id, obs_datetime, value_numeric, date_created, uuid) "
            "VALUES (%(patient)s, 5089, %(form)s, '2025-01-02', 61.5, NOW(), 'a-new-answer')", id="a new answer"),
        pytest.param("UPDATE person SET dead = 1, death_date = '2025-06-01', date_changed = NOW() "
                     "WHERE person_id = %(patient)s", id="a death"),
        pytest.param("UPDATE person_address SET city_village = 'Elsewhere', date_changed = NOW() "
                     "WHERE person_id = %(patient)s", id="a move"),
        pytest.param("UPDATE patient_program SET voided = 1, date_voided = NOW() WHERE patient_id = %(patient)s",
                     id="a voided enrolment"),
        pytest.param("UPDATE visit v JOIN encounter e USING (visit_id) SET v.voided = 1, v.date_voided = NOW() "
                     "WHERE e.encounter_id = %(form)s", id="a voided visit"),
        pytest.param("UPDATE patient_identifier SET identifier_type = IF(identifier_type = 4, 9, 5), "
                     "date_changed = NOW() WHERE patient_id = %(patient)s", id="no ART number any more"),
        pytest.param("UPDATE person_attribute SET value = '0', date_changed = NOW() WHERE person_id = %(patient)s",
                     id="a telephone taken away"),
    ],
)  # fmt: skip
def test_every_kind_of_change_is_seen(sync: Sync, source: OpenmrsDatabase, site: Any, statement: str) -> None:
    sync.run(source, who=TESTER)
    patient, form, _ = a_pickup_form(site)
    site.execute("DELETE FROM person_attribute WHERE person_id = %s", (patient,))
    site.execute("INSERT INTO person_attribute (person_id, value, person_attribute_type_id, date_created) "
                 "VALUES (%s, 'x', 8, NOW())", (patient,))  # fmt: skip
    sync.run(source, who=TESTER)
    site.execute(statement, {"patient": patient, "form": form})
    summary = sync.run(source, who=TESTER)
    assert (summary.intake.n_read, summary.intake.n_updated) == (1, 1)


def test_what_was_committed_late_is_found_within_the_overlap(sync: Sync, source: OpenmrsDatabase, site: Any) -> None:
    sync.run(source, who=TESTER)
    _, form, _ = a_pickup_form(site)
    site.execute(
        "UPDATE encounter SET voided = 1, date_voided = NOW() - INTERVAL 1 HOUR WHERE encounter_id = %s", (form,)
    )
    assert sync.run(source, who=TESTER).intake.n_read == 0
    assert replace(sync, overlap=timedelta(hours=2)).run(source, who=TESTER).intake.n_updated == 1


def test_a_voided_patient_disappears(sync: Sync, source: OpenmrsDatabase, site: Any, database: Database) -> None:
    sync.run(source, who=TESTER)
    patient, _, uuid = a_pickup_form(site)
    site.execute("UPDATE patient SET voided = 1, date_voided = NOW() WHERE patient_id = %s", (patient,))
    assert sync.run(source, who=TESTER).intake.n_removed == 1
    assert kept(database, uuid) == []


def test_a_merge_hands_over_what_messages_told(
    sync: Sync, source: OpenmrsDatabase, site: Any, database: Database
) -> None:
    sync.run(source, who=TESTER)
    loser, _, loser_uuid = a_pickup_form(site)
    site.execute("SELECT person_id, uuid FROM person WHERE person_id <> %s ORDER BY person_id LIMIT 1", (loser,))
    winner, winner_uuid = site.fetchone()
    result = Event(Kind.VIRAL_LOAD, READ_AT, READ_AT, 40.0, "hl7", "the laboratory's", 1)
    from_laboratory = Delta(loser_uuid, FACILITY, [b"hash"], [], [DeltaFact(result, None, False)])
    with database.transaction() as tx:
        delta_store.merge(tx, [from_laboratory], source="hl7", audit=an_event())
    own = len([one for one in kept(database, loser_uuid) if one.kind is Kind.PICKUP])
    before = len([one for one in kept(database, winner_uuid) if one.kind is Kind.PICKUP])
    site.execute("UPDATE encounter SET patient_id = %s, date_changed = NOW() WHERE patient_id = %s", (winner, loser))
    site.execute("UPDATE obs SET person_id = %s WHERE person_id = %s", (winner, loser))
    site.execute("UPDATE patient SET voided = 1, date_voided = NOW() WHERE patient_id = %s", (loser,))
    site.execute("INSERT INTO person_merge_log SET winner_person_id = %s, loser_person_id = %s, date_created = NOW()",
                 (winner, loser))  # fmt: skip
    summary = sync.run(source, who=TESTER)
    assert (summary.n_merged, summary.intake.n_removed) == (1, 1)
    assert kept(database, loser_uuid) == []
    after = kept(database, winner_uuid)
    assert [one.source_id for one in after if one.source == "hl7"] == ["the laboratory's"]
    assert len([one for one in after if one.kind is Kind.PICKUP]) == before + own
    with database.transaction() as tx:
        assert delta_store.patients_by_identifier(tx, [b"hash"]) == {b"hash": winner_uuid}
    assert sync.run(source, who=TESTER, is_full=True).intake.n_unchanged > 0


class Dies(BaseException):
    """The end of the process, as far as the database can tell."""


class Dying:
    """A source during whose reading the process ends."""

    def __init__(self, source: OpenmrsDatabase, batches: int) -> None:
        self._source, self._left = source, batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def read(self, keys: Sequence[str]) -> Batch:
        if not self._left:
            raise Dies
        self._left -= 1
        return self._source.read(keys)


def test_a_reading_that_broke_off_goes_on_where_it_stood(
    sync: Sync, source: OpenmrsDatabase, site: Any, database: Database, documents: list[bytes]
) -> None:
    with pytest.raises(Dies):
        sync.run(Dying(source, 2), who=TESTER)
    with database.transaction() as tx:
        mark = sync_store.watermark_of(tx, source.name)
        assert (record_store.count(tx), mark.changed_until) == (20, None)
    first = int(source.changed(None)[0])
    site.execute(
        "UPDATE person SET dead = 1, death_date = '2025-06-01', date_changed = NOW() WHERE person_id = %s", (first,)
    )
    rest = sync.run(source, who=TESTER)
    assert (rest.n_resumed, rest.intake.n_added, rest.until) == (20, len(documents) - 20, mark.reading_until)
    later = sync.run(source, who=TESTER)  # the change of one who had been read already
    assert (later.since, later.intake.n_updated) == (mark.reading_until, 1)


def test_two_never_read_one_source_at_once(sync: Sync, source: OpenmrsDatabase, database: Database) -> None:
    with sync_store.alone(database, source.name), pytest.raises(Conflict, match="another process"):
        sync.run(source, who=TESTER)
    assert sync.run(source, who=TESTER).intake.n_added > 0


def test_a_row_that_cannot_be_read_is_rejected_by_its_patient(sync: Sync, source: OpenmrsDatabase, site: Any) -> None:
    patient, _, _ = a_pickup_form(site)
    site.execute("UPDATE person SET uuid = 'no id!' WHERE person_id = %s", (patient,))
    summary = sync.run(source, who=TESTER)
    assert summary.intake.n_rejected == 1
    assert "patientUuid" in summary.intake.rejections[0].reason


def test_both_sides_agree_after_a_reading(sync: Sync, source: OpenmrsDatabase, documents: list[bytes]) -> None:
    sync.run(source, who=TESTER)
    found = reconcile(sync.database, source)
    assert (found.differences, found.facility) == ([], FACILITY)
    assert found.theirs == found.ours
    assert (found.ours.n_patients, found.ours.n_pickups > 100) == (len(documents), True)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        pytest.param("UPDATE patient SET voided = 1 WHERE patient_id = %(patient)s", "surplus", id="voided there"),
        pytest.param("UPDATE encounter SET voided = 1 WHERE encounter_id = %(form)s", "pickups", id="a pick-up less"),
        pytest.param("UPDATE encounter SET encounter_datetime = '2025-06-29' WHERE patient_id = %(patient)s",
                     "last_day", id="on another day"),
        pytest.param("INSERT INTO patient (patient_id, date_created) SELECT person_id, NOW() FROM person "
                     "WHERE uuid = 'somebody-new'", "missing", id="somebody new"),
    ],
)  # fmt: skip
def test_every_kind_of_difference_is_told(
    sync: Sync, source: OpenmrsDatabase, site: Any, statement: str, what: str
) -> None:
    sync.run(source, who=TESTER)
    patient, form, _ = a_pickup_form(site)
    site.execute("INSERT INTO person (uuid, date_created) VALUES ('somebody-new', NOW())")
    site.execute(statement, {"patient": patient, "form": form})
    found = reconcile(sync.database, source)
    assert [one.what for one in found.differences] == [what]
    assert found.figures()["differences"] == {one: int(one == what) for one in WHAT}


def _no_database(server: MariaDb, cursor: Any) -> str:
    cursor.execute("GRANT SELECT ON nowhere.* TO reader")
    return url_of(server, database="nowhere")


def _no_right(server: MariaDb, cursor: Any) -> str:
    cursor.execute("REVOKE SELECT ON openmrs.obs FROM reader")
    return url_of(server)


def _no_table(server: MariaDb, cursor: Any) -> str:
    cursor.execute("ALTER TABLE encounter DROP COLUMN form_id")
    return url_of(server)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        pytest.param(lambda server, _: url_of(server, word="wrong"), NotAllowed, id="a wrong password"),
        pytest.param(_no_database, NotFound, id="no such database"),
        pytest.param(_no_right, NotAllowed, id="a table that must not be read"),
        pytest.param(_no_table, InvalidInput, id="another schema"),
        pytest.param(lambda server, _: url_of(server).replace(str(server.port), "1"), Unavailable, id="nobody there"),
        pytest.param(lambda server, _: url_of(server, options="?tls=verify"), Unavailable, id="no encryption"),
    ],
)
def test_what_is_wrong_is_told_without_the_password(
    sync: Sync, server: MariaDb, site: Any, wrong: Callable[[MariaDb, Any], str], kind: type[Exception]
) -> None:
    source = OpenmrsDatabase(read_address(wrong(server, site)), None, ZONE, lambda: READ_AT)
    with pytest.raises(kind) as told:
        sync.run(source, who=TESTER)
    assert "p@ss" not in str(told.value)
    assert "reader" not in str(told.value)


def test_a_statement_that_takes_too_long_is_given_up(source: OpenmrsDatabase) -> None:
    with snapshot(source.address, limit_seconds=0.2) as view, pytest.raises(Unavailable):
        list(view.rows("SELECT a.obs_id FROM obs a JOIN obs b JOIN obs c WHERE a.obs_id + b.obs_id = -c.obs_id"))


def test_nothing_can_be_written(server: MariaDb, source: OpenmrsDatabase, site: Any) -> None:
    site.execute("GRANT ALL ON openmrs.* TO reader")
    with snapshot(source.address, limit_seconds=5) as view, pytest.raises(Unavailable, match="1792"):
        list(view.rows("DELETE FROM obs"))


def test_a_database_that_was_away_is_asked_again(server: MariaDb, source: OpenmrsDatabase) -> None:
    server.stop()
    with pytest.raises(Unavailable):
        source.present()
    server.start()
    assert source.changed(None)


def an_event() -> AuditEvent:
    return AuditEvent(event_type=EventType.RECORDS_MERGED, actor="test", action="update", target="patients")
