"""What proves an ARV pick-up, and how many days it supplies."""

import math

import pytest
from nmrs_documents import (
    a_document,
    a_form,
    a_pickup,
    arv_group,
    coded,
    day,
    days,
    encounter_of,
    facts,
    group,
    number,
    obs_of,
    reasons,
    values,
)

from iit.domain.vocabulary import Kind

LINE = coded(165708, 164506)
ON = "2023-03-01"


def test_pickup_is_one_fact_of_its_encounter():
    document = a_document(a_pickup(ON, 90))
    (pickup,) = facts(document, Kind.PICKUP)
    encounter = encounter_of(document)
    assert (pickup.value, pickup.source_id, pickup.sequence) == (90, encounter["encounterUuid"], 9001)
    assert pickup.source == "nmrs"
    assert facts(document, Kind.VISIT) == []


def test_pickup_tells_its_regimen_line_drugs_reason_and_missed_doses():
    drug = coded(165724, 165631)
    document = a_document(a_form(
        "pharmacy", ON, LINE, coded(164506, 165681), coded(165774, 165662), coded(165836, 165833),
        arv_group(30, drug), arv_group(30, coded(165724, 165632), name="second"),
    ))  # fmt: skip
    assert values(document, Kind.REGIMEN_LINE) == [164506]
    assert values(document, Kind.REGIMEN) == [165681]
    assert values(document, Kind.PICKUP_REASON) == [165662]
    assert values(document, Kind.MISSED_DOSES) == [165833]
    assert values(document, Kind.ARV_DRUG) == [165631, 165632]


@pytest.mark.parametrize("regimen_of", [164506, 164513, 165702, 164507, 164514, 165703])
def test_regimen_is_read_from_every_line(regimen_of):
    document = a_document(a_form("pharmacy", ON, coded(165708, regimen_of), coded(regimen_of, 165691), arv_group(30)))
    assert values(document, Kind.REGIMEN) == [165691]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([LINE], [None], id="a regimen line alone proves it, without days"),
        pytest.param([arv_group(60)], [60], id="a duration under an ARV group proves it"),
        pytest.param([arv_group(None)], [], id="an ARV group without a duration does not"),
        pytest.param([arv_group(0.0)], [], id="a duration of zero does not"),
        pytest.param([coded(165708, 0, variableValue=None)], [], id="a line that is NULL does not"),
        pytest.param([coded(165708, 0, variableValue="Adult 1st line ARV regimen")], [None], id="a line by name does"),
        pytest.param([arv_group(400)], [None], id="400 days prove it but are not credible"),
        pytest.param([LINE, arv_group(1)], [1], id="1 day is credible"),
        pytest.param([LINE, arv_group(365)], [365], id="365 days are credible"),
        pytest.param([LINE, arv_group(366)], [None], id="366 days are not"),
        pytest.param([LINE, arv_group(-5)], [None], id="days below zero are not"),
        pytest.param([LINE, arv_group(30), arv_group(90, name="b")], [90], id="the longest of several groups counts"),
        pytest.param([LINE, arv_group(30), arv_group(900, name="b")], [30], id="the longest credible one counts"),
        pytest.param([LINE, group(165726, "oi", number(159368, 60))], [None], id="days of OI drugs do not count"),
        pytest.param(
            [LINE, arv_group(30), group(165726, "oi", number(159368, 90))], [30], id="longer OI drugs do not count"
        ),
        pytest.param([group(165726, "oi", number(159368, 90))], [], id="OI drugs alone are no pick-up"),
        pytest.param([number(159368, 60)], [], id="a duration without group or line proves nothing"),
        pytest.param([LINE, number(159368, 60)], [60], id="a duration without any group counts with a line"),
        pytest.param([LINE, arv_group(30), number(159368, 60)], [30], id="but not besides an ARV group"),
        pytest.param(
            [LINE, group(165726, "oi"), number(159368, 60)], [None], id="nor where OI drugs were dispensed"
        ),
        pytest.param([LINE, arv_group(30.0), day(5096, "2023-04-01")], [30], id="an appointment changes nothing"),
    ],
)  # fmt: skip
def test_what_proves_a_pickup(answers, expected):
    found = values(a_document(a_form("pharmacy", ON, *answers)), Kind.PICKUP)
    assert [None if math.isnan(value) else value for value in found] == expected


def test_duration_without_a_group_is_counted_with_a_warning():
    assert reasons(a_document(a_form("pharmacy", ON, LINE, number(159368, 60)))) == [
        "a duration belongs to no group of drugs"
    ]


@pytest.mark.parametrize(
    ("changes", "n_pickups"),
    [
        pytest.param({"formId": 27, "encounterTypeId": 13}, 1, id="by form id"),
        pytest.param({"formId": 0, "encounterTypeId": 13, "pmmForm": None}, 1, id="by encounter type"),
        pytest.param({"formId": "27", "encounterTypeId": None, "pmmForm": ""}, 1, id="by form id as text"),
        pytest.param({"formId": 0, "encounterTypeId": 0, "pmmForm": "PHARMACY  order_form"}, 1, id="by name"),
        pytest.param({"formId": 0, "encounterTypeId": "Pharmacy Order Form", "pmmForm": None}, 1, id="by type's name"),
        pytest.param({"formId": 14, "encounterTypeId": 12}, 0, id="a care card is none"),
        pytest.param({"formId": 13, "encounterTypeId": 15}, 0, id="form 13 is tracking, though type 13 is pharmacy"),
        pytest.param({"formId": 14, "pmmForm": "Pharmacy Order Form"}, 0, id="the id counts before the name"),
        pytest.param({"pmmForm": "PrEP Pharmacy Order Form"}, 0, id="PrEP"),
        pytest.param({"pmmForm": "Pharmacy Order Form (PEP)"}, 0, id="PEP"),
        pytest.param({"pmmForm": "Exposed Infant Pharmacy"}, 0, id="exposed infant"),
    ],
)
def test_which_forms_are_pharmacy_forms(changes, n_pickups):
    document = a_document(a_pickup(ON, 30, **changes))
    assert len(facts(document, Kind.PICKUP)) == n_pickups


@pytest.mark.parametrize("name", ["PrEP", "PEP (occupational)", "Infant prophylaxis"])
def test_prevention_by_regimen_is_no_pickup(name):
    document = a_document(a_pickup(ON))
    obs_of(document, 165708)["variableValue"] = name
    assert {event.kind for event in facts(document, Kind.PICKUP) + facts(document, Kind.REGIMEN)} == set()


@pytest.mark.parametrize(
    ("types", "n_pickups"),
    [
        pytest.param([4], 1, id="ART number"),
        pytest.param([9], 0, id="PEP number only"),
        pytest.param([7, 5], 0, id="exposed infant"),
        pytest.param([7, 4], 1, id="infant who turned out positive"),
        pytest.param([], 1, id="no identifiers"),
        pytest.param([5], 1, id="hospital number"),
    ],
)
def test_identifiers_tell_prevention_from_treatment(types, n_pickups):
    document = a_document(a_pickup(ON))
    document["messageData"]["patientIdentifiers"] = [{"identifierType": kind, "voided": 0} for kind in types]
    assert len(facts(document, Kind.PICKUP)) == n_pickups
    assert ("a patient has no ART number: pick-ups are not counted" in reasons(document)) is (n_pickups == 0)


@pytest.mark.parametrize(
    ("quantity", "frequency", "expected"),
    [
        pytest.param(90, 160862, [90], id="once a day"),
        pytest.param(60, 160858, [30], id="twice a day"),
        pytest.param(61, 160858, [30], id="rounded down"),
        pytest.param(120, 165721, [30], id="two tablets twice a day"),
        pytest.param(120, 160870, [30], id="four times a day"),
        pytest.param(12, 165722, [28], id="three times a week"),
        pytest.param(90, 999, [], id="unknown frequency"),
        pytest.param(None, 160862, [], id="no quantity"),
        pytest.param(366, 160862, [], id="more than a year"),
        pytest.param(1, 160858, [], id="less than a day"),
    ],
)
def test_days_implied_by_quantity_and_frequency(quantity, frequency, expected):
    members = [number(1443, quantity), coded(165723, frequency)]
    document = a_document(a_form("pharmacy", ON, LINE, arv_group(30, *members)))
    assert values(document, Kind.PICKUP_QUANTITY_DAYS) == expected


def test_implied_days_are_the_longest_of_the_groups_and_named_after_the_pickup():
    first = arv_group(None, number(1443, 30), coded(165723, 160862))
    second = arv_group(None, number(1443, 60), coded(165723, 160862), name="second")
    document = a_document(a_form("pharmacy", ON, LINE, first, second))
    (implied,) = facts(document, Kind.PICKUP_QUANTITY_DAYS)
    assert implied.value == 60
    assert implied.source_id == f"{encounter_of(document)['encounterUuid']}:quantity"


def test_frequency_of_one_group_does_not_divide_the_quantity_of_another():
    first = arv_group(None, number(1443, 60))
    second = arv_group(None, coded(165723, 160858), name="second")
    assert values(a_document(a_form("pharmacy", ON, LINE, first, second)), Kind.PICKUP_QUANTITY_DAYS) == []


def test_pickup_is_known_when_its_encounter_was_made():
    document = a_document(a_pickup(ON, 30, dateCreated="2023-03-09 00:00:00"))
    assert str(days(document, Kind.PICKUP, lambda event: event.known_at)[0]) == "2023-03-09"
    assert str(days(document, Kind.PICKUP)[0]) == ON


def test_pickup_of_an_unlisted_encounter_is_known_when_the_last_of_its_answers_was_made():
    document = a_document(a_pickup(ON))
    document["messageData"]["encounters"] = []
    obs_of(document, 159368)["dateCreated"] = "2023-03-05 00:00:00"
    (pickup,) = facts(document, Kind.PICKUP)
    assert (str(pickup.occurred_at.date()), str(pickup.known_at.date())) == (ON, "2023-03-05")
