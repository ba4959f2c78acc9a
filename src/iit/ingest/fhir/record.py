"""A record as resources: the way back of the mapping, so that what is given out can be taken in elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from iit.domain.record import Event, day_date
from iit.domain.vocabulary import CODED, Kind
from iit.ingest.fhir.person import MASKED
from iit.ingest.fhir.reading import own_id
from iit.ingest.nmrs.concepts import Part, Value, concepts_in_order

Json = dict[str, Any]

CIEL: Final = "https://cielterminology.org"
ATC: Final = "http://www.whocc.no/atc"
_COMBINATIONS: Final = "J05AR"  # antivirals for treatment of HIV infections: which ones, an Observation tells
_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_UNITS: Final = {Kind.VIRAL_LOAD: "{copies}/mL", Kind.CD4: "/uL", Kind.WEIGHT_KG: "kg", Kind.HEIGHT_CM: "cm",
                 Kind.SYSTOLIC_MMHG: "mm[Hg]", Kind.DIASTOLIC_MMHG: "mm[Hg]"}  # fmt: skip
_PERSON: Final = frozenset({Kind.BIRTH, Kind.SEX, Kind.STATE, Kind.CITY, Kind.PHONE, Kind.DEATH})
_SEXES: Final = {"M": "male", "F": "female"}


def patient_resource(person: Mapping[str, Any], events: Sequence[Event]) -> Json:
    """Return the Patient of a stored person: no name, phone or address is kept, so none is given out."""
    told = [one for one in events if one.kind in _PERSON and one.kind is not Kind.DEATH]
    home = {"city": person["city"], "state": person["state_province"]}
    resource: Json = {
        "resourceType": "Patient",
        "id": person["patient_uuid"],
        "meta": {"lastUpdated": _instant(max((one.known_at for one in told), default=person["updated_at"]))},
        "managingOrganization": {"identifier": {"value": person["facility"]}},
    }
    if person["sex"] in _SEXES:
        resource["gender"] = _SEXES[person["sex"]]
    if person["birthdate"] is not None:
        resource["birthDate"] = person["birthdate"].isoformat()
    if any(home.values()):
        resource["address"] = [{name: text for name, text in home.items() if text}]
    if person["phone_present"] is not None:
        reason = {"url": _ABSENT, "valueCode": MASKED if person["phone_present"] else "not-applicable"}
        resource["telecom"] = [{"system": "phone", "_value": {"extension": [reason]}}]
    died = next((one for one in events if one.kind is Kind.DEATH), None)
    if died is not None:
        resource["deceasedDateTime"] = _instant(died.occurred_at)
    return resource


def fact_resources(patient_uuid: str, events: Sequence[Event]) -> Iterator[Json]:
    """Yield a resource for each fact that is not of the person, in the order of the facts."""
    implied: dict[date, float] = {}
    for one in events:
        if one.kind is Kind.PICKUP_QUANTITY_DAYS:
            implied[one.occurred_at.date()] = max(one.value, implied.get(one.occurred_at.date(), 0.0))
    for event in events:
        make = _MAKERS.get(event.kind)
        if event.kind in _PERSON or event.kind is Kind.PICKUP_QUANTITY_DAYS:
            continue
        if event.kind is Kind.PICKUP:
            yield _dispense(patient_uuid, event, implied.get(event.occurred_at.date()))
        elif make is not None:
            yield make(patient_uuid, event)
        else:
            yield _observation(patient_uuid, event)


def _dispense(patient_uuid: str, event: Event, implied_days: float | None) -> Json:
    told = _head("MedicationDispense", patient_uuid, event) | {
        "status": "completed",
        "medicationCodeableConcept": {"coding": [{"system": ATC, "code": _COMBINATIONS}]},
        "whenHandedOver": _instant(event.occurred_at),
    }
    if event.value == event.value:
        told["daysSupply"] = {"value": event.value, "unit": "days", "code": "d"}
    if implied_days is not None:
        told["quantity"] = {"value": implied_days}
        told["dosageInstruction"] = [{"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}]
    return told


def _encounter(patient_uuid: str, event: Event) -> Json:
    return _head("Encounter", patient_uuid, event) | {
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "period": {"start": _instant(event.occurred_at)},
    }


def _episode(patient_uuid: str, event: Event) -> Json:
    told = _head("EpisodeOfCare", patient_uuid, event)
    patient = told.pop("subject")
    return told | {
        "status": "active",
        "type": [{"text": "HIV"}],
        "patient": patient,
        "period": {"start": _at(day_date(int(event.value)), event)},
    }


def _appointment(patient_uuid: str, event: Event) -> Json:
    told = _head("Appointment", patient_uuid, event)
    patient = told.pop("subject")
    day = _at(day_date(int(event.value)), event)
    status = "noshow" if event.kind is Kind.NO_SHOW else "booked"
    return told | {
        "status": status,
        "created": _instant(event.occurred_at),
        "start": day,
        "end": day,
        "participant": [{"actor": patient, "status": "accepted"}],
    }


_MAKERS: Final = {
    Kind.VISIT: _encounter, Kind.ENROLMENT: _episode, Kind.APPOINTMENT: _appointment, Kind.NO_SHOW: _appointment,
}  # fmt: skip


def _observation(patient_uuid: str, event: Event) -> Json:
    told = _head("Observation", patient_uuid, event) | {
        "status": "final",
        "code": _CODES[event.kind],
        "effectiveDateTime": _instant(event.occurred_at),
        "issued": _instant(event.known_at),
    }
    return told | _value(event)


def _value(event: Event) -> Json:
    if event.value != event.value:
        return {"valueString": "yes"} if event.kind is Kind.EAC_SESSION else {}
    if event.kind in CODED:
        return {"valueCodeableConcept": {"coding": [{"system": CIEL, "code": str(int(event.value))}]}}
    if event.kind in _DAYS:
        return {"valueDateTime": day_date(int(event.value)).isoformat()}
    unit = _UNITS.get(event.kind)
    return {"valueQuantity": {"value": event.value} | ({} if unit is None else {"unit": unit, "code": unit})}


def _head(kind: str, patient_uuid: str, event: Event) -> Json:
    return {
        "resourceType": kind,
        "id": own_id(kind, patient_uuid, event.source, event.source_id),
        "meta": {"lastUpdated": _instant(event.known_at)},
        "subject": {"reference": f"Patient/{patient_uuid}"},
    }


def _at(day: date, event: Event) -> str:
    return _instant(datetime(day.year, day.month, day.day, tzinfo=event.occurred_at.tzinfo))


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _codes() -> dict[Kind, Json]:
    """Return the code of each kind that is told by an Observation: the first of its concepts that stands alone."""
    found: dict[Kind, Json] = {}
    for number, name, concept in concepts_in_order():
        kind = Kind.TRACKED if concept.part is Part.ATTEMPT_GROUP else concept.kind
        if kind is None or concept.part in (Part.PREGNANT, Part.BREASTFEEDING, Part.MISFILED_RESULT):
            continue
        coding = {} if number is None else {"coding": [{"system": CIEL, "code": str(number)}]}
        found.setdefault(kind, coding | {"text": name})
    return found


_CODES: Final = _codes()
_DAYS: Final = frozenset(
    concept.kind for _, _, concept in concepts_in_order() if concept.value in (Value.PAST_DAY, Value.ANY_DAY)
)
