"""Builders of small NMRS documents. All people are invented."""

import json
from collections.abc import Callable
from datetime import date, datetime
from itertools import count
from typing import Any
from uuid import NAMESPACE_OID, uuid5
from zoneinfo import ZoneInfo

from iit.domain.record import Event
from iit.domain.vocabulary import Kind
from iit.ingest.nmrs import Imported, read_nmrs

LAGOS = ZoneInfo("Africa/Lagos")
PATIENT = "1a2b3c4d-2222-5333-8444-abcdefabcdef"
FACILITY = "FAKEdatim01"
EXPORTED = "2024-02-01 09:14:55"
FORMS = {  # form id, encounter type, name
    "pharmacy": (27, 13, "Pharmacy Order Form"),
    "care": (14, 12, "Care Card"),
    "laboratory": (21, 11, "Laboratory Order and Result form"),
    "tracking": (13, 15, "Client Tracking and Termination Form"),
    "enrolment": (23, 14, "HIV Enrollment Form"),
    "other": (999, 999, "Nutrition Assessment"),
}

Row = dict[str, Any]


def midnight(day: str) -> str:
    """Return a day as NMRS writes it."""
    return f"{day} 00:00:00"


def number(concept: int, value: float | None, *, shown: str | None = None, **changes: Any) -> Row:
    """Return a numeric answer; None is written as NMRS writes NULL."""
    return {
        "conceptId": concept,
        "datatype": 1,
        "valueNumeric": value or 0.0,
        "variableValue": shown if shown is not None or value is None else str(value),
    } | changes


def coded(concept: int, answer: int, **changes: Any) -> Row:
    """Return a coded answer."""
    return {"conceptId": concept, "datatype": 2, "valueCoded": answer, "variableValue": "an answer"} | changes


def day(concept: int, told: str, **changes: Any) -> Row:
    """Return an answer that is a day."""
    written = midnight(told)
    return {"conceptId": concept, "datatype": 6, "valueDatetime": written, "variableValue": written} | changes


def group(concept: int, name: str, *members: Row, **changes: Any) -> list[Row]:
    """Return a group and its members; `name` keeps several groups of one form apart."""
    parent = {"conceptId": concept, "datatype": 4, "_group": name} | changes
    return [parent, *({**member, "_in": name} for member in members)]


def arv_group(days: float | None, *members: Row, name: str = "arv") -> list[Row]:
    """Return a group of an ARV with its duration."""
    return group(162240, name, number(159368, days), *members)


def a_form(kind: str, on: str, *answers: Row | list[Row], **changes: Any) -> dict[str, Any]:
    """Return a form of a kind of `FORMS` with answers and groups of answers."""
    rows = [row for one in answers for row in (one if isinstance(one, list) else [one])]
    return {"kind": kind, "on": on, "answers": rows, "changes": changes}


def a_pickup(on: str, days: float | None = 30, *answers: Row | list[Row], **changes: Any) -> dict[str, Any]:
    """Return a pharmacy form with an adult first line regimen and one ARV group."""
    return a_form("pharmacy", on, coded(165708, 164506), coded(164506, 165681), arv_group(days), *answers, **changes)


def a_document(*forms: dict[str, Any], header: Row | None = None, **demographics: Any) -> dict[str, Any]:
    """Return a document of the forms; ids are the same each time for the same forms."""
    numbers = count(1)
    visits, encounters, obs = [], [], []
    for place, form in enumerate(forms, 1):
        encounter, rows = _form_rows(form, place, numbers)
        visits.append({"visitId": place, "visitUuid": _uuid(f"visit {place}"), "voided": 0, "patientUuid": PATIENT})
        encounters.append(encounter)
        obs.extend(rows)
    return {
        "messageHeader": {
            "messageCreationDateTime": EXPORTED,
            "messageUniqueID": _uuid("message"),
            "facilityDatimCode": FACILITY,
            "facilityName": "Invented Hospital",
        }
        | (header or {}),
        "messageData": {
            "demographics": {
                "patientUuid": PATIENT,
                "datimId": FACILITY,
                "gender": "F",
                "birthdate": "1991-05-14 00:00:00",
                "dateCreated": "2022-01-03 00:00:00",
                "voided": 0,
                "dead": 0,
                "deathDate": None,
                "phoneNumber": "<AES-encrypted>",
                "firstName": "<AES-encrypted>",
                "cityVillage": "Ikeja",
                "stateProvince": "Lagos",
            }
            | demographics,
            "visits": visits,
            "encounters": encounters,
            "obs": obs,
            "patientIdentifiers": [{"identifierType": 4, "identifier": "FAKE/1", "voided": 0, "patientUuid": PATIENT}],
            "patientPrograms": [],
        },
    }


def obs_of(document: dict[str, Any], concept: int) -> Row:
    """Return the first row of a concept, to change it."""
    return next(row for row in document["messageData"]["obs"] if row["conceptId"] == concept)


def encounter_of(document: dict[str, Any], place: int = 0) -> Row:
    """Return an encounter, to change it."""
    found: Row = document["messageData"]["encounters"][place]
    return found


def encoded(document: object) -> bytes:
    """Return a document as bytes."""
    return json.dumps(document).encode()


def read(document: object) -> Imported:
    """Return what a document tells."""
    return read_nmrs(encoded(document), zone=LAGOS)


def facts(document: object, kind: Kind) -> list[Event]:
    """Return a document's facts of a kind."""
    return [event for event in read(document).record.events if event.kind is kind]


def values(document: object, kind: Kind) -> list[float]:
    """Return the values of a document's facts of a kind."""
    return [event.value for event in facts(document, kind)]


def days(document: object, kind: Kind, of: Callable[[Event], datetime] = lambda event: event.occurred_at) -> list[date]:
    """Return the days of a document's facts of a kind."""
    return [of(event).date() for event in facts(document, kind)]


def reasons(document: object) -> list[str]:
    """Return the reasons of a document's warnings."""
    return [warning.reason for warning in read(document).warnings]


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_OID, f"nmrs test {name}"))


def _form_rows(form: dict[str, Any], place: int, numbers: "count[int]") -> tuple[Row, list[Row]]:
    form_id, encounter_type, name = FORMS[form["kind"]]
    shared = {
        "encounterId": 9000 + place,
        "encounterUuid": _uuid(f"encounter {place}"),
        "visitUuid": _uuid(f"visit {place}"),
        "visitId": place,
        "formId": form_id,
        "pmmForm": name,
        "patientUuid": PATIENT,
        "dateCreated": midnight(form["on"]),
        "voided": 0,
    }
    encounter = {**shared, "encounterTypeId": encounter_type, "encounterDatetime": midnight(form["on"])}
    rows, groups = [], {}
    for answer in form["answers"]:
        number_of_row = 700_000 + next(numbers)
        row = {
            **shared,
            "obsId": number_of_row,
            "obsUuid": _uuid(f"obs {number_of_row}"),
            "encounterType": encounter_type,
            "obsDatetime": midnight(form["on"]),
            "obsGroupId": groups.get(answer.get("_in"), 0),
            "valueCoded": 0,
            "valueNumeric": 0.0,
            "valueDatetime": None,
            "valueText": None,
            "variableValue": None,
            "variableName": None,
        } | {key: value for key, value in answer.items() if not key.startswith("_")}
        if "_group" in answer:
            groups[answer["_group"]] = number_of_row
        rows.append(row)
    return {**encounter, **form["changes"]}, rows
