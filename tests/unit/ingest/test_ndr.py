"""NDR XML: what a report says, and what is refused once and clearly."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from tests.ndr_messages import ENCOUNTER, a_message, a_regimen, a_result

from iit.domain.errors import InvalidInput
from iit.domain.vocabulary import Kind
from iit.ingest.hl7.reading import Mapped
from iit.ingest.ndr import read_ndr
from iit.ingest.nmrs.moments import moments_in
from iit.ingest.sources import SourceDocument
from iit.ingest.statement import Statement

LAGOS = ZoneInfo("Africa/Lagos")
NOW = datetime(2024, 6, 1, tzinfo=LAGOS)


def read(data: bytes) -> list[Statement]:
    return list(read_ndr(SourceDocument("message.xml", data), moments=moments_in(LAGOS), received=NOW))


def said(data: bytes) -> Mapped:
    (one,) = read(data)
    assert isinstance(one.said, Mapped), one.said
    return one.said


def facts(data: bytes) -> dict[Kind, tuple[date, float]]:
    return {one.event.kind: (one.event.occurred_at.date(), one.event.value) for one in said(data).facts}


def refusal(data: bytes) -> str:
    (one,) = read(data)
    assert isinstance(one.said, InvalidInput)
    assert one.place == "message.xml"
    return str(one.said)


def test_a_report_tells_person_pickup_encounter_and_result() -> None:
    told = facts(a_message(ENCOUNTER, a_regimen(), a_result()))
    assert told[Kind.PICKUP] == (date(2024, 1, 10), 90.0)
    assert told[Kind.REGIMEN][1] == 165681.0
    assert told[Kind.VIRAL_LOAD] == (date(2023, 12, 1), 20.0)
    assert told[Kind.WHO_STAGE][1] == 1205.0
    assert told[Kind.TB_STATUS][1] == 1660.0
    assert told[Kind.ADHERENCE][1] == 165287.0
    assert told[Kind.SYSTOLIC_MMHG][1] == 120.0
    assert told[Kind.FUNCTIONAL_STATUS][1] == 162750.0
    assert told[Kind.ART_START][0] == date(2022, 3, 7)
    assert told[Kind.BIRTH][0] == date(1991, 5, 14)
    assert told[Kind.MARITAL_STATUS][1] == 5555.0


def test_all_is_known_since_the_message_was_made() -> None:
    known = {one.event.known_at for one in said(a_message(ENCOUNTER, a_regimen(), a_result())).facts}
    assert known == {datetime(2024, 3, 1, 8, tzinfo=LAGOS)}


@pytest.mark.parametrize(
    ("regimens", "days"),
    [
        pytest.param([("30", "1m"), ("90", "1m")], 90.0, id="of two on one day the longer"),
        pytest.param([("0", "1e")], None, id="no days"),
        pytest.param([("400", "1e")], None, id="not credible"),
    ],
)
def test_days_supplied(regimens: list[tuple[str, str]], days: float | None) -> None:
    told = facts(a_message(*(a_regimen(days=one, code=code) for one, code in regimens)))[Kind.PICKUP][1]
    assert told == days if days is not None else told != told


@pytest.mark.parametrize("code", ["9f", "9a", "CTX480"])
def test_prevention_is_no_pickup(code: str) -> None:
    assert Kind.PICKUP not in facts(a_message(a_regimen(code=code)))


@pytest.mark.parametrize(
    ("comparator", "value"), [("", 20.0), ("<ComparatorCode>LT</ComparatorCode>", 19.0)], ids=["number", "less than"]
)
def test_a_comparator_counts(comparator: str, value: float) -> None:
    assert facts(a_message(a_result(comparator=comparator)))[Kind.VIRAL_LOAD][1] == value


def test_a_substitution_is_told_with_its_pickup() -> None:
    told = facts(a_message(a_regimen(more="<SubstitutionIndicator>true</SubstitutionIndicator>")))
    assert told[Kind.PICKUP_REASON] == (date(2024, 1, 10), 165665.0)


def test_a_day_after_the_message_is_left_out() -> None:
    assert Kind.PICKUP not in facts(a_message(a_regimen(on="2024-03-02")))


def test_a_namespace_makes_no_difference() -> None:
    spaced = a_message().replace(b"<Container>", b'<Container xmlns="urn:ndr">')
    assert facts(spaced) == facts(a_message())


def test_a_redacted_message_withdraws() -> None:
    (one,) = read(a_message(status="REDACTED"))
    assert one.is_void


BOMB = b"""<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><Container>&b;</Container>"""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(a_message()[:-20], "is not valid XML at line", id="cut off"),
        pytest.param(b"", "is not valid XML", id="empty"),
        pytest.param(b"<Container/>", "IndividualReport: is missing", id="no report"),
        pytest.param(BOMB, "document type or entities", id="entities"),
        pytest.param(b"<a>" * 50 + b"</a>" * 50, "nested too deeply", id="deep"),
        pytest.param(a_message(made=""), "MessageCreationDateTime: is missing", id="no time"),
        pytest.param(a_message(made="2025-01-01T00:00:00"), "lies in the future", id="future"),
        pytest.param(a_message(identifier="").replace(b"HN-", b""), "PatientIdentifier: is missing", id="nobody"),
        pytest.param(a_message().replace(b"SYN000001", b""), "FacilityID: is missing", id="no facility"),
    ],
)
def test_what_is_at_fault_is_one_clear_rejection(data: bytes, reason: str) -> None:
    assert reason in refusal(data)


def test_reports_before_a_fault_are_taken_and_the_fault_is_told() -> None:
    told = read(a_message().replace(b"</Container>", b"<IndividualReport><x></IndividualReport></Container>"))
    assert [type(one.said) for one in told] == [Mapped, InvalidInput]
