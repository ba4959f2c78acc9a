"""`iit import --source ndr`: messages merged once, and taken back when they are redacted."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import text
from tests.ndr_messages import ENCOUNTER, a_message, a_regimen
from tests.radet_lists import a_line, a_list

from iit.bootstrap import Service
from iit.ingest.csv import SOURCE as CSV
from iit.ingest.csv import ListRules, read_list
from iit.ingest.ndr import SOURCE, read_ndr
from iit.ingest.nmrs.moments import moments_in
from iit.ingest.sources import SourceDocument
from iit.services.intake import IntakeSummary
from iit.services.statements import Statements
from iit.testing import TESTER


@pytest.fixture(autouse=True)
def nothing_known(service: Service) -> Iterator[None]:
    with service.database.transaction() as tx:
        tx.execute(text("DELETE FROM patients"))
    yield


def take(service: Service, *messages: bytes) -> IntakeSummary:
    zone = service.settings.zone
    intake = Statements(service.database, service.inbox.identities, SOURCE, TESTER)
    found = (
        statement
        for data in messages
        for statement in read_ndr(
            SourceDocument("m.xml", data), moments=moments_in(zone), received=datetime(2024, 12, 1, tzinfo=zone)
        )
    )
    return intake.take(found)


def facts(service: Service, code: str = "PICKUP") -> list[str]:
    with service.database.transaction() as tx:
        query = text("SELECT known_at::date::text FROM events WHERE code = :code ORDER BY occurred_at")
        return list(tx.execute(query, {"code": code}).scalars())


def test_messages_are_merged_once_in_any_order(service: Service) -> None:
    later = a_message(ENCOUNTER, a_regimen(), a_regimen(on="2024-04-09"), made="2024-05-01T08:00:00", status="UPDATED")
    take(service, later)
    take(service, a_message(), a_message())
    assert facts(service) == ["2024-03-01", "2024-05-01"]
    again = take(service, later)
    assert (again.n_unchanged, again.n_updated) == (1, 0)


def test_a_redacted_person_is_removed(service: Service) -> None:
    take(service, a_message(), a_message(identifier="NDR-18"))
    summary = take(service, a_message(status="REDACTED", made="2024-05-01T08:00:00"))
    assert summary.n_removed == 1
    with service.database.transaction() as tx:
        assert tx.execute(text("SELECT count(*) FROM patients")).scalar() == 1


def test_a_redaction_of_nobody_changes_nothing(service: Service) -> None:
    assert take(service, a_message(status="REDACTED")).n_unchanged == 1
    with service.database.transaction() as tx:
        assert tx.execute(text("SELECT count(*) FROM patients")).scalar() == 0


def test_what_another_source_tells_outlives_a_redaction(service: Service) -> None:
    zone = service.settings.zone
    take(service, a_message())
    at = datetime(2024, 5, 1, tzinfo=zone)
    line = a_list(a_line(Hospital="HN-NDR-17", Last_Pickup="2024-04-09"))
    lists = Statements(service.database, service.inbox.identities, CSV, TESTER)
    assert lists.take(read_list(SourceDocument("l.csv", line), ListRules(zone, at.date(), at.date()))).n_updated == 1
    take(service, a_message(status="REDACTED", made="2024-05-01T08:00:00"))
    assert facts(service) == ["2024-05-01"]
