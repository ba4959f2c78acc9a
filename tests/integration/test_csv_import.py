"""`iit import --source csv`: each list adds what is new, and nothing is known earlier than it was told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from tests.documents import a_document, encoded, uuid_of
from tests.radet_lists import a_line, a_list

from iit.bootstrap import Service
from iit.domain.access import Scope
from iit.ingest.csv import SOURCE, ListRules, read_list
from iit.ingest.sources import SourceDocument
from iit.services.intake import IntakeSummary
from iit.services.statements import Statements
from iit.testing import TESTER

LAGOS = ZoneInfo("Africa/Lagos")


@pytest.fixture(autouse=True)
def nothing_known(service: Service) -> Iterator[None]:
    with service.database.transaction() as tx:
        tx.execute(text("DELETE FROM patients"))
    yield


def take(service: Service, data: bytes, reported: str, *, scope: Scope | None = None) -> IntakeSummary:
    rules = ListRules(LAGOS, date(2024, 12, 31), date.fromisoformat(reported))
    who = TESTER if scope is None else replace(TESTER, scope=scope)
    intake = Statements(service.database, service.inbox.identities, SOURCE, who)
    return intake.take(read_list(SourceDocument("list.csv", data), rules))


def rows(service: Service, code: str) -> list[tuple[str, str]]:
    with service.database.transaction() as tx:
        found = tx.execute(
            text("SELECT occurred_at::date::text, known_at::date::text FROM events WHERE code = :code ORDER BY 1"),
            {"code": code},
        )
        return [(row[0], row[1]) for row in found]


def test_the_list_of_the_next_month_adds_the_next_pickup(service: Service) -> None:
    take(service, a_list(), "2024-01-31")
    later = take(service, a_list(a_line(Last_Pickup="2024-04-09")), "2024-04-30")
    assert (later.n_added, later.n_updated) == (0, 1)
    assert rows(service, "PICKUP") == [("2024-01-10", "2024-01-31"), ("2024-04-09", "2024-04-30")]


def test_the_same_list_again_changes_nothing(service: Service) -> None:
    first = take(service, a_list(), "2024-01-31")
    again = take(service, a_list(), "2024-01-31")
    assert (first.n_added, again.n_added, again.n_updated, again.n_unchanged) == (1, 0, 0, 1)


def test_what_a_later_list_repeats_stays_known_since_the_earlier(service: Service) -> None:
    take(service, a_list(), "2024-01-31")
    take(service, a_list(), "2024-02-29")
    assert rows(service, "PICKUP") == [("2024-01-10", "2024-01-31")]
    assert rows(service, "VIRAL_LOAD") == [("2023-12-01", "2024-01-31")]


def test_lists_in_the_wrong_order_say_the_same(service: Service) -> None:
    take(service, a_list(), "2024-02-29")
    take(service, a_list(), "2024-01-31")
    assert rows(service, "PICKUP") == [("2024-01-10", "2024-01-31")]


def test_of_two_lists_that_differ_the_later_stands(service: Service) -> None:
    take(service, a_list(a_line(Months="1")), "2024-02-29")
    take(service, a_list(a_line(Months="3")), "2024-01-31")
    with service.database.transaction() as tx:
        days = tx.execute(text("SELECT numeric_value FROM events WHERE code = 'PICKUP'")).scalars().all()
    assert days == [30.0]


def test_a_death_told_by_mistake_is_taken_back(service: Service) -> None:
    take(service, a_list(a_line(Current_ART_Status="Dead")), "2024-01-31")
    take(service, a_list(), "2024-02-29")
    assert rows(service, "DEATH") == []
    assert len(rows(service, "RETRACTED")) == 1


def test_a_line_that_names_a_known_uuid_is_of_that_patient(service: Service) -> None:
    document = a_document("one")
    service.intake.take_one(encoded(document), who=TESTER)
    data = a_list().replace(b"S/No.", b"Patient UUID").replace(b"\r\n1,", f"\r\n{uuid_of(document)},".encode())
    assert take(service, data, "2024-06-30").n_updated == 1
    with service.database.transaction() as tx:
        assert tx.execute(text("SELECT count(*) FROM patients")).scalar() == 1


def test_a_line_of_a_facility_outside_the_scope_is_rejected(service: Service) -> None:
    summary = take(service, a_list(), "2024-01-31", scope=Scope(facilities=frozenset({"SYN000009"})))
    assert (summary.n_rejected, summary.n_added) == (1, 0)
    with service.database.transaction() as tx:
        assert tx.execute(text("SELECT count(*) FROM patients")).scalar() == 0


def test_an_erased_person_is_left_out(service: Service) -> None:
    take(service, a_list(), "2024-01-31")
    with service.database.transaction() as tx:
        uuid = tx.execute(text("SELECT patient_uuid FROM patients")).scalar_one()
    service.privacy.erase(uuid, who=TESTER)
    assert take(service, a_list(), "2024-02-29").n_erased == 1


def test_no_identifier_reaches_the_database(service: Service) -> None:
    take(service, a_list(a_line(Hospital="CANARY-1", Unique="CANARY-2")), "2024-01-31")
    with service.database.transaction() as tx:
        for table in ("patients", "events", "records", "facilities", "patient_identifiers", "audit_logs"):
            assert tx.execute(text(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%CANARY%'")).scalar() == 0  # noqa: S608
