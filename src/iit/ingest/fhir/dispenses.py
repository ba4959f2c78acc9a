"""MedicationDispense: antiretrovirals handed out, with the days they last."""

import re
from datetime import datetime
from math import floor, isfinite
from typing import Final

from iit.domain.errors import InvalidInput
from iit.domain.interruption import is_valid_supply
from iit.domain.vocabulary import Kind
from iit.ingest.fhir.bundle import Directory
from iit.ingest.fhir.codes import agents_in, drug_of
from iit.ingest.fhir.reading import Reading
from iit.ingest.fhir.resources import CodeableConcept, Dosage, Medication, MedicationDispense, Quantity, contained
from iit.ingest.hl7 import codes as hl7_codes
from iit.ingest.hl7.codes import regimen_of
from iit.ingest.hl7.reading import NO_VALUE

_PREVENTION: Final = re.compile(r"\b(prep|pep|prophylaxis)\b", re.ASCII | re.I)
_COMBINATION: Final = "ARV"
_DONE: Final = frozenset({"completed", "stopped", None})
_NEVER: Final = frozenset({"declined"})
_DAYS_IN: Final = {"d": 1.0, "day": 1.0, "days": 1.0, "wk": 7.0, "week": 7.0, "weeks": 7.0,
                   "mo": 30.0, "month": 30.0, "months": 30.0}  # fmt: skip
_PARTS: Final = {
    "": Kind.PICKUP, "quantity": Kind.PICKUP_QUANTITY_DAYS, "regimen": Kind.REGIMEN, "drug": Kind.ARV_DRUG,
}  # fmt: skip


def take_dispense(dispense: MedicationDispense, directory: Directory, reading: Reading) -> None:
    """Take the pick-up that a MedicationDispense tells, its regimen and its drug.

    Raises:
        InvalidInput: it does not say what was handed out.
    """
    medication = _medication(dispense, directory, reading)
    agents = agents_in(medication)
    if not agents:
        reading.notes.append("it is no antiretroviral that is known: left out")
        return
    if _PREVENTION.search(_words(medication, dispense)):
        reading.notes.append("it is for prevention: left out")
        return
    if reading.is_withdrawn or dispense.status in _NEVER:
        for part, kind in _PARTS.items():
            reading.retract(kind, part)
        return
    on = reading.moment(dispense.when_handed_over)
    if dispense.status not in _DONE or on is None:
        reading.notes.append("it is not handed over: no pick-up yet")
        return
    _take(dispense, on, agents, drug_of(medication), reading)


def _take(
    dispense: MedicationDispense, on: datetime, agents: frozenset[str], drug: int | None, reading: Reading
) -> None:
    implied = None
    if is_treatment(agents):
        reading.add(Kind.PICKUP, on, value=_supplied(dispense.days_supply, reading))
        implied = _implied(dispense.quantity, dispense.dosage_instruction)
    else:
        reading.notes.append("two drugs alone may be for prevention: no pick-up")
    for part, value in (("quantity", implied), ("regimen", regimen_of(agents)), ("drug", drug)):
        if value is not None:
            reading.add(_PARTS[part], on, part=part, value=float(value))


def is_treatment(agents: frozenset[str]) -> bool:
    """Return whether drugs together treat HIV; those of ATC class J05AR do, whichever they are."""
    return _COMBINATION in agents or hl7_codes.is_treatment(agents)


def _medication(dispense: MedicationDispense, directory: Directory, reading: Reading) -> CodeableConcept:
    if dispense.medication_codeable_concept is not None:
        return dispense.medication_codeable_concept
    reference = dispense.medication_reference
    written = "" if reference is None else reference.reference or ""
    if written.startswith("#"):
        found = contained(dispense, "Medication", written)
    else:
        entry = directory.find(reference)
        found = None if entry is None else entry.resource
    if not isinstance(found, Medication) or found.code is None:
        place = f"{reading.entry.place}.medication[x]"
        raise InvalidInput("does not say what was handed out, here or in this bundle", place=place)
    return found.code


def _words(medication: CodeableConcept, dispense: MedicationDispense) -> str:
    told = [medication.text, *(one.display for one in medication.coding)]
    if dispense.type is not None:
        told += [dispense.type.text, *(one.display for one in dispense.type.coding)]
    return " ".join(one for one in told if one)


def _supplied(supply: Quantity | None, reading: Reading) -> float:
    """Return the days supplied, NaN where none are told or they are not credible."""
    if supply is None or supply.value is None:
        return NO_VALUE
    days = supply.value * _DAYS_IN.get((supply.code or supply.unit or "d").lower(), 0.0)
    if not is_valid_supply(days):
        reading.notes.append("days supplied are not credible: left out")
        return NO_VALUE
    return days


def _implied(quantity: Quantity | None, dosage: list[Dosage]) -> float | None:
    """Return the whole days that the amount lasts at the dose a day, where credible."""
    if quantity is None or quantity.value is None or not dosage:
        return None
    repeat = None if dosage[0].timing is None else dosage[0].timing.repeat
    doses = dosage[0].dose_and_rate
    dose = doses[0].dose_quantity if doses else None
    amount = 1.0 if dose is None or dose.value is None else dose.value
    if repeat is None or not repeat.frequency or not repeat.period:
        return None
    a_day = amount * repeat.frequency / (repeat.period * _DAYS_IN.get(repeat.period_unit or "d", 0.0) or float("inf"))
    days = quantity.value / a_day if a_day > 0 else 0.0
    return float(floor(days + 1e-9)) if isfinite(days) and is_valid_supply(floor(days + 1e-9)) else None
