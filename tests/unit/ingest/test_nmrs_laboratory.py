"""Results: their values, the day they are true of and the day they became known."""

import pytest
from nmrs_documents import a_document, a_form, coded, day, facts, number, obs_of, reasons, values

from iit.domain.vocabulary import Kind

ON = "2023-03-10"


def laboratory(*answers, **changes):
    """Return a document with one laboratory form."""
    return a_document(a_form("laboratory", ON, *answers, **changes))


@pytest.mark.parametrize(
    ("numeric", "shown", "expected"),
    [
        pytest.param(250.0, "250.0", [250], id="number"),
        pytest.param(0.0, "0.0", [0], id="zero that is shown is zero"),
        pytest.param(0.0, None, [], id="zero that is not shown is NULL"),
        pytest.param(0.0, "<20", [19], id="less than 20 is 19 at most"),
        pytest.param(0.0, "< 20 copies/mL", [19], id="with a unit"),
        pytest.param(0.0, "<= 40", [39], id="at most"),
        pytest.param(0.0, ">10000000", [10_000_000], id="more than ten million is ten million at least"),
        pytest.param(0.0, "> 10,000,000 cp/ml", [10_000_000], id="with commas"),
        pytest.param(0.0, "TND", [0], id="target not detected, short"),
        pytest.param(0.0, "Target Not Detected", [0], id="target not detected"),
        pytest.param(0.0, "rejected", [], id="rejected is not suppressed"),
        pytest.param(0.0, "sample haemolysed", [], id="no result is not suppressed"),
        pytest.param(-20.0, "-20.0", [], id="below zero"),
        pytest.param(1e12, "1e12", [], id="beyond all bounds"),
    ],
)
def test_viral_load(numeric, shown, expected):
    document = laboratory(number(856, numeric) | {"variableValue": shown})
    assert values(document, Kind.VIRAL_LOAD) == expected


@pytest.mark.parametrize("shown", ["<20", "TND", "250"])
def test_viral_load_in_the_text_column(shown):
    document = laboratory(number(856, None, shown=shown) | {"datatype": 3, "valueText": shown})
    assert values(document, Kind.VIRAL_LOAD) == [{"<20": 19, "TND": 0, "250": 250}[shown]]


def test_result_that_cannot_be_read_is_told():
    assert reasons(laboratory(number(856, None, shown="rejected"))) == ["a result cannot be read"]


def test_cd4_count():
    assert values(laboratory(number(5497, 350)), Kind.CD4) == [350]


def test_cd4_count_is_never_taken_from_words():
    assert values(laboratory(number(5497, None, shown="<200")), Kind.CD4) == []


@pytest.mark.parametrize(
    ("answers", "occurred", "known"),
    [
        pytest.param([], ON, ON, id="the form's day"),
        pytest.param([day(159951, "2023-03-01")], "2023-03-01", ON, id="the day of collection before it"),
        pytest.param([day(159951, ON)], ON, ON, id="the day of collection on it"),
        pytest.param([day(159951, "2023-03-11")], ON, ON, id="not a day of collection after it"),
        pytest.param([day(159951, "0001-01-01")], ON, ON, id="not an impossible day of collection"),
        pytest.param([day(165414, "2023-04-05")], ON, "2023-04-05", id="known on the day of report"),
        pytest.param([day(165414, "2023-03-01")], ON, ON, id="not before its row was made"),
        pytest.param([day(165414, "2025-03-01")], ON, ON, id="not on a day of report after the export"),
    ],
)
def test_days_of_a_result(answers, occurred, known):
    (result,) = facts(laboratory(number(856, 40), *answers), Kind.VIRAL_LOAD)
    assert (str(result.occurred_at.date()), str(result.known_at.date())) == (occurred, known)


def test_result_entered_late_is_known_late():
    document = laboratory(number(856, 40), day(159951, "2023-03-01"), day(165414, "2023-03-20"))
    obs_of(document, 856)["dateCreated"] = "2023-05-02 00:00:00"
    (result,) = facts(document, Kind.VIRAL_LOAD)
    assert str(result.known_at.date()) == "2023-05-02"


@pytest.mark.parametrize(
    ("form", "changes", "expected"),
    [
        pytest.param("laboratory", {"datatype": 4, "valueNumeric": 4000.0}, [4000], id="number on a laboratory form"),
        pytest.param("laboratory", {"datatype": 4, "valueNumeric": 0.0, "variableValue": "0.0"}, [0], id="shown zero"),
        pytest.param("laboratory", {"datatype": 4, "valueNumeric": 0.0, "variableValue": None}, [], id="sore throat"),
        pytest.param("care", {"datatype": 4, "valueNumeric": 4000.0}, [], id="another form"),
    ],
)
def test_viral_load_filed_under_throat_painful(form, changes, expected):
    row = {"conceptId": 865, "variableName": "THROAT PAINFUL", "variableValue": None} | changes
    document = a_document(a_form(form, ON, row))
    assert values(document, Kind.VIRAL_LOAD) == expected
    assert reasons(document) == (["a viral load is filed under another question"] if expected else [])


def test_laboratory_form_is_a_clinical_contact():
    assert len(facts(laboratory(coded(164980, 162080)), Kind.VISIT)) == 1
