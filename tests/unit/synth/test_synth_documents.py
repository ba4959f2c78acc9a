import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from iit.domain.interruption import NEVER
from iit.domain.record import day_number
from iit.ingest.nmrs import read_nmrs
from iit.synth.blocks import Plan, blocks
from iit.synth.concepts import ANSWERS, CONCEPTS
from iit.synth.facilities import make_facilities

UNTIL = date(2025, 6, 30)
AHEAD = {5096, 5596, 165778}  # appointments and expected deliveries lie in the future by nature
EXAMPLE = {
    "messageHeader": 13,
    "demographics": 27,
    "visits": 16,
    "encounters": 19,
    "obs": 27,
    "patientIdentifiers": 16,
    "patientPrograms": 18,
}

Document = dict[str, Any]


def rows(documents: list[Document], block: str) -> Iterator[dict[str, Any]]:
    for document in documents:
        yield from document["messageData"][block]


def dates(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from dates(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from dates(inner)
    elif isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value):
        yield value


def test_blocks_and_their_fields_are_those_of_an_export(documents: list[Document]) -> None:
    for document in documents:
        data = document["messageData"]
        assert list(document) == ["messageHeader", "messageData"]
        assert len(document["messageHeader"]) == EXAMPLE["messageHeader"]
        assert len(data["demographics"]) == EXAMPLE["demographics"]
        assert data["encounterProviders"] == data["patientBiometrics"] == []
        for block in ("visits", "encounters", "obs", "patientIdentifiers", "patientPrograms"):
            assert {len(row) for row in data[block]} == {EXAMPLE[block]}


def test_nothing_that_happened_or_was_typed_in_lies_after_the_export(documents: list[Document]) -> None:
    for document in documents:
        data = document["messageData"]
        told = [o for o in data["obs"] if o["conceptId"] not in AHEAD]
        entered = [o["dateCreated"] for o in data["obs"]]
        blocks_ = [v for k, v in data.items() if k != "obs"]
        assert max([*dates(blocks_), *dates(told), *entered])[:10] <= UNTIL.isoformat()
        assert document["messageHeader"]["messageCreationDateTime"][:10] == UNTIL.isoformat()


def test_a_facility_that_fell_silent_exports_nothing_of_its_last_months(documents: list[Document]) -> None:
    (silent,) = [f for f in make_facilities(1, UNTIL) if f.reports_until < day_number(UNTIL)]
    own = [d for d in documents if d["messageHeader"]["facilityDatimCode"] == silent.datim]

    last = max(d["messageHeader"]["touchTime"] for d in own)

    assert own
    assert last[:10] <= date.fromordinal(silent.reports_until + date(1970, 1, 1).toordinal()).isoformat()
    assert date.fromisoformat(last[:10]) < UNTIL.replace(month=3, day=1)


def test_every_time_of_day_is_midnight(documents: list[Document]) -> None:
    for document in documents:
        assert {moment[10:] for moment in dates(document["messageData"])} == {" 00:00:00"}


def test_all_ids_are_unique(documents: list[Document]) -> None:
    for block, key in (("visits", "visitUuid"), ("encounters", "encounterUuid"), ("obs", "obsUuid")):
        ids = [row[key] for row in rows(documents, block)]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", i) for i in ids)
    for block, key in (("visits", "visitId"), ("encounters", "encounterId"), ("obs", "obsId")):
        numbers = [row[key] for row in rows(documents, block)]
        assert len(set(numbers)) == len(numbers)
    assert len({d["messageData"]["demographics"]["patientUuid"] for d in documents}) == len(documents)


def test_rows_refer_to_rows_that_exist(documents: list[Document]) -> None:
    for document in documents:
        data = document["messageData"]
        visits = {v["visitUuid"] for v in data["visits"]}
        encounters = {e["encounterUuid"]: e for e in data["encounters"]}
        groups = {o["obsId"]: o["encounterUuid"] for o in data["obs"]} | {0: None}
        assert all(e["visitUuid"] in visits for e in data["encounters"])
        for o in data["obs"]:
            assert o["obsDatetime"] == encounters[o["encounterUuid"]]["encounterDatetime"]
            assert groups[o["obsGroupId"]] in (None, o["encounterUuid"])


def test_only_invented_facilities_and_no_names_phones_or_addresses_occur(documents: list[Document]) -> None:
    for document in documents:
        header, person = document["messageHeader"], document["messageData"]["demographics"]
        assert header["facilityDatimCode"].startswith("SYN")
        assert header["facilityName"].startswith("Synthetic ")
        assert person["datimId"] == header["facilityDatimCode"]
        for field in ("firstName", "lastName", "middleName", "phoneNumber", "address1", "address2"):
            assert person[field] in (None, "", "<AES-encrypted>")
        assert all(o["valueText"] is None for o in document["messageData"]["obs"])


def test_the_answer_column_follows_the_data_type(documents: list[Document]) -> None:
    for o in rows(documents, "obs"):
        name, datatype = CONCEPTS[o["conceptId"]]
        assert (o["variableName"], o["datatype"]) == (name, datatype)
        if o["valueCoded"]:
            assert datatype == 2
            assert o["variableValue"] == ANSWERS[o["valueCoded"]]
        if o["valueDatetime"]:
            assert datatype == 6
            assert o["variableValue"] == o["valueDatetime"]
        if datatype == 1 and o["variableValue"] is not None:
            assert float(o["variableValue"]) == o["valueNumeric"]


def _under(documents: list[Document], head: int) -> Iterator[dict[str, Any]]:
    for document in documents:
        heads = {o["obsId"] for o in document["messageData"]["obs"] if o["conceptId"] == head}
        yield from (o for o in document["messageData"]["obs"] if o["obsGroupId"] in heads)


def _forms(documents: list[Document], form: int, *, voided: int = 0) -> Iterator[list[dict[str, Any]]]:
    for document in documents:
        data = document["messageData"]
        for e in data["encounters"]:
            if e["formId"] == form and e["voided"] == voided:
                yield [o for o in data["obs"] if o["encounterUuid"] == e["encounterUuid"]]


def _late_entries(documents: list[Document]) -> int:
    return sum(
        (date.fromisoformat(e["dateCreated"][:10]) - date.fromisoformat(e["encounterDatetime"][:10])).days > 14
        for e in rows(documents, "encounters")
    )


def _concepts(answers: list[dict[str, Any]]) -> set[int]:
    return {o["conceptId"] for o in answers if not o["voided"]}


MESS = {
    "voided pharmacy form": lambda d: sum(1 for _ in _forms(d, 27, voided=1)),
    "standing answers on a voided form": lambda d: sum(
        not any(o["voided"] for o in answers) for answers in _forms(d, 27, voided=1)
    ),
    "voided answer on a standing form": lambda d: sum(any(o["voided"] for o in a) for a in _forms(d, 27)),
    "duration NULL written as 0, quantity there": lambda d: sum(
        o["conceptId"] == 159368 and o["variableValue"] is None and o["valueNumeric"] == 0.0 for o in _under(d, 162240)
    ),
    "neither duration nor quantity": lambda d: sum(not _concepts(a) & {159368, 1443} for a in _forms(d, 27)),
    "second pharmacy form of the same day": lambda d: sum(
        n - 1
        for x in d
        for n in Counter(
            e["encounterDatetime"] for e in x["messageData"]["encounters"] if e["formId"] == 27 and not e["voided"]
        ).values()
    ),
    "form typed in more than two weeks late": _late_entries,
    "30 days of drugs for opportunistic infections": lambda d: sum(
        o["conceptId"] == 159368 and o["valueNumeric"] == 30.0 for o in _under(d, 165726)
    ),
    "specimen without a result": lambda d: sum({159951} == _concepts(a) & {159951, 856, 5497} for a in _forms(d, 21)),
    "viral load of 0 that is a result": lambda d: sum(
        o["conceptId"] == 856 and o["valueNumeric"] == 0.0 and o["variableValue"] == "0.0" for o in rows(d, "obs")
    ),
    "town missing": lambda d: sum(not x["messageData"]["demographics"]["cityVillage"] for x in d),
    "state missing": lambda d: sum(not x["messageData"]["demographics"]["stateProvince"] for x in d),
    "birthdate missing": lambda d: sum(not x["messageData"]["demographics"]["birthdate"] for x in d),
    "phone NULL": lambda d: sum(x["messageData"]["demographics"]["phoneNumber"] is None for x in d),
    "phone empty": lambda d: sum(x["messageData"]["demographics"]["phoneNumber"] == "" for x in d),
    "marital status missing": lambda d: sum(1054 not in _concepts(a) for a in _forms(d, 23)),
    "visit without a pick-up": lambda d: sum(not _concepts(a) & {165290, 5356} for a in _forms(d, 14)),
    "tracing": lambda d: sum(165463 in _concepts(a) for a in _forms(d, 13)),
    "return noted on the tracking form": lambda d: sum(165775 in _concepts(a) for a in _forms(d, 13)),
    "file closed as lost": lambda d: sum(o["valueCoded"] == 5240 for o in rows(d, "obs")),
    "transfer out": lambda d: sum(o["valueCoded"] == 159492 for o in rows(d, "obs")),
    "stop": lambda d: sum(o["valueCoded"] == 165916 for o in rows(d, "obs")),
    "death on a form": lambda d: sum(o["valueCoded"] == 165889 for o in rows(d, "obs")),
    "death in the person's block": lambda d: sum(x["messageData"]["demographics"]["dead"] for x in d),
}  # fmt: skip


@pytest.mark.parametrize("kind", MESS)
def test_records_are_messy_in_every_way_that_real_ones_are(kind: str, documents: list[Document]) -> None:
    assert MESS[kind](documents) > 0


def test_mess_stays_modest(documents: list[Document]) -> None:
    n_forms = sum(1 for _ in _forms(documents, 27))

    for kind in ("voided pharmacy form", "neither duration nor quantity", "second pharmacy form of the same day"):
        assert MESS[kind](documents) < 0.05 * n_forms


def test_a_result_is_typed_in_after_its_report(documents: list[Document]) -> None:
    n_results = 0
    for answers in _forms(documents, 21):
        of = {o["conceptId"]: o for o in answers}
        if 856 in of:
            n_results += 1
            assert of[856]["dateCreated"] >= of[165414]["valueDatetime"] > of[159951]["valueDatetime"]
    assert n_results > 300


def test_a_return_is_typed_in_no_earlier_than_it_happens(documents: list[Document]) -> None:
    returns = [o for o in rows(documents, "obs") if o["conceptId"] == 165775]

    assert returns
    assert all(o["dateCreated"] >= o["valueDatetime"] for o in returns)


def test_the_importer_reads_every_document_without_a_warning(raw_documents: list[tuple[str, str, bytes]]) -> None:
    for datim, patient_uuid, data in raw_documents:
        found = read_nmrs(data, zone=ZoneInfo("Africa/Lagos"))
        assert found.warnings == ()
        assert (found.record.patient.patient_uuid, found.record.patient.facility) == (patient_uuid, datim)


def test_a_document_tells_the_pick_ups_of_the_course_and_no_others() -> None:
    (block,) = blocks(Plan(patients=60, seed=4, until=UNTIL))
    cycles = block.scene.cycles
    told = {person.patient_uuid: data for person, data in block.documents()}

    for patient, person in enumerate(block.people):
        events = read_nmrs(told[person.patient_uuid], zone=ZoneInfo("Africa/Lagos")).record.events
        own = [sheet for sheet in block.sheets if sheet.patient == patient]
        days = sorted({day_number(e.occurred_at) for e in events if e.kind.name == "PICKUP"})
        assert days == [sheet.visit.pickup for sheet in own]
        assert all(cycles.pickup[sheet.cycle] == sheet.visit.pickup for sheet in own)
        exits = {day_number(e.occurred_at) for e in events if e.kind.name == "DEATH"}
        assert exits <= {int(day) for day in cycles.exit_day[cycles.patient == patient] if day < NEVER}


def test_example_and_cohort_have_the_same_fields(documents: list[Document]) -> None:
    fields = json.loads((Path(__file__).parent / "fields.json").read_text())

    assert list(documents[0]["messageHeader"]) == fields["messageHeader"]
    assert list(documents[0]["messageData"]) == fields["messageData"]
    assert list(documents[0]["messageData"]["demographics"]) == fields["demographics"]
    for block in ("visits", "encounters", "obs", "patientIdentifiers", "patientPrograms"):
        assert list(documents[0]["messageData"][block][0]) == fields[block]
