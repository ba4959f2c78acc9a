"""What single answers say: numbers, concepts, days; NULL and zero; names; bounds."""

import math
from datetime import date

import pytest
from nmrs_documents import (
    a_document,
    a_form,
    a_pickup,
    coded,
    day,
    days,
    facts,
    number,
    obs_of,
    read,
    reasons,
    values,
)

from iit.domain.record import day_number
from iit.domain.vocabulary import Kind

ON = "2023-03-01"


def care(*answers):
    """Return a document with one care card."""
    return a_document(a_form("care", ON, *answers))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"valueNumeric": 54.5, "variableValue": "54.5"}, [54.5], id="number"),
        pytest.param({"valueNumeric": "54.5", "variableValue": None}, [54.5], id="number as text"),
        pytest.param({"valueNumeric": 54, "datatype": "1"}, [54], id="datatype as text"),
        pytest.param({"valueNumeric": 54, "datatype": None}, [54], id="datatype missing"),
        pytest.param({"valueNumeric": 54, "datatype": 0}, [54], id="datatype NULL"),
        pytest.param({"valueNumeric": 0.0, "variableValue": None}, [], id="zero without a shown value is NULL"),
        pytest.param({"valueNumeric": 0.0, "variableValue": ""}, [], id="zero with blank is NULL"),
        pytest.param({"valueNumeric": 0.0, "variableValue": "61.0"}, [61], id="the shown value stands in"),
        pytest.param({"valueNumeric": None, "variableValue": "61"}, [61], id="so it does for null"),
        pytest.param({"valueNumeric": 0.0, "valueText": "61", "datatype": 3}, [61], id="number in the text column"),
        pytest.param({"valueNumeric": 54, "datatype": 2}, [], id="a coded answer is no number"),
        pytest.param({"valueNumeric": "1_0", "variableValue": None}, [], id="no underscores"),
        pytest.param({"valueNumeric": "NaN", "variableValue": "NaN"}, [], id="no NaN"),
        pytest.param({"valueNumeric": "1e400", "variableValue": None}, [], id="no infinity"),
        pytest.param({"valueNumeric": 10**400, "variableValue": None}, [], id="no number beyond all bounds"),
        pytest.param({"valueNumeric": 0.5}, [0.5], id="least weight"),
        pytest.param({"valueNumeric": 0.4}, [], id="less than the least weight"),
        pytest.param({"valueNumeric": 300}, [300], id="greatest weight"),
        pytest.param({"valueNumeric": 301}, [], id="more than the greatest weight"),
        pytest.param({"valueNumeric": -54}, [], id="below zero"),
    ],
)
def test_weight(changes, expected):
    assert values(care(number(5089, 54) | {"variableValue": None} | changes), Kind.WEIGHT_KG) == expected


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(number(5089, 301), "a number is not credible", id="out of bounds"),
        pytest.param(number(5089, 0, shown="0.0"), "a number is not credible", id="a real zero"),
        pytest.param(number(5089, None, shown="heavy"), "a number cannot be read", id="words"),
        pytest.param(coded(5356, 9999), "an answer is not known", id="a stage that does not exist"),
        pytest.param(coded(5356, 0, variableValue="?"), "an answer is not known", id="an unknown name"),
        pytest.param(coded(1054, 2**24), "an answer is not known", id="a concept that float32 cannot hold"),
    ],
)
def test_what_is_left_out_is_told_with_its_place(answer, reason):
    document = care(answer)
    (warning,) = read(document).warnings
    assert warning.reason == reason
    assert warning.place.startswith("messageData.obs[0].value")


@pytest.mark.parametrize("answer", [number(5089, None), coded(5356, 0, variableValue=None), number(856, None)])
def test_null_is_left_out_without_a_word(answer):
    assert read(care(answer)).warnings == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"valueCoded": 1205}, [1205], id="by id"),
        pytest.param({"valueCoded": "1205"}, [1205], id="by id as text"),
        pytest.param({"valueCoded": 1205.0}, [1205], id="by id as float"),
        pytest.param({"valueCoded": 1221}, [1205], id="a child's stage is the same stage"),
        pytest.param({"valueCoded": 0, "variableValue": "WHO STAGE 3 ADULT"}, [1206], id="by name"),
        pytest.param({"valueCoded": None, "variableValue": "who stage iv"}, [1207], id="by name in other letters"),
        pytest.param({"valueCoded": 1205, "datatype": None}, [1205], id="datatype missing"),
        pytest.param({"valueCoded": 0, "valueText": "Stage II", "datatype": 3}, [1205], id="name in the text column"),
        pytest.param({"valueCoded": 0, "variableValue": None}, [], id="zero is NULL"),
        pytest.param({"valueCoded": -1, "variableValue": None}, [], id="below zero"),
    ],
)
def test_who_stage(changes, expected):
    assert values(care(coded(5356, 0) | changes), Kind.WHO_STAGE) == expected


@pytest.mark.parametrize(
    ("concept", "answer", "kind"),
    [
        (165290, 165289, Kind.ADHERENCE), (165039, 160026, Kind.FUNCTIONAL_STATUS), (1659, 166042, Kind.TB_STATUS),
        (165050, 165048, Kind.PREGNANCY), (160540, 160542, Kind.CARE_ENTRY), (165242, 1065, Kind.PRIOR_ART),
        (1054, 5555, Kind.MARITAL_STATUS), (1712, 1714, Kind.EDUCATION), (1542, 123801, Kind.OCCUPATION),
        (165467, 1737, Kind.DEFAULT_REASON),
    ],
)  # fmt: skip
def test_coded_answers(concept, answer, kind):
    assert values(care(coded(concept, answer)), kind) == [answer]


@pytest.mark.parametrize(
    ("concept", "kind"),
    [(5090, Kind.HEIGHT_CM), (5085, Kind.SYSTOLIC_MMHG), (5086, Kind.DIASTOLIC_MMHG)],
)
def test_measurements(concept, kind):
    assert values(care(number(concept, 120)), kind) == [120]


@pytest.mark.parametrize(
    ("concept", "told", "kind"),
    [
        (5096, "2023-06-01", Kind.APPOINTMENT), (165036, "2023-06-01", Kind.APPOINTMENT),
        (5596, "2023-09-01", Kind.EXPECTED_DELIVERY), (164852, "2023-02-01", Kind.TPT_START),
        (166096, "2023-02-01", Kind.TPT_STOP), (159599, "2020-02-01", Kind.ART_START),
        (160554, "2019-02-01", Kind.HIV_DIAGNOSIS), (160534, "2021-02-01", Kind.TRANSFER_IN),
        (165775, "2023-02-01", Kind.RETURNED),
    ],
)  # fmt: skip
def test_days_told(concept, told, kind):
    (fact,) = facts(care(day(concept, told)), kind)
    assert fact.value == day_number(date.fromisoformat(told))
    assert str(fact.occurred_at.date()) == ON


def test_day_told_in_the_shown_value_only():
    row = day(5096, "2023-06-01") | {"valueDatetime": None}
    assert len(facts(care(row), Kind.APPOINTMENT)) == 1


def test_nobody_knew_of_a_return_before_it_came():
    (fact,) = facts(care(day(165775, "2023-04-10")), Kind.RETURNED)
    assert str(fact.known_at.date()) == "2023-04-10"


def test_appointment_after_the_export_is_kept_and_a_start_after_it_is_not():
    assert len(facts(care(day(5096, "2024-06-01")), Kind.APPOINTMENT)) == 1
    document = care(day(159599, "2024-06-01"))
    assert facts(document, Kind.ART_START) == []
    assert reasons(document) == ["a date lies after the export"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        pytest.param({"conceptId": "5089"}, Kind.WEIGHT_KG, id="id as text"),
        pytest.param({"conceptId": 0, "variableName": "Weight (kg)"}, Kind.WEIGHT_KG, id="by name"),
        pytest.param({"conceptId": None, "variableName": "WEIGHT  (KG)"}, Kind.WEIGHT_KG, id="by name in capitals"),
        pytest.param({"conceptId": 99999, "variableName": "Weight (kg)"}, Kind.WEIGHT_KG, id="renumbered site"),
        pytest.param({"conceptId": 5090, "variableName": "Weight (kg)"}, Kind.HEIGHT_CM, id="the id counts first"),
    ],
)
def test_questions_are_found_by_id_then_by_name(changes, kind):
    assert values(care(number(5089, 54) | changes), kind) == [54]


def test_dsd_model_is_found_by_its_name():
    assert values(care(coded(166001, 166002, variableName="DSD Model")), Kind.DSD_MODEL) == [166002]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(number(166003, 2), [2], id="number in the series"),
        pytest.param(coded(166003, 166004), [None], id="a session without a number"),
        pytest.param(number(166003, 50), [], id="not credible"),
        pytest.param(number(166003, None), [], id="NULL"),
    ],
)
def test_counselling_session_is_found_by_its_name(answer, expected):
    found = values(care(answer | {"variableName": "Number of EAC sessions"}), Kind.EAC_SESSION)
    assert [None if math.isnan(value) else value for value in found] == expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([(1434, "Yes")], [165048], id="pregnant"),
        pytest.param([(1434, "true")], [165048], id="true"),
        pytest.param([(1434, "No")], [165047], id="not pregnant"),
        pytest.param([(5632, "Yes")], [165049], id="breastfeeding"),
        pytest.param([(5632, "No")], [], id="not breastfeeding says nothing"),
        pytest.param([(1434, "No"), (5632, "Yes")], [165049], id="not pregnant but breastfeeding"),
        pytest.param([(1434, None)], [], id="NULL"),
    ],
)
def test_pregnancy_by_yes_or_no(answers, expected):
    rows = [{"conceptId": concept, "datatype": 10, "variableValue": shown} for concept, shown in answers]
    assert values(care(*rows), Kind.PREGNANCY) == expected


@pytest.mark.parametrize(("answer", "expected"), [(1065, [165048]), (1066, [165047])])
def test_pregnancy_by_coded_yes_or_no(answer, expected):
    assert values(care(coded(1434, answer, variableValue=None)), Kind.PREGNANCY) == expected


def test_throat_is_not_found_by_name():
    document = a_document(a_form("laboratory", ON, number(0, 4000, variableName="THROAT PAINFUL")))
    assert facts(document, Kind.VIRAL_LOAD) == []


@pytest.mark.parametrize(
    ("row_made", "encounter_made", "known"),
    [
        pytest.param("2023-03-04", "2023-03-03", "2023-03-04", id="when the row was made"),
        pytest.param(None, "2023-03-03", "2023-03-03", id="else when the encounter was"),
        pytest.param(None, None, ON, id="else when it happened"),
        pytest.param("2022-01-01", "2022-01-01", ON, id="not before it happened"),
        pytest.param("2031-01-01", None, "2024-02-01", id="not after the export"),
        pytest.param("04/03/2023", "2023-03-03", "2023-03-03", id="not by a date that would be guessed"),
    ],
)
def test_when_an_answer_became_known(row_made, encounter_made, known):
    document = a_document(a_form("care", ON, number(5089, 54), dateCreated=encounter_made))
    obs_of(document, 5089)["dateCreated"] = row_made
    assert [str(one) for one in days(document, Kind.WEIGHT_KG, lambda event: event.known_at)] == [known]


@pytest.mark.parametrize(
    ("obs_uuid", "obs_id", "expected"),
    [
        pytest.param("abc-1", 7, "abc-1", id="UUID"),
        pytest.param(None, 7, "obs:FAKEdatim01:7", id="number"),
        pytest.param("not an id", "7", "obs:FAKEdatim01:7", id="UUID that is none"),
        pytest.param("", 0, None, id="neither"),
    ],
)
def test_source_id(obs_uuid, obs_id, expected):
    document = care(number(5089, 54))
    obs_of(document, 5089).update(obsUuid=obs_uuid, obsId=obs_id)
    assert [event.source_id for event in facts(document, Kind.WEIGHT_KG)] == ([expected] if expected else [])
    assert reasons(document) == ([] if expected else ["a row has no id"])


def test_answers_without_an_encounter_are_facts():
    document = care(number(5089, 54))
    document["messageData"]["encounters"] = None
    obs_of(document, 5089).update(encounterUuid=None, encounterId=0, visitUuid=None)
    assert values(document, Kind.WEIGHT_KG) == [54]


def test_answers_find_their_encounter_by_number_where_they_have_no_uuid():
    document = a_document(a_pickup(ON))
    for row in document["messageData"]["obs"]:
        row["encounterUuid"] = None
    assert values(document, Kind.PICKUP) == [30]


def test_answers_with_a_uuid_find_an_encounter_that_has_only_a_number():
    document = a_document(a_form("care", ON, number(5089, 54)))
    document["messageData"]["encounters"][0]["encounterUuid"] = None
    assert len(facts(document, Kind.VISIT)) == 1


def test_appointment_in_a_form_that_would_be_guessed_is_left_out():
    document = care(day(5096, "2023-06-01") | {"valueDatetime": "01/06/2023"})
    assert facts(document, Kind.APPOINTMENT) == []
    assert [warning.place for warning in read(document).warnings] == ["messageData.obs[0].valueDatetime"]


def test_encounter_without_any_id_is_left_out_and_told():
    document = a_document(a_form("care", ON))
    document["messageData"]["encounters"][0].update(encounterUuid=None, encounterId=0)
    assert facts(document, Kind.VISIT) == []
    assert [warning.place for warning in read(document).warnings] == ["messageData.encounters[0].encounterUuid"]


def test_numbers_of_encounters_repeat_and_uuids_do_not():
    document = a_document(a_form("care", ON), a_form("pharmacy", "2023-03-02"))
    lost = number(5089, 54, encounterId=9001, encounterUuid="abc", formId=14, obsUuid="def", obsDatetime="2023-05-01")
    document["messageData"]["obs"].append(lost)
    assert [str(one) for one in days(document, Kind.VISIT)] == [ON, "2023-05-01"]


def test_answers_that_belong_nowhere_make_no_pickup():
    document = a_document(a_pickup(ON))
    document["messageData"]["encounters"] = []
    for row in document["messageData"]["obs"]:
        row.update(encounterUuid=None, encounterId=0)
    assert facts(document, Kind.PICKUP) == []
    assert "a pick-up belongs to no encounter" in reasons(document)


def test_encounter_made_on_a_day_that_would_be_guessed_is_told():
    document = a_document(a_form("care", ON, dateCreated="04/03/2023"))
    assert [str(one) for one in days(document, Kind.VISIT, lambda event: event.known_at)] == [ON]
    assert [warning.place for warning in read(document).warnings] == ["messageData.encounters[0].dateCreated"]


@pytest.mark.parametrize("coded_as", [1205.5, "1205.5", 2**70, "9" * 30])
def test_concept_that_is_no_whole_number_of_64_bits_is_no_answer(coded_as):
    assert facts(care(coded(5356, 0) | {"valueCoded": coded_as}), Kind.WHO_STAGE) == []
