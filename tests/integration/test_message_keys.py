"""Stored messages, sealed: nothing of a person can be read in the database, and all goes on as before."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from tests.conftest import libpq
from tests.fhir_resources import a_bundle, a_dispense, a_patient, encoded
from tests.hl7_messages import a_message, a_person

from iit.config import load_settings
from iit.domain.errors import InvalidInput, Unavailable
from iit.ingest.fhir.map import fhir_mapper
from iit.ingest.hl7.header import Rules
from iit.ingest.hl7.map import mapper
from iit.services.fhir import Exchange
from iit.services.identities import Identities
from iit.services.inbox import RESEALED_AT_ONCE, Frame, Inbox
from iit.services.inbox_work import FHIR
from iit.services.message_keys import MessageKeys, message_keys
from iit.services.privacy import Privacy
from iit.store.database import Database
from iit.store.embedded.binaries import find_binaries
from iit.store.embedded.cluster import ClusterUrls
from iit.testing import TESTER

ZONE = ZoneInfo("Africa/Lagos")
OLD, NEW = (message_keys(word * 8) for word in ("0123cdef", "89ab4567"))
BOTH = MessageKeys(NEW.keys + OLD.keys)
CANARY = "MRN-CANARY-7"


def now() -> datetime:
    return datetime(2024, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def inbox(database: Database) -> Iterator[Inbox]:
    with database.transaction() as tx:
        for table in ("inbox", "patients", "facilities"):
            tx.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    identities = Identities(b"secret of the tests")
    fhir = Exchange(database, fhir_mapper(ZONE, None), identities, now, OLD)
    yield Inbox(database, mapper(Rules(), ZONE), identities, now, {FHIR: fhir.merge_waiting}, OLD)


def a_pickup(n: int) -> bytes:
    rxd = f"RXD|1|1^TLD^L|20240110|90|TAB||RX{n}"
    return a_message(a_person(f"{CANARY}-{n}"), f"ORC|RE|O{n}|F{n}", rxd, "TQ1|1|||||90^d", kind="RDS^O13",
                     control_id=f"P{n}")  # fmt: skip


def send(inbox: Inbox, *numbers: int) -> None:
    answers = inbox.receive([Frame(a_pickup(n)) for n in numbers], actor="test")
    assert all(b"MSA|AA" in one for one in answers)


def kept(database: Database) -> list[tuple[int, bytes, str | None]]:
    with database.transaction() as tx:
        found = tx.execute(text("SELECT id, raw, key_id FROM inbox WHERE raw IS NOT NULL ORDER BY id"))
        return [(row[0], bytes(row[1]), row[2]) for row in found]


def key_ids(database: Database) -> list[str | None]:
    return [key_id for _, _, key_id in kept(database)]


def dumped(urls: ClusterUrls) -> bytes:
    program = find_binaries().program("pg_dump")
    return subprocess.run([program, libpq(urls.owner_url)], capture_output=True, check=True).stdout


def readable(content: bytes) -> bytes:
    """Return what a dump in hexadecimal digits shows of a content."""
    return content.hex().encode()


def n_patients(database: Database) -> int:
    with database.transaction() as tx:
        return int(tx.execute(text("SELECT count(*) FROM patients")).scalar_one())


def test_nothing_of_a_person_can_be_read_in_a_dump(
    inbox: Inbox, database: Database, database_urls: ClusterUrls
) -> None:
    send(replace(inbox, keys=MessageKeys()), 1)
    assert readable(CANARY.encode()) in dumped(database_urls)
    inbox.reseal(actor="test")
    send(inbox, 2)
    inbox.others[FHIR].__self__.receive(encoded(a_bundle(a_patient(), a_dispense())), who=TESTER)  # type: ignore[attr-defined]
    told = dumped(database_urls)
    for word in (CANARY, "CANARYNAME", "CANARY street", "CANARY-080", "TLD"):
        assert readable(word.encode()) not in told
    assert CANARY.encode() not in told
    assert key_ids(database) == [OLD.present] * 2


def test_sealed_messages_are_merged_and_matched_as_others_are(inbox: Inbox, database: Database) -> None:
    send(inbox, 1, 2)
    send(replace(inbox, keys=MessageKeys()), 1)  # came before, and is known again
    assert inbox.work().n_done == 2
    send(inbox, 1)
    assert n_patients(database) == 2
    assert kept(database) == []


def test_a_request_that_was_killed_is_finished_from_what_was_sealed(
    inbox: Inbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fhir = inbox.others[FHIR].__self__  # type: ignore[attr-defined]
    monkeypatch.setattr(type(fhir), "_work", lambda *_: None)
    fhir.receive(encoded(a_bundle(a_patient(), a_dispense())), who=TESTER)
    assert key_ids(database) == [OLD.present]
    assert replace(inbox, clock=lambda: datetime(2100, 1, 1, tzinfo=UTC)).work().n_done == 1
    assert n_patients(database) == 1


def test_a_message_that_is_looked_at_is_opened(inbox: Inbox, database: Database) -> None:
    send(inbox, 1)
    ((message_id, raw, _),) = kept(database)
    assert CANARY.encode() not in raw
    assert inbox.show(message_id, actor="test")[1] == a_pickup(1).rstrip(b"\r")


def test_while_keys_change_both_open_and_the_new_one_seals(inbox: Inbox, database: Database) -> None:
    send(inbox, 1)
    changing = replace(inbox, keys=BOTH)
    send(changing, 2)
    assert key_ids(database) == [OLD.present, NEW.present]
    assert changing.work().n_done == 2


def test_a_change_of_keys_that_was_broken_off_is_finished_by_the_next(inbox: Inbox, database: Database) -> None:
    n = RESEALED_AT_ONCE + 1
    send(inbox, *range(n))
    strange = replace(inbox, keys=message_keys("fedcba98" * 8))
    send(strange, n)
    with pytest.raises(Unavailable, match="is not set"):
        replace(inbox, keys=BOTH).reseal(actor="test")
    assert key_ids(database).count(NEW.present) == RESEALED_AT_ONCE
    whole = replace(inbox, keys=MessageKeys(BOTH.keys + strange.keys.keys))
    assert whole.reseal(actor="test") == 2
    assert set(key_ids(database)) == {NEW.present}
    assert whole.reseal(actor="test") == 0
    with database.transaction() as tx:
        told = tx.execute(text("SELECT detail->>'n' FROM audit_logs WHERE event_type = 'messages_resealed'"))
        assert [row[0] for row in told][-2:] == [str(RESEALED_AT_ONCE), "2"]
    assert replace(inbox, keys=NEW).work().n_done == n + 1


def test_a_service_that_starts_seals_what_lies_there(inbox: Inbox, database: Database) -> None:
    send(replace(inbox, keys=MessageKeys()), 1)
    with database.transaction() as tx:
        tx.execute(text("UPDATE inbox SET state = 'dead'"))
    with inbox.working():
        until = time.monotonic() + 60
        while key_ids(database) != [OLD.present]:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_before_keys_are_taken_away_messages_are_opened_for_good(inbox: Inbox, database: Database) -> None:
    send(inbox, 1)
    assert inbox.reseal(actor="test", unsealed=True) == 1
    ((_, raw, key_id),) = kept(database)
    assert (raw, key_id) == (a_pickup(1).rstrip(b"\r"), None)


def test_messages_of_an_erased_person_are_gone_and_those_of_others_stay(inbox: Inbox, database: Database) -> None:
    send(inbox, 1)
    inbox.work()
    with database.transaction() as tx:
        patient_uuid = tx.execute(text("SELECT patient_uuid FROM patients")).scalar_one()
    again = a_pickup(1).replace(b"|P1|", b"|P1B|").replace(b"RX1", b"RX9")
    inbox.receive([Frame(again), Frame(a_pickup(2))], actor="test")
    assert Privacy(database, now).erase(patient_uuid, who=TESTER)["inbox"] == 1
    assert [(row.control_id, row.state) for row in inbox.rows()][:2] == [("P2", "waiting"), ("P1B", "discarded")]
    assert len(kept(database)) == 1
    assert inbox.work().n_done == 1


def test_without_its_key_a_message_waits_and_nothing_of_it_is_lost(inbox: Inbox, database: Database) -> None:
    send(inbox, 1)
    with pytest.raises(Unavailable, match=str(OLD.present)):
        replace(inbox, keys=NEW).work()
    assert [row.state for row in inbox.rows()] == ["waiting"]
    assert inbox.work().n_done == 1


def test_a_content_that_was_put_into_another_row_does_not_open(inbox: Inbox, database: Database) -> None:
    send(inbox, 1, 2)
    with database.transaction() as tx:
        tx.execute(text("UPDATE inbox SET raw = (SELECT raw FROM inbox ORDER BY id LIMIT 1)"))
    with pytest.raises(Unavailable, match="not what was sealed"):
        inbox.show(kept(database)[1][0], actor="test")


@pytest.mark.parametrize(
    "key", ["", "0123", "0123cdef" * 7 + "0123cdeg", "0" * 64, "0123cdef" * 8 + " 01"],
    ids=["nothing", "short", "no digit", "a repetition", "a short second one"],
)  # fmt: skip
def test_what_is_no_key_stops_the_start_and_is_not_told(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IIT_MESSAGE_KEY", key)
    with pytest.raises(InvalidInput, match="IIT_MESSAGE_KEY: must") as refused:
        load_settings()
    assert not key or key not in str(refused.value)


def test_keys_are_not_shown() -> None:
    assert "0123" not in repr(OLD)
    assert OLD.present not in (None, *NEW.ids)
