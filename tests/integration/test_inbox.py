"""Messages: stored before they are acknowledged, each effect exactly once, one bad one holds up no other."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from tests.conftest import AUDIT_KEYS
from tests.documents import a_document, encoded, uuid_of
from tests.hl7_messages import a_message, a_person

from iit.domain.access import EVERYTHING as EVERYONE
from iit.domain.audit import AuditEvent
from iit.domain.record import Event, make_record
from iit.domain.vocabulary import Kind
from iit.features.columns import pack
from iit.ingest.hl7.header import Rules
from iit.ingest.hl7.map import mapper
from iit.ingest.hl7.reading import Identifier
from iit.services.identities import TWO_PATIENTS, Identities
from iit.services.inbox import Frame, Inbox
from iit.services.inbox_work import BATCH
from iit.services.intake import Intake
from iit.store import inbox as inbox_store
from iit.store import patients as patient_store
from iit.store import records as record_store
from iit.store.database import Database, open_database
from iit.testing import TESTER, a_patient

ZONE = ZoneInfo("Africa/Lagos")
TABLES = {
    "patients": "patient_uuid, facility, birthdate, sex, state_province, city, phone_present, status",
    "events": "*",
    "records": "*",
    "patient_identifiers": "identifier_hash, patient_uuid",
}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(database: Database, clock: Clock) -> Iterator[Inbox]:
    clear(database)
    rules = Rules(ignored=frozenset({"VXU^V04"}))
    yield Inbox(database, mapper(rules, ZONE), Identities(b"secret of the tests"), clock)
    clear(database)


def clear(database: Database) -> None:
    with database.transaction() as tx:
        for table in ("inbox", "patients", "facilities"):
            tx.execute(text(f"DELETE FROM {table}"))  # noqa: S608


def send(inbox: Inbox, *raws: bytes) -> list[str]:
    """Send messages and return the codes of their answers."""
    return [code_of(answer) for answer in inbox.receive([Frame(raw) for raw in raws], actor="test")]


def code_of(answer: bytes) -> str:
    return answer.split(b"MSA|")[1][:2].decode()


def hashes(database: Database) -> dict[str, object]:
    with database.transaction() as tx:
        return {
            table: tx.execute(
                text(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM (SELECT {columns} FROM {table}) t")  # noqa: S608
            ).scalar()
            for table, columns in TABLES.items()
        }


def uuids(database: Database) -> list[str]:
    with database.transaction() as tx:
        return [
            row.patient_uuid
            for row in patient_store.page(tx, scope=EVERYONE, facility=None, band=None, after=None, limit=100)
        ]


def codes_of(database: Database, patient_uuid: str) -> list[str]:
    with database.transaction() as tx:
        return [event.code for event in record_store.events_of(tx, patient_uuid)]


def a_pickup(on: str = "20240110", control_id: str = "P1", identifier: str = "MRN-1", **changes: str) -> bytes:
    rxd = f"RXD|1|1^TLD^L|{on}|90|TAB||RX{on}"
    return a_message(a_person(identifier), f"ORC|RE|O{on}|F{on}", rxd, "TQ1|1|||||90^d", kind="RDS^O13",
                     control_id=control_id, **changes)  # fmt: skip


def a_result(value: int, control_id: str = "R1", status: str = "F", **changes: str) -> bytes:
    obx = f"OBX|1|NM|856^VL^CIEL||{value}|copies/mL|||||{status}|||20240109"
    return a_message(a_person(), "OBR|1|P1|L77|856^VL^CIEL|||20240109|||||||||||||||20240112", obx, kind="ORU^R01",
                     control_id=control_id, **changes)  # fmt: skip


def a_merge(new: str, old: str, control_id: str = "M1", **changes: str) -> bytes:
    return a_message(a_person(new), f"MRG|{old}^^^SYN^MR", kind="ADT^A40", control_id=control_id, **changes)


def test_a_message_is_stored_before_it_is_acknowledged_and_then_merged(inbox: Inbox, database: Database) -> None:
    assert send(inbox, a_pickup()) == ["AA"]
    assert inbox.depth().n_waiting == 1
    assert uuids(database) == []
    assert inbox.work().n_done == 1
    (uuid,) = uuids(database)
    assert "PICKUP" in codes_of(database, uuid)
    assert inbox.depth() == (0, 0, 0.0)


def test_the_packed_record_says_what_the_events_say(inbox: Inbox, database: Database) -> None:
    send(inbox, a_pickup(), a_result(1200))
    inbox.work()
    (uuid,) = uuids(database)
    with database.transaction() as tx:
        stored, events = record_store.facts_of(tx, uuid, EVERYONE), record_store.events_of(tx, uuid)
        row = patient_store.find(tx, uuid, EVERYONE)
    assert stored is not None
    assert stored.facts == pack(make_record(a_patient(), events))
    assert row is not None
    assert (row.birthdate, row.sex, row.state_province, row.city, row.phone_present, row.facility) == (
        date(1991, 5, 14), "F", "Lagos", "Ikeja", True, "SYN000001",
    )  # fmt: skip


def test_the_content_of_a_message_that_is_done_is_gone(inbox: Inbox, database: Database) -> None:
    send(inbox, a_pickup())
    inbox.work()
    with database.transaction() as tx:
        everything = tx.execute(text("SELECT string_agg(t::text, '') FROM inbox t")).scalar_one()
        people = tx.execute(text("SELECT string_agg(t::text, '') FROM patients t")).scalar_one()
        named = tx.execute(text("SELECT string_agg(t::text, '') FROM patient_identifiers t")).scalar_one()
    for told in (everything, people, named):
        assert "CANARY" not in told
        assert b"CANARY".hex() not in told
        assert "MRN-1" not in told


def test_a_message_that_comes_again_is_answered_as_before_without_effect(
    inbox: Inbox, database: Database, clock: Clock
) -> None:
    first = inbox.receive([Frame(a_pickup())], actor="test")
    inbox.work()
    before = hashes(database)
    clock.now += timedelta(hours=1)
    again = inbox.receive([Frame(a_pickup()), Frame(a_pickup())], actor="test")
    assert again == first * 2
    assert inbox.work().n_done == 0
    assert hashes(database) == before
    assert len(inbox.rows()) == 1


def test_another_message_under_the_same_control_id_is_a_new_one(inbox: Inbox, database: Database) -> None:
    assert send(inbox, a_pickup(), a_pickup(on="20240410", at="20240410")) == ["AA", "AA"]
    assert len(inbox.rows()) == 2


def test_a_batch_is_answered_message_by_message(inbox: Inbox) -> None:
    (answer,) = inbox.receive(
        [Frame(b"BHS|^~\\&\r" + a_pickup() + a_message(kind="ZZZ^Z1", control_id="Z"))], actor="t"
    )
    lines = [line.split(b"|")[:3] for line in answer.split(b"\r") if line.startswith(b"MSA")]
    assert lines == [[b"MSA", b"AA", b"P1"], [b"MSA", b"AR", b"Z"]]


def test_what_is_at_fault_or_not_accepted_is_not_stored(inbox: Inbox) -> None:
    assert send(inbox, a_message(), a_message(kind="ZZZ^Z01"), b"nonsense") == ["AE", "AR", "AE"]
    assert inbox.rows() == []


def test_an_ignored_type_is_acknowledged_and_left_alone(inbox: Inbox, database: Database) -> None:
    assert send(inbox, a_message(kind="VXU^V04")) == ["AA"]
    assert [row.state for row in inbox.rows()] == ["ignored"]
    assert inbox.work().n_done == 0


def test_without_the_database_nothing_is_acknowledged(inbox: Inbox) -> None:
    away = open_database("postgresql+psycopg://nobody@127.0.0.1:1/none", time_zone="UTC", audit_keys=AUDIT_KEYS)
    assert send(replace(inbox, database=away), a_pickup(), a_message()) == ["AR", "AE"]
    away.close()


def test_results_are_known_when_reported_and_corrections_stand(inbox: Inbox, database: Database) -> None:
    send(inbox, a_result(90, "R2", "C", at="20240302"), a_result(9000, "R1", "F", at="20240301"))
    inbox.work()
    (uuid,) = uuids(database)
    with database.transaction() as tx:
        (load,) = [e for e in record_store.events_of(tx, uuid) if e.kind is Kind.VIRAL_LOAD]
    assert (load.value, load.occurred_at.date(), load.known_at.date()) == (90, date(2024, 1, 9), date(2024, 1, 12))


def test_what_was_taken_back_does_not_return_with_a_late_message(inbox: Inbox, database: Database) -> None:
    send(inbox, a_result(90, "R2", "W", at="20240302"))
    inbox.work()
    send(inbox, a_result(90, "R1", "F", at="20240301"))
    inbox.work()
    (uuid,) = uuids(database)
    assert "VIRAL_LOAD" not in codes_of(database, uuid)


def test_a_merge_joins_two_records_whatever_comes_first(inbox: Inbox, database: Database) -> None:
    ends = []
    messages = [
        a_pickup(identifier="OLD", control_id="1"),
        a_pickup(on="20240210", identifier="NEW", control_id="2"),
        a_merge("NEW", "OLD", control_id="3"),
    ]
    for order in ([0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 2, 0]):
        clear(database)
        for place in order:
            send(inbox, messages[place])
            inbox.work()
        (uuid,) = uuids(database)
        assert codes_of(database, uuid).count("PICKUP") == 2
        ends.append(hashes(database))
    assert all(end == ends[0] for end in ends)


def test_merges_follow_one_another(inbox: Inbox, database: Database) -> None:
    send(inbox, a_pickup(identifier="A", control_id="1"), a_merge("B", "A", "2"), a_merge("C", "B", "3"))
    inbox.work()
    (uuid,) = uuids(database)
    send(inbox, a_pickup(on="20240201", identifier="A", control_id="4"))
    inbox.work()
    assert uuids(database) == [uuid]
    assert codes_of(database, uuid).count("PICKUP") == 2


EVERYTHING = [
    a_pickup("20231010", "1", at="20231010"),
    a_pickup("20240110", "2", at="20240110"),
    a_result(1200, "3", at="20240112"),
    a_result(120, "4", "C", at="20240113"),
    a_message(a_person(city="Surulere", sex="M"), control_id="5", at="20240115"),
    a_message(a_person(city="Ikeja"), control_id="6", at="20240116"),
    a_message("SCH|P|A1|||||||||^^^20240410", a_person(), kind="SIU^S12", control_id="7", at="20240110"),
    a_message("SCH|P|A1|||||||||^^^20240417", a_person(), kind="SIU^S13", control_id="8", at="20240120"),
    a_message("SCH|P|A1|||||||||^^^20240417", a_person(), kind="SIU^S15", control_id="9", at="20240125"),
    a_message("SCH|P|A2|||||||||^^^20240117", a_person(), kind="SIU^S26", control_id="10", at="20240118"),
    a_merge("MRN-1", "MRN-0", "11", at="20240119"),
    a_pickup("20230710", "12", "MRN-0", at="20230710"),
    a_message("EVN||20240105", a_person(), "PV1|1|O", kind="ADT^A04", control_id="13", at="20240105"),
]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_duplicates_in_any_order_give_the_same_tables(inbox: Inbox, database: Database, seed: int, step: int) -> None:
    chance = random.Random(seed)
    clear(database)
    send(inbox, *EVERYTHING)
    inbox.work()
    expected = hashes(database)
    clear(database)
    repeated = EVERYTHING * 10
    chance.shuffle(repeated)
    for start in range(0, len(repeated), step):
        send(inbox, *repeated[start : start + step])
        if chance.random() < 0.5:
            inbox.work()
    inbox.work()
    assert hashes(database) == expected
    assert [row.state for row in inbox.rows()] == ["done"] * len(EVERYTHING)


@pytest.mark.parametrize("first", ["document", "message"])
def test_a_full_history_and_messages_keep_to_their_own(inbox: Inbox, database: Database, first: str) -> None:
    document = a_document("one")
    uuid = uuid_of(document)
    intake = Intake(database, ZONE, lambda: datetime.now(ZONE))
    late = replace(inbox, clock=lambda: datetime(2024, 6, 2, tzinfo=UTC))
    if first == "document":
        intake.take_one(encoded(document), who=TESTER)
    send(late, a_pickup("20240601", identifier=uuid, at="20240601"))
    late.work()
    intake.take_one(encoded(document), who=TESTER)
    assert uuids(database) == [uuid]
    events = assert_whole(database, uuid)
    assert {event.source for event in events} == {"nmrs", "hl7"}
    newer = a_document("one", days=("2024-01-10",), messageCreationDateTime="2024-07-02 08:00:00")
    assert intake.take_one(encoded(newer), who=TESTER)[1].n_updated == 1
    assert intake.take_one(encoded(newer), who=TESTER)[1].n_unchanged == 1
    events = assert_whole(database, uuid)
    days = sorted(event.occurred_at.date() for event in events if event.kind is Kind.PICKUP)
    assert days == [date(2024, 1, 10), date(2024, 6, 1)]


def test_a_message_that_names_two_patients_changes_neither(inbox: Inbox, database: Database) -> None:
    document = a_document("one")
    stored = uuid_of(document)
    Intake(database, ZONE, lambda: datetime.now(ZONE)).take_one(encoded(document), who=TESTER)
    send(inbox, a_pickup(control_id="1"))
    inbox.work()
    (own,) = set(uuids(database)) - {stored}
    before = codes_of(database, own)
    send(inbox, a_pickup("20240201", "2", f"MRN-1^^^SYN^MR~{stored}"))
    assert inbox.work().n_failed == 1
    assert inbox.rows()[0].error == f"PID-3: {TWO_PATIENTS}"
    assert codes_of(database, own) == before
    send(inbox, a_pickup("20240301", "3", stored))
    inbox.work()
    assert "hl7" in {event.source for event in assert_whole(database, stored)}


def assert_whole(database: Database, uuid: str) -> list[Event]:
    """Hold the packed record to the events, and return these."""
    with database.transaction() as tx:
        events, stored = record_store.events_of(tx, uuid), record_store.facts_of(tx, uuid, EVERYONE)
    assert stored is not None
    assert stored.facts == pack(make_record(a_patient(), events))
    return events


def poison(database: Database, inbox: Inbox, raw: bytes, identifier: str = "MRN-1") -> int:
    """Put a message into the inbox that was good when it came and is not any more; return its id."""
    key = inbox_store.Key("EMR/X", f"poison {identifier}", raw[:32])
    patient_key = inbox.identities.hash_of(Identifier(identifier, "SYN000001\0SYN"))[:16]
    arrival = inbox_store.Arrival(key, "ADT^A08", patient_key, inbox_store.Content(raw, None))
    event = AuditEvent(event_type="messages_received", actor="test", action="create", target="inbox")
    with database.transaction() as tx:
        inbox_store.add(tx, [arrival], received=inbox.clock(), audit=event)
    return inbox.rows()[0].id


class Failing(Identities):
    """Identities that cannot be found for one patient: a fault of the receiver."""

    def deltas(self, tx, messages):
        if any(one.identifiers[0].value == "BAD" for one in messages):
            raise RuntimeError("of no use to anybody")
        return super().deltas(tx, messages)


def test_a_message_that_keeps_failing_is_dead_after_three_tries_and_others_go_on(
    inbox: Inbox, database: Database, clock: Clock
) -> None:
    failing = replace(inbox, identities=Failing(b"secret of the tests"))
    send(failing, a_pickup(identifier="BAD", control_id="1"), a_pickup(identifier="BAD", on="20240111", control_id="2"))
    send(failing, *(a_pickup(identifier=f"G{i}", control_id=f"g{i}") for i in range(20)))
    assert (failing.work().n_done, failing.depth().n_waiting) == (20, 2)
    tries = [1]
    for pause in (1, 10):
        clock.now += timedelta(seconds=pause - 0.1)
        assert failing.work().n_failed == 0, "it rests"
        clock.now += timedelta(seconds=0.1)
        failing.work()
        first = next(row for row in failing.rows() if row.control_id == "1")
        tries.append(first.tries)
    assert tries == [1, 2, 3]
    assert first.state == "dead"
    assert first.error == "the service failed: RuntimeError"
    assert next(row for row in failing.rows() if row.control_id == "2").tries == 1


def test_messages_of_a_patient_wait_behind_one_that_rests(inbox: Inbox, database: Database, clock: Clock) -> None:
    failing = replace(inbox, identities=Failing(b"secret of the tests"))
    send(failing, a_pickup(identifier="BAD", control_id="1"))
    failing.work()
    send(inbox, a_pickup(identifier="BAD", on="20240111", control_id="2"))
    assert inbox.work().n_done == 0
    clock.now += timedelta(seconds=1)
    assert inbox.work().n_done == 2


def test_a_dead_message_can_be_retried_or_discarded(inbox: Inbox, database: Database) -> None:
    dead = poison(database, inbox, a_message())
    inbox.work()
    (row,) = inbox.rows(state="dead")
    assert (row.id, row.tries, row.error) == (dead, 1, "PID: the segment is missing")
    assert inbox.retry([dead], actor="test") == [dead]
    assert inbox.retry(None, actor="test") == []
    inbox.work()
    assert inbox.show(dead, actor="test")[1] == a_message()
    inbox.discard(dead, actor="test")
    assert inbox.show(dead, actor="test")[1] is None
    assert inbox.rows()[0].state == "discarded"


def test_many_messages_are_worked_on_in_one_go(inbox: Inbox, database: Database) -> None:
    n = 2 * BATCH + 7
    for start in range(0, n, 50):
        send(inbox, *(a_pickup(identifier=f"N{i % 9}", control_id=str(i)) for i in range(start, min(n, start + 50))))
    assert inbox.work().n_done == n
    assert len(uuids(database)) == 9
