"""The person: birth, sex, place, phone, enrolment; and whose document it is."""

import math

import pytest
from nmrs_documents import (
    FACILITY,
    PATIENT,
    a_document,
    a_form,
    a_pickup,
    facts,
    number,
    read,
    reasons,
    values,
)

from iit.domain.errors import InvalidInput
from iit.domain.record import city_hash
from iit.domain.vocabulary import NIGERIAN_STATES, Kind

MADE = "2022-01-03"


def test_person_of_a_document():
    imported = read(a_document())
    patient = imported.record.patient
    assert (patient.patient_uuid, patient.facility, patient.facility_name) == (PATIENT, FACILITY, "Invented Hospital")
    assert (str(patient.birth_on), patient.sex, patient.state_province, patient.city) == (
        "1991-05-14", "F", "Lagos", "Ikeja",
    )  # fmt: skip
    assert (patient.phone_present, patient.status) == (True, "active")
    assert str(imported.exported_at) == str(patient.exported_at) == "2024-02-01 09:14:55+01:00"
    assert imported.warnings == ()


def test_facts_of_the_person_are_dated_by_the_day_the_row_was_made():
    record = read(a_document()).record
    assert {event.kind: event.source_id for event in record.events} == {
        Kind.BIRTH: "demographics:birthdate",
        Kind.SEX: "demographics:gender",
        Kind.STATE: "demographics:stateProvince",
        Kind.CITY: "demographics:cityVillage",
        Kind.PHONE: "demographics:phoneNumber",
    }
    assert {str(event.known_at.date()) for event in record.events} == {MADE}
    (birth,) = [event for event in record.events if event.kind is Kind.BIRTH]
    assert str(birth.occurred_at) == "1991-05-14 00:00:00+01:00"
    assert math.isnan(birth.value)


@pytest.mark.parametrize(
    ("forms", "expected"),
    [
        pytest.param([a_pickup("2022-05-01")], "2022-05-01", id="by the first fact"),
        pytest.param([], "2024-02-01", id="by the export"),
    ],
)
def test_facts_of_a_person_whose_row_has_no_day(forms, expected):
    (sex,) = facts(a_document(*forms, dateCreated=None), Kind.SEX)
    assert str(sex.known_at.date()) == expected


def test_facts_of_a_person_without_any_day_are_left_out():
    document = a_document(dateCreated=None, header={"messageCreationDateTime": None})
    assert read(document).record.events == ()
    assert reasons(document) == ["nothing tells when the person was registered"]


@pytest.mark.parametrize(
    ("written", "sex", "value"),
    [("F", "F", [2]), ("female", "F", [2]), (" M ", "M", [1]), ("MALE", "M", [1]), ("x", None, []), (None, None, [])],
)
def test_sex(written, sex, value):
    document = a_document(gender=written)
    assert read(document).record.patient.sex == sex
    assert values(document, Kind.SEX) == value


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ("Lagos", "Lagos"), ("LAGOS STATE", "Lagos"), ("lagos  state", "Lagos"), ("Akwa-Ibom", "Akwa Ibom"),
        ("Nassarawa", "Nasarawa"), ("Abuja", "FCT"), ("Federal Capital Territory", "FCT"), ("FCT, Abuja", "FCT"),
        ("Rivers State", "Rivers"), ("Cross-River", "Cross River"), ("Atlantis", None), (None, None), ("", None),
    ],
)  # fmt: skip
def test_state(written, state):
    document = a_document(stateProvince=written)
    assert read(document).record.patient.state_province == state
    assert values(document, Kind.STATE) == ([NIGERIAN_STATES.index(state) + 1.0] if state else [])
    assert ("a state is not known" in reasons(document)) is (written == "Atlantis")


@pytest.mark.parametrize(
    ("written", "city"),
    [
        pytest.param("Port\u0000  Harcourt\n", "Port Harcourt", id="blanks and what cannot be stored"),
        pytest.param("Block 12", "Block 12", id="a few digits"),
        pytest.param("0803 555 0100", None, id="a phone number"),
        pytest.param("", None, id="blank"),
        pytest.param(None, None, id="null"),
    ],
)
def test_city(written, city):
    document = a_document(cityVillage=written)
    assert read(document).record.patient.city == city
    assert values(document, Kind.CITY) == ([city_hash(city)] if city else [])


@pytest.mark.parametrize(
    ("written", "present", "fact"),
    [
        pytest.param("<AES-encrypted>", True, [1], id="encrypted"),
        pytest.param(8035550100, True, [1], id="number"),
        pytest.param(None, False, [0], id="null"),
        pytest.param("  ", False, [0], id="blank"),
        pytest.param(0, False, [0], id="NULL written as zero"),
    ],
)
def test_phone(written, present, fact):
    document = a_document(phoneNumber=written)
    assert read(document).record.patient.phone_present is present
    assert values(document, Kind.PHONE) == fact


def test_phone_that_is_not_spoken_of_is_unknown():
    document = a_document()
    del document["messageData"]["demographics"]["phoneNumber"]
    assert read(document).record.patient.phone_present is None
    assert facts(document, Kind.PHONE) == []


def test_phone_on_a_form_is_known_from_its_day():
    phone = {"conceptId": 159635, "datatype": 3, "valueText": "<AES-encrypted>"}
    document = a_document(a_form("enrolment", "2022-06-01", phone), phoneNumber=None)
    assert read(document).record.patient.phone_present is True
    assert [(str(event.known_at.date()), event.value) for event in facts(document, Kind.PHONE)] == [
        (MADE, 0),
        ("2022-06-01", 1),
    ]


@pytest.mark.parametrize(
    ("changes", "n_facts"),
    [
        pytest.param({}, 1, id="HIV"),
        pytest.param({"programId": "1"}, 1, id="number as text"),
        pytest.param({"programId": None, "programName": "HIV"}, 1, id="by name"),
        pytest.param({"programId": 2}, 0, id="another programme"),
        pytest.param({"voided": 1}, 0, id="voided"),
        pytest.param({"dateEnrolled": None}, 0, id="without a day"),
        pytest.param({"patientProgramUuid": None}, 1, id="without UUID"),
        pytest.param({"patientProgramUuid": None, "patientProgramId": 0}, 0, id="without any id"),
    ],
)
def test_enrolment(changes, n_facts):
    document = a_document()
    program = {
        "patientProgramId": 9, "patientProgramUuid": "abc", "programId": 1, "voided": 0,
        "dateEnrolled": "2022-03-07 00:00:00", "dateCreated": "2022-03-09 00:00:00",
    }  # fmt: skip
    document["messageData"]["patientPrograms"] = [program | changes]
    found = facts(document, Kind.ENROLMENT)
    assert len(found) == n_facts
    assert {(str(event.occurred_at.date()), event.value) for event in found} <= {("2022-03-07", 19058.0)}
    assert {str(event.known_at.date()) for event in found} <= {"2022-03-09"}


@pytest.mark.parametrize("uuid", [None, "", "  ", "two words", "x" * 65, "Ada Obi", 7, "a\nb"])
def test_patient_without_a_usable_id_is_refused(uuid):
    with pytest.raises(InvalidInput) as refused:
        read(a_document(patientUuid=uuid))
    assert refused.value.place == "messageData.demographics.patientUuid"


@pytest.mark.parametrize(
    ("own", "sender", "facility"),
    [
        pytest.param("FAKEdatim01", "FAKEdatim01", "FAKEdatim01", id="both"),
        pytest.param(None, "FAKEdatim02", "FAKEdatim02", id="the sender only"),
        pytest.param("FAKEdatim01", None, "FAKEdatim01", id="the patient's only"),
        pytest.param("FAKEdatim01", "FAKEdatim02", "FAKEdatim01", id="the patient's counts"),
    ],
)
def test_facility(own, sender, facility):
    document = a_document(datimId=own, header={"facilityDatimCode": sender})
    assert read(document).record.patient.facility == facility
    assert ("the sender is not the patient's facility" in reasons(document)) is bool(own and sender and own != sender)


@pytest.mark.parametrize("code", [None, "", "a b", "a/b"])
def test_document_without_a_facility_is_refused(code):
    with pytest.raises(InvalidInput, match="facility"):
        read(a_document(datimId=code, header={"facilityDatimCode": None}))


@pytest.mark.parametrize("block", ["visits", "encounters", "obs", "patientIdentifiers"])
def test_row_of_another_patient_refuses_the_document(block):
    document = a_document(a_form("care", "2023-03-01", number(5089, 54)))
    document["messageData"][block][0]["patientUuid"] = "99999999-2222-5333-8444-555555555555"
    with pytest.raises(InvalidInput) as refused:
        read(document)
    assert refused.value.place == f"messageData.{block}[0].patientUuid"


@pytest.mark.parametrize("uuid", [None, "", PATIENT.upper()])
def test_row_that_names_no_other_patient_is_taken(uuid):
    document = a_document(a_form("care", "2023-03-01", number(5089, 54)))
    document["messageData"]["obs"][0]["patientUuid"] = uuid
    assert values(document, Kind.WEIGHT_KG) == [54]


def test_two_people_in_one_document_are_refused():
    document = a_document()
    document["messageData"]["demographics"] = [document["messageData"]["demographics"]] * 2
    with pytest.raises(InvalidInput, match="one patient"):
        read(document)


def test_nothing_shows_a_value():
    document = a_document(a_pickup("2022-05-01"), gender="Ada Obi", stateProvince="0803 555 0100")
    imported = read(document)
    shown = repr(imported) + repr(imported.record) + repr(imported.record.patient) + str(imported.warnings)
    assert len(imported.warnings) == 2
    for value in ("Ada", "Obi", "0803", PATIENT, "1991"):
        assert value not in shown
