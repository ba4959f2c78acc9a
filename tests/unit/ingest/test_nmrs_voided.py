"""What is voided falls away with all that hangs on it, and each row counts once."""

import pytest
from nmrs_documents import (
    a_document,
    a_form,
    a_pickup,
    arv_group,
    coded,
    encounter_of,
    facts,
    number,
    obs_of,
    read,
    reasons,
    values,
)

from iit.domain.errors import InvalidInput
from iit.domain.vocabulary import Kind

ON = "2023-03-01"


@pytest.mark.parametrize(
    ("mark", "is_voided"),
    [
        (1, True), (True, True), ("1", True), ("true", True), ("TRUE", True), (1.0, True), ("yes", True),
        (0, False), (False, False), ("0", False), ("false", False), (None, False), ("", False), (0.0, False),
    ],
)  # fmt: skip
def test_marks_of_a_voided_row(mark, is_voided):
    document = a_document(a_form("care", ON, number(5089, 54)))
    obs_of(document, 5089)["voided"] = mark
    assert len(facts(document, Kind.WEIGHT_KG)) == (not is_voided)
    assert read(document).n_voided == is_voided


def test_unclear_mark_leaves_the_row_out_and_is_told():
    document = a_document(a_form("care", ON, number(5089, 54)))
    obs_of(document, 5089)["voided"] = "perhaps"
    assert facts(document, Kind.WEIGHT_KG) == []
    assert reasons(document) == ["a row may be voided"]


def test_voided_encounter_takes_its_answers_along():
    document = a_document(a_form("care", ON, number(5089, 54)), a_form("care", "2023-04-01", number(5089, 55)))
    encounter_of(document)["voided"] = 1
    assert values(document, Kind.WEIGHT_KG) == [55]
    assert len(facts(document, Kind.VISIT)) == 1
    imported = read(document)
    assert (imported.n_rows, imported.n_voided) == (6, 2)


def test_voided_encounter_takes_along_answers_that_know_only_its_number():
    document = a_document(a_form("care", ON, number(5089, 54), voided=1))
    obs_of(document, 5089)["encounterUuid"] = None
    assert facts(document, Kind.WEIGHT_KG) == []


@pytest.mark.parametrize("known_by", ["visitUuid", "visitId"])
def test_voided_visit_takes_its_encounters_and_their_answers_along(known_by):
    document = a_document(a_pickup(ON))
    data = document["messageData"]
    data["visits"][0]["voided"] = 1
    other = {"visitUuid": "visitId", "visitId": "visitUuid"}[known_by]
    for row in (*data["encounters"], *data["obs"]):
        row[other] = None
    assert facts(document, Kind.PICKUP) == facts(document, Kind.REGIMEN) == []
    assert read(document).n_voided == read(document).n_rows


def test_voided_visit_takes_along_answers_whose_encounter_is_not_listed():
    document = a_document(a_form("care", ON, number(5089, 54)))
    document["messageData"]["encounters"] = []
    document["messageData"]["visits"][0]["voided"] = 1
    assert facts(document, Kind.WEIGHT_KG) == []


def test_voided_group_takes_its_members_along():
    drug = coded(165724, 165631)
    document = a_document(
        a_form("pharmacy", ON, coded(165708, 164506), arv_group(30), arv_group(90, drug, name="second"))
    )
    groups = [row for row in document["messageData"]["obs"] if row["conceptId"] == 162240]
    groups[1]["voided"] = 1
    assert values(document, Kind.PICKUP) == [30]
    assert values(document, Kind.ARV_DRUG) == []
    assert read(document).n_voided == 3


def test_voided_patient_has_no_facts_and_says_so():
    record = read(a_document(a_pickup(ON), voided=1)).record
    assert (record.patient.status, record.events) == ("voided", ())


def test_patient_who_may_be_voided_is_refused():
    with pytest.raises(InvalidInput) as refused:
        read(a_document(voided="perhaps"))
    assert refused.value.place == "messageData.demographics.voided"


def test_row_told_twice_counts_once():
    document = a_document(a_pickup(ON))
    once = read(document)
    document["messageData"]["obs"] *= 2
    document["messageData"]["encounters"] *= 2
    twice = read(document)
    assert str([tuple(event) for event in twice.record.events]) == str([tuple(event) for event in once.record.events])
    assert twice.warnings == ()


@pytest.mark.parametrize("newest_first", [True, False])
def test_of_two_rows_with_one_id_the_one_made_last_counts(newest_first):
    document = a_document(a_form("care", ON, number(5089, 54)))
    old = obs_of(document, 5089)
    new = old | {"valueNumeric": 56.0, "variableValue": "56.0", "dateCreated": "2023-03-08 00:00:00"}
    document["messageData"]["obs"] = [new, old] if newest_first else [old, new]
    assert values(document, Kind.WEIGHT_KG) == [56]
    assert reasons(document) == ["two different rows have the same id"]


def test_of_two_rows_with_one_id_made_together_the_voided_one_counts():
    document = a_document(a_form("care", ON, number(5089, 54)))
    document["messageData"]["obs"].append(obs_of(document, 5089) | {"voided": 1})
    obs_of(document, 5089)["patientUuid"] = None
    assert facts(document, Kind.WEIGHT_KG) == []


def test_of_two_encounters_with_one_id_the_one_changed_last_counts():
    document = a_document(a_pickup(ON))
    changed = encounter_of(document) | {"encounterDatetime": "2023-03-02", "dateChanged": "2023-05-01"}
    document["messageData"]["encounters"].insert(0, changed)
    assert [str(event.occurred_at.date()) for event in facts(document, Kind.PICKUP)] == ["2023-03-02"]


def test_facts_of_different_rows_never_share_an_id():
    document = a_document(a_form("care", ON, number(5089, 54)))
    obs_of(document, 5089)["obsUuid"] = encounter_of(document)["encounterUuid"]
    imported = read(document)
    ids = [event.source_id for event in imported.record.events]
    assert len(set(ids)) == len(ids)
    assert [warning.reason for warning in imported.warnings] == ["facts of different rows have the same id"]


def test_rows_without_any_id_are_not_taken_for_one_another():
    document = a_document(a_form("care", ON, number(5089, 54), number(5090, 160)))
    for row in document["messageData"]["obs"]:
        row.update(obsUuid=None, obsId=0)
    assert reasons(document) == ["a row has no id"] * 2


def test_voided_row_without_any_id_takes_nothing_along():
    document = a_document(a_form("care", ON, number(5089, 54), number(5090, 160)))
    obs_of(document, 5089).update(voided=1, obsUuid=None, obsId=0)
    assert values(document, Kind.HEIGHT_CM) == [160]


def test_voided_encounter_without_any_id_takes_nothing_along():
    document = a_document(a_form("care", ON), a_form("care", "2023-04-01", number(5089, 54)))
    encounter_of(document).update(voided=1, encounterUuid=None, encounterId=0)
    obs_of(document, 5089).update(encounterUuid=None, encounterId=0)
    assert values(document, Kind.WEIGHT_KG) == [54]
