"""What messages say: persons, results, dispenses, appointments, and records that are one."""

import math
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.hl7_messages import a_message, a_person

from iit.domain.errors import InvalidInput
from iit.domain.record import city_hash, day_number
from iit.domain.vocabulary import Kind
from iit.ingest.hl7.codes import Codes, agents_of, codes
from iit.ingest.hl7.header import Rules
from iit.ingest.hl7.map import Mapper, mapper
from iit.ingest.hl7.moments import Moments
from iit.ingest.hl7.reading import Fact, Mapped

ZONE = ZoneInfo("Africa/Lagos")
RECEIVED = datetime(2024, 3, 1, 10, 20, tzinfo=UTC)
MAPPER = mapper(Rules(), ZONE)


def mapped(raw: bytes, by: Mapper = MAPPER) -> Mapped:
    found = by.map_raw(raw, received=RECEIVED)
    assert found is not None
    return found


def of(kind: Kind, raw: bytes, by: Mapper = MAPPER) -> list[Fact]:
    return [fact for fact in mapped(raw, by).facts if fact.event.kind is kind]


def values(kind: Kind, raw: bytes) -> list[float]:
    return [fact.event.value for fact in of(kind, raw)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("20240301101530", datetime(2024, 3, 1, 10, 15, 30, tzinfo=ZONE)),
        ("202403011015", datetime(2024, 3, 1, 10, 15, tzinfo=ZONE)),
        ("20240301", datetime(2024, 3, 1, tzinfo=ZONE)),
        ("20240301101530.1234-0500", datetime(2024, 3, 1, 15, 15, 30, tzinfo=UTC)),
        ("20240301000000+0100", datetime(2024, 3, 1, tzinfo=ZONE)),
        ("202403011015301234567890", datetime(2024, 3, 1, 10, 15, 30, tzinfo=ZONE)),
        ("1991", datetime(1991, 1, 1, tzinfo=ZONE)),
        ("20240230", None),
        ("18991231", None),
        ("01/03/2024", None),
        ("", None),
        ("20240301+9999", None),
    ],
)
def test_times(written: str, expected: datetime | None) -> None:
    assert Moments(ZONE)[written] == expected


def test_a_year_is_no_day() -> None:
    assert Moments(ZONE).exact("202403") is None


def test_pid_tells_the_person_without_name_phone_or_address() -> None:
    found = mapped(a_message(a_person()))
    told = {fact.event.kind: fact for fact in found.facts}
    assert told[Kind.BIRTH].event.occurred_at.date() == date(1991, 5, 14)
    assert told[Kind.SEX].event.value == 2
    assert told[Kind.STATE].event.value == 25
    assert (told[Kind.CITY].event.value, told[Kind.CITY].text) == (city_hash("Ikeja"), "Ikeja")
    assert told[Kind.PHONE].event.value == 1
    assert "CANARY" not in str([(fact.event[:], fact.text) for fact in found.facts])
    assert all(fact.is_standing for fact in found.facts)


@pytest.mark.parametrize(("phone", "expected"), [("", []), ('""', [0.0]), ("080", [1.0])])
def test_only_the_presence_of_a_phone_is_told(phone: str, expected: list[float]) -> None:
    assert values(Kind.PHONE, a_message(a_person(phone=phone))) == expected


def test_identifiers_stand_by_their_sureness_and_accounts_are_none() -> None:
    pid = "PID|1||99^^^SYN^SS~A7^^^SYN^AN~M1^^^SYN^MR~G1^^^HIN&1.2.3&ISO^PI"
    found = mapped(a_message(pid)).identifiers
    assert [one.value for one in found] == ["M1", "G1", "99"]
    assert [one.scope for one in found] == ["SYN000001\0SYN", "1.2.3", "SYN000001\0SYN"]
    assert repr(found[0]) == "Identifier()"


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (a_message(), "PID"),
        (a_message("PID|1||^^^SYN"), "PID-3"),
        (a_message("PID|1||7^^^SYN^AN"), "PID-3"),
        (a_message(a_person(), facility="", app=""), "MSH-4"),
        (a_message(a_person(), kind="ADT^A40"), "MRG-1"),
        (a_message(a_person(), kind="SIU^S12"), "SCH"),
        (a_message(a_person(), "SCH|", kind="SIU^S12"), "SCH-2"),
        (a_message(a_person(), "SCH|1|2", kind="SIU^S12"), "SCH-11"),
    ],
)
def test_what_is_missing_is_named(raw: bytes, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        mapped(raw)
    assert caught.value.place == place


def test_an_admission_and_a_registration_are_visits() -> None:
    for kind in ("ADT^A01", "ADT^A04"):
        (visit,) = of(Kind.VISIT, a_message("EVN||20240228", a_person(), "PV1|1|O", kind=kind))
        assert visit.event.occurred_at.date() == date(2024, 2, 28)
        assert visit.event.known_at == datetime(2024, 3, 1, 10, 15, tzinfo=ZONE)


def test_an_update_is_no_visit() -> None:
    assert of(Kind.VISIT, a_message(a_person(), kind="ADT^A31")) == []


def test_a_discharge_may_tell_a_death() -> None:
    pv1 = "PV1|1|I" + "|" * 34 + "20" + "|" * 9 + "20240227"
    (death,) = of(Kind.DEATH, a_message(a_person(), pv1, kind="ADT^A03"))
    assert death.event.occurred_at.date() == date(2024, 2, 27)


@pytest.mark.parametrize(("told", "retracted"), [("20240210|Y", [False]), ("|Y", [False]), ("|N", [True]), ("|", [])])
def test_death_in_the_persons_segment(told: str, retracted: list[bool]) -> None:
    pid = a_person() + "|" * 16 + told
    assert [fact.is_retracted for fact in of(Kind.DEATH, a_message(pid))] == retracted


def test_a_merge_names_the_other_record() -> None:
    found = mapped(a_message(a_person("NEW"), "MRG|OLD^^^SYN^MR", kind="ADT^A40"))
    assert [one.value for one in found.merged] == ["OLD"]


def an_oru(obx: str, obr: str = "OBR|1|P1|F1|856^VL^CIEL|||20240210080000|||||||||||||||20240214120000") -> bytes:
    return a_message(a_person(), obr, obx, kind="ORU^R01")


def test_a_viral_load_is_true_of_its_sample_and_known_when_reported() -> None:
    (fact,) = of(Kind.VIRAL_LOAD, an_oru("OBX|1|NM|20447-9^HIV RNA^LN||1520|copies/mL|||||F|||20240209"))
    assert fact.event.value == 1520
    assert fact.event.occurred_at.date() == date(2024, 2, 9)
    assert fact.event.known_at.date() == date(2024, 2, 14)


def test_without_a_time_of_its_own_a_result_has_that_of_its_order() -> None:
    (fact,) = of(Kind.CD4, an_oru("OBX|1|NM|24467-3^CD4^LN||350|cells/uL|||||F"))
    assert fact.event.occurred_at.date() == date(2024, 2, 10)
    assert fact.event.known_at.date() == date(2024, 2, 14)


def test_without_a_time_of_report_a_result_is_known_by_the_message() -> None:
    raw = an_oru("OBX|1|NM|5497^CD4^CIEL||350||||||F|||20240209", obr="OBR|1|P1|F1|x")
    assert of(Kind.CD4, raw)[0].event.known_at == datetime(2024, 3, 1, 10, 15, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("obx", "expected"),
    [
        ("NM|856^VL^CIEL||0|copies/mL", [0]),
        ("SN|856^VL^CIEL||<^20|cp/mL", [19]),
        ("SN|856^VL^CIEL||>^10000000|cp/mL", [10_000_000]),
        ("ST|856^VL^CIEL||Target Not Detected", [0]),
        ("CWE|856^VL^CIEL||260415000^Not detected^SCT", [0]),
        ("NM|29541-0^VL log^LN||3|{Log_copies}/mL", [1000]),
        ("NM|856^VL^CIEL||3|log10 copies/mL", [1000]),
        ("NM|X9^HIV Viral Load^L||77|copies/mL", [77]),
        ("NM|X9^?^L^25836-8^VL^LN||78|copies/mL", [78]),
        ("NM|856^VL^CIEL||800|IU/mL", []),
        ("ST|856^VL^CIEL||sample rejected", []),
        ("NM|856^VL^CIEL||-5|copies/mL", []),
        ("NM|718-7^Hemoglobin^LN||12", []),
    ],
)
def test_viral_loads_however_written(obx: str, expected: list[float]) -> None:
    assert values(Kind.VIRAL_LOAD, an_oru(f"OBX|1|{obx}{'|' * (6 - obx.count('|'))}|||F|||20240209"[:400])) == expected


@pytest.mark.parametrize(
    ("status", "retracted"),
    [("F", [False]), ("C", [False]), ("", [False]), ("P", []), ("R", []), ("W", [True]), ("D", [True])],
)
def test_only_final_results_count_and_wrong_ones_are_taken_back(status: str, retracted: list[bool]) -> None:
    raw = an_oru(f"OBX|1|NM|856^VL^CIEL||50|copies/mL|||||{status}|||20240209")
    assert [fact.is_retracted for fact in of(Kind.VIRAL_LOAD, raw)] == retracted


def test_a_corrected_result_is_the_same_result_of_a_later_message() -> None:
    first = of(Kind.VIRAL_LOAD, an_oru("OBX|1|NM|856^VL^CIEL||50|copies/mL|||||F|||20240209"))[0].event
    later = an_oru("OBX|1|NM|856^VL^CIEL||5000|copies/mL|||||C|||20240209").replace(
        b"20240301101500", b"20240301101600"
    )
    second = of(Kind.VIRAL_LOAD, later)[0].event
    assert first.source_id == second.source_id
    assert first.sequence < second.sequence


def test_results_of_no_known_question_tell_nothing() -> None:
    assert mapped(an_oru("OBX|1|NM|718-7^Hemoglobin^LN||12||||||F")).facts == ()
    assert mapped(an_oru("OBX|1|NM|856^VL^CIEL||12||||||F|||20240209")).facts


def test_a_sites_own_codes_come_first() -> None:
    row = {
        "system": "L",
        "code": "VLX",
        "kind": "VIRAL_LOAD",
        "units": "copies",
        "lowest": "0",
        "highest": "100",
        "names": "",
    }
    own = Mapper(Rules(), ZONE, Codes([row]))
    assert len(of(Kind.VIRAL_LOAD, an_oru("OBX|1|NM|VLX^?^L||12||||||F|||20240209"), own)) == 1
    assert of(Kind.VIRAL_LOAD, an_oru("OBX|1|NM|VLX^?^L||100||||||F|||20240209"), own)
    for value, unit in (("101", "copies/mL"), ("101", ""), ("2.1", "log")):  # 10^2.1 is more than 100
        assert not of(Kind.VIRAL_LOAD, an_oru(f"OBX|1|NM|VLX^?^L||{value}|{unit}|||||F|||20240209"), own), unit


def test_a_wrong_table_of_codes_is_named(tmp_path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("system,code\nLN,1\n")
    with pytest.raises(InvalidInput, match="columns"):
        codes(path)
    path.write_text("system,code,kind,units,lowest,highest,names\nLN,1,NOTHING,,0,1,\n")
    with pytest.raises(InvalidInput, match="line 2"):
        codes(path)


TLD = "1234^Tenofovir/Lamivudine/Dolutegravir 300/300/50^L"


def an_rds(*segments: str, kind: str = "RDS^O13", pid: str | None = None) -> bytes:
    return a_message(pid or a_person(), *segments, kind=kind)


def rxd(drug: str = TLD, on: str = "20240220", amount: str = "90", dose: str = "") -> str:
    return f"RXD|1|{drug}|{on}|{amount}|TAB||RX7|||||{dose}"


@pytest.mark.parametrize(
    ("order", "days"),
    [
        (("ORC|RE|P1|F1", rxd(), "TQ1|1|||||90^d"), 90),
        (("ORC|RE|P1|F1", rxd(), "TQ1|1|||||3^mo"), 90),
        (("ORC|RE|P1|F1||||1^QD^D60", rxd()), 60),
        (("ORC|RE|P1|F1||||1^QD^W12", rxd()), 84),
        (("ORC|RE|P1|F1", rxd(), "OBX|1|NM|159368^Medication duration^CIEL||180|days"), 180),
        (("ORC|RE|P1|F1", rxd(), "TQ1|1|||||400^d"), None),
        (("ORC|RE|P1|F1", rxd()), None),
    ],
)
def test_a_dispense_of_antiretrovirals_is_a_pick_up(order: tuple[str, ...], days: int | None) -> None:
    (fact,) = of(Kind.PICKUP, an_rds(*order))
    assert fact.event.occurred_at.date() == date(2024, 2, 20)
    assert math.isnan(fact.event.value) if days is None else fact.event.value == days


def test_days_may_be_implied_by_quantity() -> None:
    raw = an_rds("ORC|RE|P1|F1", rxd(amount="90", dose="1"))
    assert values(Kind.PICKUP_QUANTITY_DAYS, raw) == [90]
    assert values(Kind.REGIMEN, raw) == [165681]


def test_drugs_of_several_orders_on_a_day_are_one_pick_up() -> None:
    raw = an_rds("ORC|RE|P1|F1", rxd("1^Dolutegravir^L"), "TQ1|1|||||30^d", "ORC|RE|P2|F2",
                 rxd("2^Tenofovir-Lamivudine^L"), "TQ1|1|||||60^d")  # fmt: skip
    assert values(Kind.PICKUP, raw) == [60]
    assert values(Kind.REGIMEN, raw) == [165681]


@pytest.mark.parametrize(
    "drug", ["1^Paracetamol^L", "1^Tenofovir/Emtricitabine^L", "1^TLD for PEP^L", "1^Cotrimoxazole prophylaxis^L"]
)
def test_other_drugs_and_prevention_are_no_pick_up(drug: str) -> None:
    raw = an_rds("ORC|RE|P1|F1", rxd(drug))
    assert of(Kind.PICKUP, raw) == []
    assert mapped(raw).facts == ()


def test_a_cancelled_dispense_is_taken_back() -> None:
    given, cancelled = (an_rds(f"ORC|{control}|P1|F1", rxd()) for control in ("RE", "CA"))
    assert of(Kind.PICKUP, given)[0].event.source_id == of(Kind.PICKUP, cancelled)[0].event.source_id
    assert of(Kind.PICKUP, cancelled)[0].is_retracted


@pytest.mark.parametrize(("dispensed", "n"), [("20240221", 1), ("", 0)])
def test_an_order_is_a_pick_up_only_where_it_tells_of_dispensing(dispensed: str, n: int) -> None:
    rxe = f"RXE|1^^D30|{TLD}|1||TAB|||||30|TAB|||||||{dispensed}"
    assert len(of(Kind.PICKUP, an_rds("ORC|NW|P1|F1", rxe, kind="RDE^O11"))) == n


def test_drugs_are_known_by_concept_too() -> None:
    assert agents_of("165681", "") == {"TDF", "3TC", "DTG"}


def an_siu(kind: str, start: str = "20240415090000", at: str = "20240301101500") -> bytes:
    return a_message(f"SCH|P9|A9|||||||||^^^{start}", a_person(), kind=kind, at=at)


@pytest.mark.parametrize("kind", ["SIU^S12", "SIU^S13", "SIU^S14"])
def test_appointments(kind: str) -> None:
    (fact,) = of(Kind.APPOINTMENT, an_siu(kind))
    assert fact.event.value == day_number(date(2024, 4, 15))
    assert fact.event.occurred_at == datetime(2024, 3, 1, 10, 15, tzinfo=ZONE)


def test_a_moved_appointment_is_the_same_and_a_cancelled_one_is_taken_back() -> None:
    made, moved = of(Kind.APPOINTMENT, an_siu("SIU^S12"))[0], of(Kind.APPOINTMENT, an_siu("SIU^S13", "20240501"))[0]
    off = of(Kind.APPOINTMENT, an_siu("SIU^S15"))[0]
    assert made.event.source_id == moved.event.source_id == off.event.source_id
    assert [one.is_retracted for one in (made, moved, off)] == [False, False, True]


def test_the_start_may_stand_with_a_resource() -> None:
    raw = a_message("SCH|P9|A9", a_person(), "AIL|1||OFFICE|||20240614084500", kind="SIU^S12")
    assert values(Kind.APPOINTMENT, raw) == [day_number(date(2024, 6, 14))]


def test_a_no_show_is_a_fact_of_its_own() -> None:
    assert values(Kind.NO_SHOW, an_siu("SIU^S26", "20240229")) == [day_number(date(2024, 2, 29))]
    assert of(Kind.APPOINTMENT, an_siu("SIU^S26", "20240229")) == []


def test_a_message_from_the_future_counts_from_when_it_came() -> None:
    fact = of(Kind.SEX, a_message(a_person(), at="20300101"))[0]
    assert fact.event.known_at == RECEIVED


def test_a_fact_from_the_future_is_left_out() -> None:
    raw = an_rds("ORC|RE|P1|F1", rxd(on="20240401"))
    assert of(Kind.PICKUP, raw) == []
    assert "a time lies in the future" in mapped(raw).caveats


def test_nothing_is_known_before_it_happened() -> None:
    raw = an_rds("ORC|RE|P1|F1", rxd(on="20240301"))
    assert all(fact.event.known_at >= fact.event.occurred_at for fact in mapped(raw).facts)


def test_messages_are_ordered_by_time_then_content() -> None:
    def sequence(raw: bytes) -> int:
        return mapped(raw).facts[0].event.sequence

    early, late = a_message(a_person(), at="20240301101500"), a_message(a_person(), at="20240301101501")
    assert sequence(early) < sequence(late) < 2**63
    assert sequence(early) != sequence(a_message(a_person(sex="M"), at="20240301101500"))


def test_a_facility_may_be_renamed_by_table() -> None:
    by = mapper(Rules(facilities={"SYN000001": "abc123"}), ZONE)
    assert mapped(a_message(a_person()), by).facility == "abc123"


def test_a_type_that_is_left_alone_says_nothing() -> None:
    by = mapper(Rules(ignored=frozenset({"VXU^*"})), ZONE)
    assert by.map_raw(a_message(kind="VXU^V04"), received=RECEIVED) is None


def test_mapping_twice_says_the_same() -> None:
    raw = an_oru("OBX|1|NM|856^VL^CIEL||50|copies/mL|||||F|||20240209")
    again = MAPPER.map_raw(raw, received=RECEIVED + timedelta(hours=1))
    assert again is not None
    assert str([fact[:] for fact in mapped(raw).facts]) == str([fact[:] for fact in again.facts])
    assert str([fact.event[:] for fact in mapped(raw).facts]) == str([fact.event[:] for fact in again.facts])
