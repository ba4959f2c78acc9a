"""Rows of a site's tables put together as documents. Needs no server."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests.openmrs.site import TELEPHONE, Site

from iit.domain.vocabulary import Kind
from iit.features.columns import pack
from iit.ingest.nmrs import Imported, read_document, read_nmrs
from iit.ingest.nmrs.concepts import Part, concept_known
from iit.ingest.openmrs.assembly import Tables, assemble
from iit.ingest.openmrs.dictionary import Dictionary
from iit.services.intake import content_hash
from iit.synth import cohort_documents

ZONE = ZoneInfo("Africa/Lagos")
READ_AT = datetime(2025, 6, 30, 18, tzinfo=ZONE)
FACILITY = "SYN00000007"


@pytest.fixture(scope="module")
def documents() -> list[bytes]:
    return [data for code, _, data in cohort_documents(patients=120, seed=3) if code == FACILITY]


def words_of(site: Site) -> Dictionary:
    names = {row["concept_id"]: row["name"] for row in site.tables["concept_name"] if row["locale_preferred"] and
             row["locale"] == "en"}  # fmt: skip
    known = {row["concept_id"]: concept_known(row["concept_id"], names.get(row["concept_id"], ""))
             for row in site.tables["concept"]}  # fmt: skip
    return Dictionary(
        facility=site.facility,
        facility_name="Invented Hospital",
        names=names,
        datatypes={row["concept_id"]: row["datatype_id"] for row in site.tables["concept"]},
        forms={row["form_id"]: row["name"] for row in site.tables["form"]},
        questions=frozenset(number for number, concept in known.items() if concept is not None),
        telephones=frozenset(number for number, one in known.items() if one is not None and one.part is Part.PHONE),
        phone_types=frozenset({TELEPHONE}),
    )


def tables_of(site: Site, words: Dictionary) -> Tables:
    """Return what the statements would find."""
    rows = site.tables
    persons = {row["person_id"]: row for row in rows["person"]}
    voided_visits = {row["visit_id"] for row in rows["visit"] if row["voided"]}
    voided = {row["obs_id"] for row in rows["obs"] if row["voided"]}
    return Tables(
        persons=[
            (number, one["uuid"], one["voided"], one["gender"], one["birthdate"], one["dead"], one["death_date"],
             one["date_created"], one["date_changed"])
            for number, one in persons.items()
        ],
        places=[(one["person_id"], one["city_village"], one["state_province"]) for one in rows["person_address"]],
        phones=[(one["person_id"],) for one in rows["person_attribute"] if one["value"]],
        identifier_types=[(one["patient_id"], one["identifier_type"]) for one in rows["patient_identifier"]],
        programs=[
            (one["patient_id"], one["patient_program_id"], one["uuid"], one["program_id"], one["date_enrolled"],
             one["date_created"])
            for one in rows["patient_program"]
        ],
        encounters=[
            (one["patient_id"], one["encounter_id"], one["uuid"], one["encounter_type"], one["form_id"],
             one["encounter_datetime"], one["date_created"], int(one["voided"] or one["visit_id"] in voided_visits))
            for one in rows["encounter"]
        ],
        obs=[
            (one["person_id"], one["obs_id"], one["uuid"], one["concept_id"], one["encounter_id"], one["obs_datetime"],
             one["obs_group_id"], one["value_coded"], one["value_datetime"], one["value_numeric"], one["value_text"],
             one["date_created"])
            for one in rows["obs"]
            if one["concept_id"] in words.questions and not {one["obs_id"], one["obs_group_id"]} & voided
        ],
    )  # fmt: skip


def test_rows_tell_exactly_what_their_document_tells(documents: list[bytes]) -> None:
    site = Site(documents)
    words = words_of(site)
    made = [read_document(one, zone=ZONE) for one in assemble(tables_of(site, words), words, read_at=READ_AT)]
    assert len(made) == len(documents) > 10
    for data, other in zip(documents, made, strict=True):
        mine = read_nmrs(data, zone=ZONE)
        assert (fingerprint(other), reasons(other)) == (fingerprint(mine), reasons(mine))


def test_a_day_is_taken_as_it_is_written_and_times_are_left_out(documents: list[bytes]) -> None:
    site = Site(documents[:1])
    words = words_of(site)
    tables = tables_of(site, words)
    assert any("11:42:07" in str(row) for row in tables.encounters)
    (made,) = assemble(tables, words, read_at=READ_AT)
    events = read_document(made, zone=ZONE).record.events
    assert {(one.occurred_at.hour, one.occurred_at.minute) for one in events} == {(0, 0)}


def test_a_zero_is_a_number_and_nothing_is_none() -> None:
    words = Dictionary(
        facility="F", names={856: "HIV VIRAL LOAD"}, datatypes={856: 1}, forms={21: "Laboratory Order and Result form"}
    )
    form = (1, 5, "form-5", 11, 21, "2024-01-02 10:00:00", "2024-01-02 10:00:00", 0)
    answers = [
        (1, number, f"answer-{number}", 856, 5, "2024-01-02 10:00:00", None, None, None, value, None,
         "2024-01-03 09:00:00")
        for number, value in ((1, 0.0), (2, None))
    ]  # fmt: skip
    person = (1, "a-person", 0, "F", "1990-01-01", 0, None, "2020-01-01 00:00:00", None)
    (made,) = assemble(Tables(persons=[person], encounters=[form], obs=answers), words, read_at=READ_AT)
    events = read_document(made, zone=ZONE).record.events
    assert [(one.source_id, one.value) for one in events if one.kind is Kind.VIRAL_LOAD] == [("answer-1", 0.0)]


def fingerprint(told: Imported) -> bytes:
    person = told.record.patient._replace(facility_name=None)
    return content_hash(told.record._replace(patient=person), pack(told.record))


def reasons(told: Imported) -> list[str]:
    return sorted(one.reason for one in told.warnings if "voided" not in one.reason)
