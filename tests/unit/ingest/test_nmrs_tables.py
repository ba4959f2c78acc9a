"""The tables of concepts, answers and forms agree with the vocabulary."""

import csv
from importlib import resources

import pytest

from iit.domain.vocabulary import CODED, Kind

PERSONAL = {Kind.BIRTH, Kind.SEX, Kind.STATE, Kind.CITY, Kind.DEATH, Kind.ENROLMENT}
OF_FORMS = {Kind.PICKUP, Kind.PICKUP_QUANTITY_DAYS, Kind.VISIT, Kind.TRACKED}
OF_OTHER_SOURCES = {Kind.NO_SHOW}


def table(name: str) -> list[dict[str, str]]:
    """Return a table of the package."""
    return list(csv.DictReader(resources.files("iit.ingest.nmrs").joinpath(name).read_text("utf-8").splitlines()))


def test_every_kind_of_fact_has_a_source():
    told = {Kind[row["kind"]] for row in table("concepts.csv") if row["kind"]}
    assert told | PERSONAL | OF_FORMS | OF_OTHER_SOURCES == set(Kind)


def test_coded_kinds_are_told_by_answers_and_others_are_not():
    for row in table("concepts.csv"):
        if row["kind"] and row["value"]:
            assert (row["value"] == "answer") == (Kind[row["kind"]] in CODED), row["concept_id"]


@pytest.mark.parametrize("name", ["concepts.csv", "answers.csv", "forms.csv"])
def test_rows_are_complete_and_tables_hold_no_stray_blanks(name):
    for row in table(name):
        assert None not in row.values()
        assert all(cell == cell.strip() for cell in row.values())


def test_concepts_are_listed_once():
    ids = [row["concept_id"] for row in table("concepts.csv") if row["concept_id"]]
    assert len(set(ids)) == len(ids)


def test_answers_belong_to_a_question_that_asks_for_one():
    asked = {row["kind"] or row["part"] for row in table("concepts.csv") if row["value"] == "answer"}
    assert {row["question"] for row in table("answers.csv")} <= asked
