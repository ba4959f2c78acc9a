"""From resources to facts: what counts, when it happened and when it became known."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.fhir_resources import a_bundle, a_dispense, a_patient, an_answer, an_id, an_observation, encoded

from iit.domain.errors import InvalidInput
from iit.domain.record import day_number
from iit.domain.vocabulary import Kind
from iit.ingest.fhir.bundle import read_contents
from iit.ingest.fhir.map import fhir_mapper
from iit.ingest.fhir.reading import Told
from iit.ingest.hl7.reading import Fact

ZONE = ZoneInfo("Africa/Lagos")
RECEIVED = datetime(2024, 6, 1, 12, tzinfo=ZONE)
MAPPER = fhir_mapper(ZONE)


def told(*resources: dict[str, Any], **more: Any) -> list[Told]:
    return MAPPER.map(read_contents(encoded(a_bundle(*resources, **more))), received=RECEIVED)


def facts(*resources: dict[str, Any]) -> dict[str, Fact]:
    """Return the facts by kind, those taken back as `-KIND`."""
    found = [fact for one in told(*resources) for fact in one.facts]
    return {("-" if fact.is_retracted else "") + fact.event.kind.name: fact for fact in found}


def value(kind: Kind, *resources: dict[str, Any]) -> float | None:
    found = facts(*resources).get(kind.name)
    return None if found is None else found.event.value


def test_a_result_is_true_when_taken_and_known_when_issued() -> None:
    event = facts(an_observation(issued="2024-01-20T08:00:00+01:00"))["VIRAL_LOAD"].event
    assert (event.occurred_at.date().isoformat(), event.known_at.date().isoformat()) == ("2024-01-10", "2024-01-20")


def test_without_issued_the_last_change_tells_since_when() -> None:
    event = facts(an_observation(meta={"lastUpdated": "2024-01-15T00:00:00Z"}))["VIRAL_LOAD"].event
    assert event.known_at.date().isoformat() == "2024-01-15"


def test_nothing_is_known_before_it_happened_nor_after_it_was_received() -> None:
    event = facts(an_observation(issued="2023-01-01T00:00:00Z"))["VIRAL_LOAD"].event
    assert event.known_at == event.occurred_at
    event = facts(an_observation(meta={"lastUpdated": "2031-01-01T00:00:00Z"}))["VIRAL_LOAD"].event
    assert event.known_at == RECEIVED


@pytest.mark.parametrize(
    ("quantity", "copies"),
    [
        pytest.param({"valueQuantity": {"value": 0, "unit": "copies/mL"}}, 0.0, id="zero"),
        pytest.param({"valueQuantity": {"value": 20, "comparator": "<", "code": "{copies}/mL"}}, 19.0, id="below 20"),
        pytest.param({"valueQuantity": {"value": 1e7, "comparator": ">", "unit": "cp/mL"}}, 1e7, id="above"),
        pytest.param({"valueQuantity": {"value": 3, "unit": "log10 copies/mL"}}, 1000.0, id="logarithm"),
        pytest.param({"valueString": "<20"}, 19.0, id="as text"),
        pytest.param({"valueString": "Target not detected"}, 0.0, id="not detected"),
        pytest.param({"valueCodeableConcept": {"text": "not detected"}}, 0.0, id="coded"),
        pytest.param({"valueInteger": 40}, 40.0, id="whole number"),
        pytest.param({"valueQuantity": {"value": 40, "unit": "furlongs"}}, None, id="unit unknown"),
        pytest.param({"valueString": "rejected"}, None, id="rejected sample"),
        pytest.param({"valueQuantity": {"value": -1, "unit": "copies/mL"}}, None, id="negative"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_a_viral_load_is_read_however_it_is_told(quantity: dict[str, Any], copies: float | None) -> None:
    assert value(Kind.VIRAL_LOAD, an_observation(value=None, **quantity)) == copies


@pytest.mark.parametrize(
    ("status", "name"),
    [("final", "VIRAL_LOAD"), ("amended", "VIRAL_LOAD"), ("corrected", "VIRAL_LOAD"),
     ("entered-in-error", "-VIRAL_LOAD"), ("cancelled", "-VIRAL_LOAD"), ("preliminary", None), ("registered", None)],
)  # fmt: skip
def test_the_status_of_a_result_decides(status: str, name: str | None) -> None:
    assert set(facts(an_observation(status=status))) == ({name} if name else set())


def test_an_answer_is_read_by_its_code_or_its_name() -> None:
    coded = {"coding": [{"system": "https://cielterminology.org", "code": "1206"}]}
    assert value(Kind.WHO_STAGE, an_answer(5356, valueCodeableConcept=coded)) == 1206
    assert value(Kind.WHO_STAGE, an_answer(5356, valueCodeableConcept={"text": "WHO Stage III"})) == 1206
    openmrs = {"coding": [{"code": "5356AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}
    assert value(Kind.WHO_STAGE, an_answer(5356, code=openmrs, valueString="WHO stage 3")) == 1206
    assert value(Kind.WHO_STAGE, an_answer(5356, valueCodeableConcept={"text": "stage nine"})) is None


@pytest.mark.parametrize(
    ("concept", "answer", "expected"),
    [(1434, True, 165048), (1434, False, 165047), (5632, True, 165049), (5632, False, None)],
)
def test_pregnancy_is_read_from_yes_and_no(concept: int, answer: bool, expected: int | None) -> None:
    assert value(Kind.PREGNANCY, an_answer(concept, valueBoolean=answer)) == expected


def test_a_day_that_is_told_is_not_known_before_it_came() -> None:
    event = facts(an_answer(159599, valueDateTime="2024-03-01"))["ART_START"].event
    assert event.value == day_number(datetime(2024, 3, 1, tzinfo=ZONE))
    assert event.known_at.date().isoformat() == "2024-03-01"


def test_the_components_of_blood_pressure_are_two_facts() -> None:
    def part(code: str, number: float) -> dict[str, Any]:
        quantity = {"value": number, "code": "mm[Hg]"}
        return {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueQuantity": quantity}

    found = facts(an_observation("85354-9", None, component=[part("8480-6", 121), part("8462-4", 79)]))
    assert {name: fact.event.value for name, fact in found.items()} == {"SYSTOLIC_MMHG": 121, "DIASTOLIC_MMHG": 79}
    assert len({fact.event.source_id for fact in found.values()}) == 2


def test_a_dispense_is_a_pickup_with_its_days_and_regimen() -> None:
    found = facts(a_dispense(days=90))
    assert found["PICKUP"].event.value == 90
    assert found["REGIMEN"].event.value == 165681


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        pytest.param({"status": "in-progress"}, set(), id="not handed over yet"),
        pytest.param({"whenHandedOver": None}, set(), id="no day"),
        pytest.param({"medicationCodeableConcept": {"text": "Cotrimoxazole"}}, set(), id="no antiretroviral"),
        pytest.param({"medicationCodeableConcept": {"text": "TDF/FTC"}}, set(), id="two drugs alone"),
        pytest.param({"type": {"text": "PrEP"}}, set(), id="for prevention"),
        pytest.param({"status": "declined"}, {"-PICKUP", "-PICKUP_QUANTITY_DAYS", "-REGIMEN", "-ARV_DRUG"}, id="no"),
        pytest.param(
            {"medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "J05AR27"}]}},
            {"PICKUP", "REGIMEN"},
            id="by its ATC code",
        ),
        pytest.param(
            {"medicationCodeableConcept": {"coding": [{"system": "https://cielterminology.org", "code": "165631"}]}},
            {"PICKUP", "ARV_DRUG"},
            id="by its concept",
        ),
    ],
)
def test_what_is_handed_out_decides(changes: dict[str, Any], kinds: set[str]) -> None:
    assert set(facts(a_dispense(**changes))) == kinds


@pytest.mark.parametrize(
    ("supply", "days"),
    [({"value": 3, "code": "mo"}, 90), ({"value": 2, "unit": "weeks"}, 14), ({"value": 365}, 365),
     ({"value": 366}, None), ({"value": 0}, None), ({"value": 30, "code": "cups"}, None)],
)  # fmt: skip
def test_days_supplied_are_read_in_their_unit(supply: dict[str, Any], days: float | None) -> None:
    found = value(Kind.PICKUP, a_dispense(days=None, daysSupply=supply))
    assert found == days or (days is None and found != found)


def test_the_amount_and_the_dose_imply_days() -> None:
    dose = [{"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
             "doseAndRate": [{"doseQuantity": {"value": 1}}]}]  # fmt: skip
    dispense = a_dispense(days=None, quantity={"value": 120}, dosageInstruction=dose)
    assert value(Kind.PICKUP_QUANTITY_DAYS, dispense) == 60


def test_a_medication_may_lie_inside_or_beside() -> None:
    inside = a_dispense(
        medicationCodeableConcept=None,
        medicationReference={"reference": "#m"},
        contained=[{"resourceType": "Medication", "id": "m", "code": {"text": "Dolutegravir"}}],
    )
    assert value(Kind.PICKUP, inside) == 30
    beside = {"resourceType": "Medication", "id": an_id("m"), "code": {"text": "Dolutegravir"}}
    other = a_dispense(medicationCodeableConcept=None, medicationReference={"reference": f"Medication/{an_id('m')}"})
    assert value(Kind.PICKUP, beside, other) == 30
    (alone,) = told(other)
    assert isinstance(alone.error, InvalidInput)


def an_appointment(status: str, **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "id": an_id("appointment"),
        "meta": {"lastUpdated": "2024-03-12T09:00:00+01:00"},
        "status": status,
        "created": "2024-01-10T09:00:00+01:00",
        "start": "2024-03-11T09:00:00+01:00",
        "participant": [{"actor": {"reference": f"Patient/{an_id('one')}"}}],
        **changes,
    }


def test_an_appointment_tells_its_day() -> None:
    event = facts(an_appointment("booked"))["APPOINTMENT"].event
    assert event.value == day_number(datetime(2024, 3, 11, tzinfo=ZONE))
    assert event.occurred_at.date().isoformat() == "2024-01-10"
    assert event.known_at.date().isoformat() == "2024-03-12"


def test_what_came_to_pass_does_not_replace_what_was_booked() -> None:
    booked = facts(an_appointment("booked", meta={"lastUpdated": "2024-01-10T09:00:00+01:00"}))["APPOINTMENT"].event
    kept = facts(an_appointment("fulfilled"))["APPOINTMENT"].event
    assert kept.known_at.date().isoformat() == "2024-01-10"
    assert kept.sequence >> 29 <= booked.sequence >> 29


def test_an_appointment_that_was_not_kept_is_a_fact_of_its_own() -> None:
    assert set(facts(an_appointment("noshow"))) == {"APPOINTMENT", "NO_SHOW"}
    assert set(facts(an_appointment("cancelled"))) == {"-APPOINTMENT", "-NO_SHOW"}


def an_encounter(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": an_id("encounter"),
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{an_id('one')}"},
        "period": {"start": "2024-01-10"},
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, {"VISIT"}), ({"status": "planned"}, set()), ({"status": "cancelled"}, {"-VISIT"}),
        ({"class": {"code": "VR"}}, set()), ({"type": [{"text": "Pharmacy Order Form"}]}, set()),
        ({"type": [{"coding": [{"code": "15"}]}]}, set()), ({"type": [{"text": "Care Card"}]}, {"VISIT"}),
        ({"period": {"start": "2031-01-01"}}, set()),
    ],
)  # fmt: skip
def test_only_contacts_are_visits(changes: dict[str, Any], kinds: set[str]) -> None:
    assert set(facts(an_encounter(**changes))) == kinds


def test_an_episode_of_hiv_care_is_an_enrolment() -> None:
    episode = {"resourceType": "EpisodeOfCare", "id": an_id("e"), "status": "active", "period": {"start": "2023-05-02"},
               "patient": {"reference": f"Patient/{an_id('one')}"}}  # fmt: skip
    assert set(facts(episode | {"type": [{"text": "HIV"}]})) == {"ENROLMENT"}
    assert facts(episode | {"type": [{"text": "Malaria"}]}) == {}


def test_a_person_is_known_since_the_first_fact_of_the_bundle() -> None:
    late = a_patient(meta={"lastUpdated": "2024-05-30T00:00:00Z"}, deceasedDateTime="2024-05-29")
    found = facts(late, an_observation())
    assert found["SEX"].event.known_at.date().isoformat() == "2024-01-10"
    assert found["DEATH"].event.known_at.date().isoformat() == "2024-05-30"


@pytest.mark.parametrize(("told_death", "name"), [({"deceasedBoolean": True}, "DEATH"), ({}, None),
                                                  ({"deceasedBoolean": False}, "-DEATH")])  # fmt: skip
def test_death_is_told_taken_back_or_not_mentioned(told_death: dict[str, Any], name: str | None) -> None:
    assert {one for one in facts(a_patient(**told_death)) if "DEATH" in one} == ({name} if name else set())


@pytest.mark.parametrize("born", ["1991", "1991-05", "1991-05-14"])
def test_a_birthdate_may_be_a_year(born: str) -> None:
    assert facts(a_patient(birthDate=born))["BIRTH"].event.occurred_at.year == 1991


def test_the_same_resource_has_the_same_id_wherever_it_is_sent() -> None:
    def ids(resource: dict[str, Any], **entry: Any) -> str:
        body = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": resource, **entry}]}
        (one,) = MAPPER.map(read_contents(encoded(body)), received=RECEIVED)
        return one.id

    assert ids(an_observation()) == an_observation()["id"]
    short = an_observation(id="17")
    here = ids(short, fullUrl="https://a.example/fhir/Observation/17")
    assert here == ids(short, fullUrl="https://a.example/fhir/Observation/17")
    assert here != ids(short, fullUrl="https://b.example/fhir/Observation/17")
    numbered = an_observation(identifier=[{"system": "urn:lab", "value": "7"}])
    del numbered["id"]
    assert ids(numbered) == ids(numbered | {"status": "corrected"})


def test_whom_a_reference_means_must_be_clear() -> None:
    for subject in (None, {"reference": "Patient/17"}, {"display": "Ada"}, {"reference": "Group/1"}):
        (one,) = told(an_observation(subject=subject))
        assert isinstance(one.error, InvalidInput)
        assert one.error.place == "Bundle.entry[0].resource.subject"
    for clear in ({"reference": f"Patient/{an_id('one')}"}, {"reference": "https://a.example/fhir/Patient/17"},
                  {"identifier": {"system": "urn:iit:test", "value": "N-one"}}):  # fmt: skip
        (one,) = told(an_observation(subject=clear))
        assert one.error is None


def test_nothing_shows_what_it_holds() -> None:
    for one in told(a_patient(), a_dispense(), an_observation()):
        shown = f"{one!r} {one.entry!r} {one.entry.resource!r} {one.facts!r} {one.person!r}"
        assert "CANARY" not in shown
        assert "N-one" not in shown
