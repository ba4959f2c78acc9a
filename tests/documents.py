"""NMRS documents of made-up patients, one for each id, for tests that go through the whole service."""

import json
from typing import Final
from uuid import NAMESPACE_OID, uuid5

CANARIES: Final = {
    "firstName": "CANARY-FIRST-NAME",
    "middleName": "CANARY-MIDDLE-NAME",
    "lastName": "CANARY-LAST-NAME",
    "phoneNumber": "CANARY-PHONE-08012345678",
    "address1": "CANARY-ADDRESS-1",
    "address2": "CANARY-ADDRESS-2",
    "causeOfDeath": "CANARY-CAUSE",
    "voidedReason": "CANARY-VOIDED",
    "identifier": "CANARY-IDENTIFIER",
    "valueText": "CANARY-FREE-TEXT",
    "variableValue": "CANARY-SHOWN-VALUE",
    "variableName": "CANARY-QUESTION",
    "template": "CANARY-FINGERPRINT",
}
"""What a document holds of a person that may never leave it: not into the database, logs, errors, figures or reprs."""


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
                **{name: CANARIES[name] for name in _PERSONAL},
                "stateProvince": "Lagos",
                "cityVillage": "Ikeja",
                "voided": 0,
                "dead": 0,
            },
            "encounters": encounters,
            "obs": obs,
            "patientIdentifiers": [
                {"patientUuid": patient, "identifier": CANARIES["identifier"], "identifierType": 4, "voided": 0}
            ],
            "patientBiometrics": [{"patientUuid": patient, "template": CANARIES["template"], "voided": 0}],
        },
    }


_PERSONAL: Final = ("firstName", "middleName", "lastName", "phoneNumber", "address1", "address2", "causeOfDeath",
                    "voidedReason")  # fmt: skip


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
        row(1, 165708, datatype=2, valueCoded=164506, variableValue=CANARIES["variableValue"]),
        row(2, 162240, datatype=4, variableName=CANARIES["variableName"]),
        row(3, 159368, datatype=1, valueNumeric=30.0, variableValue="30.0", obsGroupId=first_id + 2),
        row(4, 165095, datatype=3, valueText=CANARIES["valueText"], variableValue=CANARIES["valueText"]),
    ]


def encoded(document: object) -> bytes:
    """Return a document as bytes."""
    return json.dumps(document).encode()


def uuid_of(document: dict) -> str:
    """Return whose document it is."""
    return document["messageData"]["demographics"]["patientUuid"]
