"""FHIR resources of made-up people."""

import json
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

FACILITY: Final = "SYN000001"
Json = dict[str, Any]


def an_id(name: str) -> str:
    """Return a UUID that follows from a name."""
    return str(uuid5(NAMESPACE_OID, name))


def a_patient(name: str = "one", **changes: Any) -> Json:
    """Return a Patient; the same name is the same person."""
    return {
        "resourceType": "Patient",
        "id": an_id(name),
        "meta": {"lastUpdated": "2024-01-05T09:00:00+01:00"},
        "identifier": [{"system": "urn:iit:test", "value": f"N-{name}"}],
        "name": [{"family": "CANARY-LAST-NAME", "given": ["CANARY-FIRST-NAME"]}],
        "gender": "female",
        "birthDate": "1991-05-14",
        "telecom": [{"system": "phone", "value": "CANARY-PHONE-08012345678"}],
        "address": [{"line": ["CANARY-ADDRESS-1"], "city": "Ikeja", "state": "Lagos"}],
        "managingOrganization": {"identifier": {"system": "urn:iit:datim", "value": FACILITY}},
        **changes,
    }


def a_dispense(name: str = "one", on: str = "2024-01-10", days: float | None = 30, **changes: Any) -> Json:
    """Return a MedicationDispense of TLD to a person on a day."""
    told: Json = {
        "resourceType": "MedicationDispense",
        "id": an_id(f"{name} dispense {on}"),
        "meta": {"lastUpdated": f"{on}T12:00:00+01:00"},
        "status": "completed",
        "medicationCodeableConcept": {"text": "TDF/3TC/DTG"},
        "subject": {"reference": f"Patient/{an_id(name)}"},
        "whenHandedOver": f"{on}T11:30:00+01:00",
        **changes,
    }
    return told if days is None else {**told, "daysSupply": {"value": days, "unit": "days", "code": "d"}}


def an_observation(
    code: str = "20447-9", value: float | None = 50, name: str = "one", on: str = "2024-01-10", **changes: Any
) -> Json:
    """Return an Observation of a LOINC code, a viral load where none is told."""
    told: Json = {
        "resourceType": "Observation",
        "id": an_id(f"{name} observation {code} {on}"),
        "meta": {"lastUpdated": f"{on}T12:00:00+01:00"},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{an_id(name)}"},
        "effectiveDateTime": f"{on}T10:00:00+01:00",
        **changes,
    }
    return told if value is None else {"valueQuantity": {"value": value, "unit": "copies/mL"}, **told}


def an_answer(concept: int, *, name: str = "one", on: str = "2024-01-10", **value: Any) -> Json:
    """Return an Observation of a concept of CIEL or NMRS."""
    code = {"coding": [{"system": "https://cielterminology.org", "code": str(concept)}]}
    return {**an_observation(str(concept), None, name, on), "code": code, **value}


def a_bundle(*resources: Json, kind: str = "transaction", method: str = "PUT", **changes: Any) -> Json:
    """Return a Bundle of resources under their ids."""
    entries = []
    for one in resources:
        url = f"{one['resourceType']}/{one['id']}" if method == "PUT" else one["resourceType"]
        full_url = f"urn:uuid:{one.get('id') or an_id(json.dumps(one))}"
        entries.append({"fullUrl": full_url, "resource": one, "request": {"method": method, "url": url}})
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **changes}


def encoded(resource: object) -> bytes:
    """Return a resource as bytes."""
    return json.dumps(resource).encode()
