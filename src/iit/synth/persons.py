"""The person of a document: demographics as an exporter writes them, with the gaps that real ones have."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

import numpy as np

from iit.synth.facilities import Facility
from iit.synth.people import People
from iit.synth.rows import STAMPS

ENCRYPTED: Final = "<AES-encrypted>"  # what an importer sees of names, phones and addresses: that there is one
_NAMESPACE: Final = UUID("6b1f7f4e-4d3a-5c0e-9f0c-0f3a52a1c7d1")
_FIRST_PATIENT_ID: Final = 10_001
_SHARE_NO_BIRTHDATE: Final = 0.004
_SHARE_NO_PLACE: Final = 0.025
_SHARE_NO_ANSWER: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Person:
    """One synthetic person; days count from 1970-01-01, None where the record has a gap."""

    patient_uuid: str
    patient_id: int
    facility: Facility
    sex: str
    birth: int | None
    town: str | None
    state: str | None
    has_phone: bool
    art_start: int
    enrolled: int
    diagnosed: int
    is_transfer_in: bool
    care_entry: int
    marital: int | None
    education: int | None
    occupation: int | None
    cd4: float | None
    is_child: bool


def persons(
    people: People, facilities: tuple[Facility, ...], seed: int, first: int, rng: np.random.Generator
) -> Iterator[Person]:
    """Yield the persons of a block; `first` is the place of its first patient in the whole cohort, from 0."""
    gaps = rng.random((len(people), 6))
    for i in range(len(people)):
        facility = facilities[int(people.facility[i])]
        no_birth, no_town, no_state, no_marital, no_education, no_occupation = gaps[i].tolist()
        town = facility.neighbours[int(people.neighbour[i]) % len(facility.neighbours)]
        yield Person(
            patient_uuid=str(uuid5(_NAMESPACE, f"{seed}/{first + i}")),
            patient_id=_FIRST_PATIENT_ID + first + i,
            facility=facility,
            sex="M" if people.is_male[i] else "F",
            birth=int(people.birth[i]) if no_birth >= _SHARE_NO_BIRTHDATE else None,
            town=_gap(town if people.lives_outside[i] else facility.town, no_town),
            state=_gap(facility.state, no_state),
            has_phone=bool(people.has_phone[i]),
            art_start=int(people.art_start[i]),
            enrolled=int(people.enrolled[i]),
            diagnosed=int(people.diagnosed[i]),
            is_transfer_in=bool(people.is_transfer_in[i]),
            care_entry=int(people.care_entry[i]),
            marital=int(people.marital[i]) if no_marital >= _SHARE_NO_ANSWER else None,
            education=int(people.education[i]) if no_education >= _SHARE_NO_ANSWER else None,
            occupation=int(people.occupation[i]) if no_occupation >= _SHARE_NO_ANSWER else None,
            cd4=float(people.cd4[i]) if people.is_cd4_measured[i] else None,
            is_child=int(people.enrolled[i] - people.birth[i]) < 15 * 365,
        )


def _gap(text: str, drawn: float) -> str | None:
    """Return the text, or in a small share of cases nothing: NULL or an empty string."""
    if drawn >= _SHARE_NO_PLACE:
        return text
    return "" if drawn < _SHARE_NO_PLACE / 2 else None


def demographics(person: Person, *, created: int, died: int, changed: int) -> dict[str, Any]:
    """Return the block `demographics`.

    Args:
        person: whose.
        created: day of the first entry.
        died: day of death if it is written down in this block, else 0.
        changed: day on which the death was typed in, or 0.
    """
    absent = None if person.patient_id % 2 else ""
    return {
        "patientId": person.patient_id,
        "firstName": ENCRYPTED,
        "lastName": ENCRYPTED,
        "middleName": None,
        "gender": person.sex,
        "birthdate": None if person.birth is None else STAMPS[person.birth],
        "birthdateEstimated": person.patient_id % 3 // 2,
        "dead": int(died > 0),
        "deathDate": STAMPS[died] if died else None,
        "causeOfDeath": None,
        "creator": 12,
        "dateCreated": STAMPS[created],
        "phoneNumber": ENCRYPTED if person.has_phone else absent,
        "address1": ENCRYPTED,
        "address2": None,
        "cityVillage": person.town,
        "stateProvince": person.state,
        "country": "Nigeria",
        "changedBy": 12 if changed else 0,
        "dateChanged": STAMPS[changed] if changed else None,
        "voided": 0,
        "voidedBy": 0,
        "dateVoided": None,
        "voidedReason": None,
        "deathdateEstimated": 0,
        "patientUuid": person.patient_uuid,
        "datimId": person.facility.datim,
    }


def identifiers(person: Person, uuids: tuple[str, str], created: int) -> list[dict[str, Any]]:
    """Return the block `patientIdentifiers`: the ART number (type 4) and the hospital's own (type 5)."""
    number = f"SYN/{person.facility.location_id:03d}/{person.patient_id:06d}"
    return [
        {
            "patientIdentifierId": 2 * person.patient_id + place,
            "patientId": person.patient_id,
            "locationId": person.facility.location_id,
            "identifier": identifier,
            "identifierType": kind,
            "preferred": 1 - place,
            "creator": 12,
            "dateCreated": STAMPS[created],
            "dateChanged": None,
            "changedBy": 0,
            "voided": 0,
            "voidedBy": 0,
            "dateVoided": None,
            "patientIdentifierUuid": uuids[place],
            "patientUuid": person.patient_uuid,
            "datimId": person.facility.datim,
        }
        for place, (kind, identifier) in enumerate(((4, number), (5, f"H-{person.patient_id}")))
    ]


def programs(person: Person, uuid: str, created: int) -> list[dict[str, Any]]:
    """Return the block `patientPrograms`: HIV care, from enrolment."""
    return [
        {
            "patientProgramId": person.patient_id,
            "patientId": person.patient_id,
            "programId": 1,
            "locationId": person.facility.location_id,
            "programName": "HIV",
            "dateEnrolled": STAMPS[person.enrolled],
            "dateCompleted": None,
            "outcomeConceptId": 0,
            "creator": 12,
            "dateCreated": STAMPS[created],
            "changedBy": 0,
            "dateChanged": None,
            "voided": 0,
            "voidedBy": 0,
            "dateVoided": None,
            "patientUuid": person.patient_uuid,
            "datimId": person.facility.datim,
            "patientProgramUuid": uuid,
        }
    ]
