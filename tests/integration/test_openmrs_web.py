"""An OpenMRS over HTTP, spoken to through real sockets: the same facts, and patience with a site that is unwell."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import stamina
from sqlalchemy import text
from tests.openmrs.web import WORD, Openmrs, serving

from iit.breaker import Breaker, closed_breaker
from iit.domain.errors import InvalidInput, NotAllowed, NotFound, Unavailable
from iit.domain.record import Record, day_number
from iit.domain.vocabulary import Kind
from iit.features.columns import columns_of
from iit.features.context import Contexts
from iit.features.vector import matrix
from iit.ingest.nmrs import Imported, read_nmrs
from iit.ingest.openmrs.rest import Rest, read_web_address
from iit.ingest.openmrs.web import OpenmrsWeb
from iit.services.intake import Intake
from iit.services.sync import Sync
from iit.store.database import Database
from iit.synth import cohort_documents
from iit.testing import TESTER

ZONE = ZoneInfo("Africa/Lagos")
FACILITY = "SYN00000007"
READ_AT = datetime(2025, 6, 30, 18, tzinfo=ZONE)
CHANGED_AT = "2999-01-01"


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):  # without pauses
        yield


@pytest.fixture(scope="module")
def documents() -> list[bytes]:
    return [data for code, _, data in cohort_documents(patients=150, seed=3) if code == FACILITY]


@pytest.fixture
def site(documents: list[bytes]) -> Openmrs:
    return Openmrs(documents)


@pytest.fixture
def rest(site: Openmrs) -> Iterator[Rest]:
    with serving(site) as url:
        opened = Rest(read_web_address(url), closed_breaker("openmrs"), limit_seconds=1.0)
        yield opened
        opened.close()


@pytest.fixture
def source(rest: Rest) -> OpenmrsWeb:
    return OpenmrsWeb(rest, FACILITY, ZONE, lambda: READ_AT, list)


@pytest.fixture
def sync(database: Database) -> Iterator[Sync]:
    yield Sync(
        database, Intake(database, ZONE, lambda: datetime.now(ZONE)), lambda: READ_AT, overlap=timedelta(0), batch=5
    )
    with database.transaction() as tx:
        tx.execute(text("DELETE FROM patients"))
        tx.execute(text("DELETE FROM watermarks"))


def test_the_interface_tells_what_documents_tell(source: OpenmrsWeb, documents: list[bytes]) -> None:
    told = source.read(source.changed(None)).told
    others = {one.outcome.record.patient.patient_uuid: one.outcome for one in told if isinstance(one.outcome, Imported)}
    assert len(others) == len(documents) > 10
    for data in documents:
        mine = read_nmrs(data, zone=ZONE).record
        other = others[mine.patient.patient_uuid].record
        assert facts(other) == facts(mine)
        assert other.patient == mine.patient._replace(facility_name=None)
        assert np.array_equal(features(other), features(mine), equal_nan=True)


def facts(record: Record) -> list[str]:
    """Return the facts but for their order within a day: the interface tells no row's number."""
    return sorted(str(tuple(event._replace(sequence=0))) for event in record.events)


def features(record: Record) -> np.ndarray:
    pickups = [day_number(one.occurred_at) for one in record.events if one.kind is Kind.PICKUP]
    days = np.array([day + later for day in pickups for later in (0, 14, 45)], np.int32)
    nowhere, rows = np.full(1, -1, np.int32), np.zeros(len(days), np.int64)
    return matrix(columns_of([record]), nowhere, rows, days, Contexts.of([]))


def test_changes_are_followed_and_voided_patients_go(
    sync: Sync, source: OpenmrsWeb, site: Openmrs, documents: list[bytes]
) -> None:
    assert sync.run(source, who=TESTER).intake.n_added == len(documents)
    assert sync.run(source, who=TESTER).intake.n_read == 0
    uuid = next(iter(site.patients))
    site.touched[uuid] = CHANGED_AT
    site.patients[uuid]["encounters"].clear()
    site.patients[uuid]["obs"].clear()
    assert sync.run(source, who=TESTER).intake.n_updated == 1
    site.voided.add(uuid)
    held = OpenmrsWeb(source.rest, FACILITY, ZONE, lambda: READ_AT, lambda: [uuid])
    assert sync.run(held, who=TESTER, is_full=True).intake.n_removed == 1


def test_nobody_is_removed_because_an_address_finds_nobody(sync: Sync, source: OpenmrsWeb, site: Openmrs) -> None:
    sync.run(source, who=TESTER)
    uuid = next(iter(site.patients))
    del site.patients[uuid]
    held = OpenmrsWeb(source.rest, FACILITY, ZONE, lambda: READ_AT, lambda: [uuid])
    summary = sync.run(held, who=TESTER, is_full=True)
    assert (summary.intake.n_removed, summary.intake.n_rejected) == (0, 1)


def test_names_numbers_and_telephones_are_not_asked_for(source: OpenmrsWeb, site: Openmrs) -> None:
    source.read(source.changed(None))
    asked = " ".join(site.asked)
    assert "custom%3A" in asked or "custom:" in asked
    for word in ("v=full", "names", "preferredName", "identifier,", "identifier:", "address1", "attributes:(value"):
        assert word not in asked


@pytest.mark.parametrize(
    "mood",
    [
        pytest.param((429, {"Retry-After": "0"}), id="too many requests"),
        pytest.param((503, {"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}), id="away until a date"),
        pytest.param((500, {}), id="an error"),
        pytest.param("drop", id="a lost connection"),
        pytest.param("hang", id="no answer in time"),
    ],
)
def test_a_site_that_is_unwell_is_asked_again(rest: Rest, site: Openmrs, mood: Any) -> None:
    site.moods = [mood, mood]
    assert rest.get("ws/rest/v1/session") == {"authenticated": True}
    assert len(site.asked) == 3


def test_after_the_last_try_it_is_unavailable(rest: Rest, site: Openmrs) -> None:
    site.moods = [(503, {})] * 3
    with pytest.raises(Unavailable, match="503"):
        rest.get("ws/rest/v1/session")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InvalidInput), (401, NotAllowed), (403, NotAllowed), (404, NotFound), (302, InvalidInput)],
)
def test_a_refusal_is_not_repeated(rest: Rest, site: Openmrs, status: int, kind: type[Exception]) -> None:
    site.moods = [(status, {"Location": "/openmrs/login.htm"})]
    with pytest.raises(kind):
        rest.get("ws/rest/v1/session")
    assert len(site.asked) == 1


def test_a_change_is_sent_once_only(rest: Rest, site: Openmrs) -> None:
    site.moods = ["drop"]
    with pytest.raises(Unavailable):
        rest.post("ws/rest/v1/obs", {"person": "somebody"})
    assert len(site.asked) == 1


def test_a_site_that_keeps_failing_is_left_alone(site: Openmrs) -> None:
    with serving(site) as url:
        rest = Rest(read_web_address(url), Breaker("openmrs", lambda: 0.0, failures=2), limit_seconds=1.0)
        site.moods = [(500, {})] * 2
        with pytest.raises(Unavailable, match="left alone"):
            rest.get("ws/rest/v1/session")
        assert len(site.asked) == 2
        rest.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://u:geheim@emr.example/openmrs",
        "https://emr.example/openmrs?token=geheim",
        "https://u:geheim@emr.example/openmrs?tls=off",
        "https://u:geheim@emr.example/openmrs?ca=/geheim",
        "ftp://u:geheim@emr.example/openmrs",
        "https://u:geheim@[x/openmrs",
    ],
)
def test_a_wrong_or_unsafe_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InvalidInput) as told:
        read_web_address(url)
    assert "geheim" not in str(told.value)


def test_an_address_shows_no_password() -> None:
    address = read_web_address("https://iit:Geheim%3A1@emr.example:8443/openmrs/")
    assert (address.base, address.password) == ("https://emr.example:8443/openmrs", WORD)
    assert "iit:" not in repr(address) + address.base
    assert "eheim" not in repr(address)
