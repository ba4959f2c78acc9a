"""A patient's chart as a FHIR R4 bundle: what an EMR with a FHIR server would send of the same forms."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from iit.synth.concepts import ANSWERS, CODED, CONCEPTS, DATE, NUMERIC, PHARMACY
from iit.synth.documents import filled
from iit.synth.persons import Person
from iit.synth.rows import Encounter, Obs
from iit.synth.sheets import Sheet

CIEL: Final = "https://cielterminology.org"
LOINC: Final = "http://loinc.org"
_ENCODER: Final = msgspec.json.Encoder()
_OFFSET: Final = "+01:00"
_LOINC: Final = {856: ("20447-9", "{copies}/mL"), 5497: ("24467-3", "/uL"), 5089: ("29463-7", "kg"),
                 5090: ("8302-2", "cm"), 5085: ("8480-6", "mm[Hg]"), 5086: ("8462-4", "mm[Hg]")}  # fmt: skip
_TABLETS: Final = {160862: 1, 160858: 2}
_RETURN_VISIT: Final = 5096
_TAKEN, _REPORTED = 159951, 165414
_ATTEMPT, _ATTEMPT_DAY = 165902, 165463
_TERMINATION, _TERMINATION_DAY = 165470, 165469
_GROUPS: Final = frozenset({162240, 165726})
_IN_OTHER_RESOURCES: Final = frozenset({
    *_GROUPS, 165724, 165727, 165723, 159368, 1443, _RETURN_VISIT, _TAKEN, _REPORTED, _ATTEMPT_DAY, _TERMINATION_DAY,
    164989, 165461, 165778,
})  # fmt: skip

Json = dict[str, Any]


def bundle(person: Person, sheets: Sequence[Sheet], until: date) -> bytes:
    """Return the bundle of one patient, a transaction, as compact JSON; arguments as `documents.document`."""
    _, data = filled(person, sheets)
    made = [_patient(person, data["demographics"], data["patientIdentifiers"])]
    made += [_episode(row) for row in data["patientPrograms"]]
    answers: dict[int, list[Obs]] = {}
    for row in data["obs"]:
        answers.setdefault(row.encounter_id, []).append(row)
    for encounter in data["encounters"]:
        made += _form(encounter, answers.get(encounter.encounter_id, []))
    entries = [
        {
            "fullUrl": f"urn:uuid:{one['id']}",
            "resource": one,
            "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
        }
        for one in made
    ]
    told = {"resourceType": "Bundle", "type": "transaction", "timestamp": f"{until}T18:00:00{_OFFSET}"}
    return _ENCODER.encode({**told, "entry": entries})


def _patient(person: Person, block: Json, identifiers: list[Json]) -> Json:
    home = {"city": block["cityVillage"], "state": block["stateProvince"]}
    told: Json = {
        "resourceType": "Patient",
        "id": person.patient_uuid,
        "meta": {"lastUpdated": _instant(block["dateChanged"] or block["dateCreated"])},
        "identifier": [
            {"system": f"urn:iit:synth:{row['identifierType']}", "value": row["identifier"]} for row in identifiers
        ],
        "gender": {"M": "male", "F": "female"}[person.sex],
        "telecom": [{"system": "phone", "value": block["phoneNumber"]}] if block["phoneNumber"] else [],
        "address": [{name: text for name, text in home.items() if text} or {"country": "NG"}],
        "managingOrganization": {"identifier": {"system": "urn:iit:datim", "value": person.facility.datim}},
    }
    if block["birthdate"]:
        told["birthDate"] = block["birthdate"][:10]
    if block["dead"]:
        told["deceasedDateTime"] = _instant(block["deathDate"])
    return told


def _episode(row: Json) -> Json:
    return {
        "resourceType": "EpisodeOfCare",
        "id": row["patientProgramUuid"],
        "meta": {"lastUpdated": _instant(row["dateCreated"])},
        "status": "active",
        "type": [{"text": "HIV"}],
        "patient": {"reference": f"Patient/{row['patientUuid']}"},
        "period": {"start": row["dateEnrolled"][:10]},
    }


def _form(encounter: Encounter, answers: list[Obs]) -> Iterator[Json]:
    yield {
        **_head("Encounter", encounter.encounter_uuid, encounter.date_created, encounter.patient_uuid),
        "status": "entered-in-error" if encounter.voided else "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [{"text": encounter.pmm_form}],
        "period": {"start": _instant(encounter.encounter_datetime)},
    }
    standing = [row for row in answers if not row.voided]
    days = {row.concept_id: row.value_datetime for row in standing if row.value_datetime}
    for row in answers:
        is_void = bool(encounter.voided or row.voided)
        if row.concept_id == _RETURN_VISIT:
            yield _appointment(row, is_void=is_void)
        elif row.concept_id in _GROUPS:
            yield from _dispense(row, [one for one in standing if one.obs_group_id == row.obs_id], is_void=is_void)
        elif row.concept_id not in _IN_OTHER_RESOURCES and _is_answered(row):
            yield _observation(row, days, is_void=is_void)


def _is_answered(row: Obs) -> bool:
    return row.concept_id == _ATTEMPT or row.variable_value is not None


def _observation(row: Obs, days: dict[int, str], *, is_void: bool) -> Json:
    is_result = row.concept_id in (856, 5497)
    occurred, issued = row.obs_datetime, row.date_created
    if is_result:
        occurred, issued = days.get(_TAKEN, occurred), max(issued, days.get(_REPORTED, issued))
    elif row.concept_id == _TERMINATION:
        occurred = days.get(_TERMINATION_DAY, occurred)
    elif row.concept_id == _ATTEMPT:
        occurred = days.get(_ATTEMPT_DAY, occurred)
    return {
        **_head("Observation", row.obs_uuid, row.date_created, row.patient_uuid),
        "status": "entered-in-error" if is_void else "final",
        "code": _code(row.concept_id),
        "effectiveDateTime": _instant(occurred),
        "issued": _instant(max(issued, row.obs_datetime)),
        **_value(row),
    }


def _value(row: Obs) -> Json:
    if row.concept_id == _ATTEMPT:
        return {}
    datatype = CONCEPTS[row.concept_id].datatype
    if datatype == NUMERIC:
        unit = _LOINC.get(row.concept_id, ("", "1"))[1]
        quantity = {"value": row.value_numeric, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
        return {"valueQuantity": quantity}
    if datatype == CODED:
        coding = {"system": CIEL, "code": str(row.value_coded), "display": ANSWERS[row.value_coded]}
        return {"valueCodeableConcept": {"coding": [coding]}}
    return {"valueDateTime": (row.value_datetime or "")[:10]} if datatype == DATE else {}


def _code(concept: int) -> Json:
    coding = [{"system": CIEL, "code": str(concept), "display": CONCEPTS[concept].name}]
    if concept in _LOINC:
        coding.insert(0, {"system": LOINC, "code": _LOINC[concept][0]})
    return {"coding": coding}


def _appointment(row: Obs, *, is_void: bool) -> Json:
    return {
        "resourceType": "Appointment",
        "id": row.obs_uuid,
        "meta": {"lastUpdated": _instant(row.date_created)},
        "status": "entered-in-error" if is_void else "booked",
        "created": _instant(row.obs_datetime),
        "start": _instant(row.value_datetime or ""),
        "end": _instant(row.value_datetime or ""),
        "participant": [{"actor": {"reference": f"Patient/{row.patient_uuid}"}, "status": "accepted"}],
    }


def _dispense(group: Obs, members: list[Obs], *, is_void: bool) -> Iterator[Json]:
    answers = {row.concept_id: row for row in members}
    drug = answers.get(165724) or answers.get(165727)
    if drug is None or group.form_id != PHARMACY.form_id:
        return
    told: Json = {
        **_head("MedicationDispense", group.obs_uuid, group.date_created, group.patient_uuid),
        "status": "entered-in-error" if is_void else "completed",
        "medicationCodeableConcept": {
            "coding": [{"system": CIEL, "code": str(drug.value_coded), "display": ANSWERS[drug.value_coded]}]
        },
        "whenHandedOver": _instant(group.obs_datetime),
    }
    days, amount, often = answers.get(159368), answers.get(1443), answers.get(165723)
    if days is not None and days.variable_value is not None:
        told["daysSupply"] = {"value": days.value_numeric, "unit": "days", "code": "d"}
    if amount is not None:
        told["quantity"] = {"value": amount.value_numeric, "unit": "tablet"}
    if often is not None:
        repeat = {"frequency": _TABLETS[often.value_coded], "period": 1, "periodUnit": "d"}
        dose = [{"doseQuantity": {"value": 1, "unit": "tablet"}}]
        told["dosageInstruction"] = [{"timing": {"repeat": repeat}, "doseAndRate": dose}]
    yield told


def _head(kind: str, uuid: str, changed: str, patient_uuid: str) -> Json:
    return {
        "resourceType": kind,
        "id": uuid,
        "meta": {"lastUpdated": _instant(changed)},
        "subject": {"reference": f"Patient/{patient_uuid}"},
    }


def _instant(written: str) -> str:
    return written.replace(" ", "T") + _OFFSET
