"""NMRS documents of made-up patients, one for each id, for tests that go through the whole service."""

import json
from uuid import NAMESPACE_OID, uuid5


def a_document(name: str = "one", *, days: tuple[str, ...] = ("2024-01-10", "2024-02-09"), **header: object) -> dict:
    """Return a document of a patient with pick-ups of 30 days; the same name is the same patient."""
    patient = str(uuid5(NAMESPACE_OID, name))
    encounters, obs = [], []
    for place, on in enumerate(days, 1):
        shared = {
            "encounterId": place,
            "encounterUuid": str(uuid5(NAMESPACE_OID, f"{name} {on}")),
            "formId": 27,
            "pmmForm": "Pharmacy Order Form",
            "patientUuid": patient,
            "dateCreated": f"{on} 00:00:00",
            "voided": 0,
        }
        encounters.append({**shared, "encounterTypeId": 13, "encounterDatetime": f"{on} 00:00:00"})
        obs += _pickup(shared, on, 1000 * place)
    return {
        "messageHeader": {
            "messageCreationDateTime": "2024-03-01 08:00:00",
            "facilityDatimCode": "SYN000001",
            "facilityName": "Invented Hospital",
            **header,
        },
        "messageData": {
            "demographics": {
                "patientUuid": patient,
                "datimId": "SYN000001",
                "gender": "F",
                "birthdate": "1991-05-14 00:00:00",
                "dateCreated": "2024-01-03 00:00:00",
                "firstName": "CANARY-NAME",
                "phoneNumber": "CANARY-PHONE",
                "stateProvince": "Lagos",
                "cityVillage": "Ikeja",
                "voided": 0,
                "dead": 0,
            },
            "encounters": encounters,
            "obs": obs,
        },
    }


def _pickup(shared: dict[str, object], on: str, first_id: int) -> list[dict[str, object]]:
    def row(number: int, concept: int, **value: object) -> dict[str, object]:
        return {
            **shared,
            "obsId": first_id + number,
            "obsUuid": f"{shared['encounterUuid']}-{number}",
            "obsDatetime": f"{on} 00:00:00",
            "conceptId": concept,
            "valueCoded": 0,
            "valueNumeric": 0.0,
            "obsGroupId": 0,
            **value,
        }

    return [
        row(1, 165708, datatype=2, valueCoded=164506, variableValue="a line"),
        row(2, 162240, datatype=4),
        row(3, 159368, datatype=1, valueNumeric=30.0, variableValue="30.0", obsGroupId=first_id + 2),
    ]


def encoded(document: object) -> bytes:
    """Return a document as bytes."""
    return json.dumps(document).encode()


def uuid_of(document: dict) -> str:
    """Return whose document it is."""
    return document["messageData"]["demographics"]["patientUuid"]
