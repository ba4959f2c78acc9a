"""Observation: results and answers, true of the time they are effective, known when they were issued."""

from datetime import datetime
from math import isfinite
from typing import Final

from iit.domain.record import day_number
from iit.domain.vocabulary import Kind
from iit.ingest.fhir.codes import Meaning, answer_of
from iit.ingest.fhir.moments import moment_of
from iit.ingest.fhir.reading import Reading
from iit.ingest.fhir.resources import CodeableConcept, Observation, Quantity
from iit.ingest.fhir.resources import Value as Told
from iit.ingest.hl7.codes import standard_unit
from iit.ingest.hl7.reading import NO_VALUE
from iit.ingest.nmrs.clinic import BREASTFEEDING, NOT_PREGNANT, PREGNANT
from iit.ingest.nmrs.concepts import Part, Value
from iit.ingest.nmrs.laboratory import viral_load_told
from iit.ingest.nmrs.scalars import flag, number

_STANDING: Final = frozenset({"final", "amended", "corrected", None})
_NOT_YET: Final = "it is not final: left out until it is"
_YES: Final = 1065
_TOLD_ELSEWHERE: Final = frozenset({
    Part.ARV_GROUP, Part.OI_GROUP, Part.SUPPLY_DAYS, Part.QUANTITY, Part.FREQUENCY, Part.MISFILED_RESULT,
    Part.SPECIMEN_DAY, Part.REPORTED_DAY, Part.TRACKING_REASON, Part.ATTEMPT_DAY, Part.TERMINATION_DAY,
})  # fmt: skip
"""Parts of a form that other resources or elements tell: a MedicationDispense, `effective[x]`, `issued`."""


def take_observation(observation: Observation, reading: Reading) -> None:
    """Take what an Observation tells, as a whole and by its components."""
    answers: list[Observation | Told] = [observation, *observation.component]
    for told in answers:
        meaning = None if told.code is None else reading.codes.meaning(told.code)
        if meaning is None or (meaning.kind is None and meaning.part is not Part.ATTEMPT_GROUP):
            continue
        if meaning.part in _TOLD_ELSEWHERE:
            reading.notes.append("it is told by other elements or resources: left out")
            continue
        part = "" if told is observation else f"component:{_kind_of(meaning).name}"
        _take(observation, told, meaning, part, reading)


def value_of(told: Observation | Told, meaning: Meaning, reading: Reading) -> float | None:
    """Return a value in the question's own form; None where it cannot be read or is not credible."""
    if meaning.part in (Part.PREGNANT, Part.BREASTFEEDING):
        return _pregnancy(told, meaning)
    if meaning.part is Part.ATTEMPT_GROUP:
        return NO_VALUE
    if meaning.part is Part.PHONE:
        return 1.0 if told.value_string or told.value_boolean else None
    if meaning.value is Value.ANSWER:
        return _answer(told, meaning)
    if meaning.value in (Value.PAST_DAY, Value.ANY_DAY):
        day = _day(told, meaning, reading)
        return None if day is None else float(day_number(day))
    return _number(told, meaning)


def _take(observation: Observation, told: Observation | Told, meaning: Meaning, part: str, reading: Reading) -> None:
    kind = _kind_of(meaning)
    if reading.is_withdrawn:
        reading.retract(kind, part)
        return
    if observation.status not in _STANDING:
        reading.notes.append(_NOT_YET)
        return
    period = observation.effective_period
    occurred = reading.moment(
        observation.effective_date_time, observation.effective_instant, None if period is None else period.start
    )
    if occurred is None:
        reading.notes.append("it has no usable time: left out")
        return
    value = value_of(told, meaning, reading)
    if value is None:
        reading.notes.append("its value is missing, cannot be read or is not credible: left out")
        reading.retract(kind, part)
        return
    known = reading.moment(observation.issued) or reading.at
    if meaning.value is Value.PAST_DAY:
        told_day = _day(told, meaning, reading)
        known = max(known, told_day) if told_day is not None else known
    reading.add(kind, occurred, part=part, value=value, known=known)


def _kind_of(meaning: Meaning) -> Kind:
    return Kind.TRACKED if meaning.part is Part.ATTEMPT_GROUP or meaning.kind is None else meaning.kind


def _answer(told: Observation | Told, meaning: Meaning) -> float | None:
    concept = meaning.concept
    if concept is None:
        return None
    value = told.value_codeable_concept
    if value is None and told.value_string:
        value = CodeableConcept(text=told.value_string)
    if value is None and told.value_boolean is not None:
        value = CodeableConcept(text="Yes" if told.value_boolean else "No")
    answer = None if value is None else answer_of(value, concept)
    return None if answer is None else float(answer)


def _day(told: Observation | Told, meaning: Meaning, reading: Reading) -> datetime | None:
    day = moment_of(told.value_date_time, reading.zone) or moment_of(told.value_string, reading.zone)
    is_early = day is not None and meaning.value is Value.PAST_DAY and day > reading.latest
    return None if is_early else day


def _pregnancy(told: Observation | Told, meaning: Meaning) -> float | None:
    value = told.value_codeable_concept
    answer = told.value_boolean
    if value is not None and meaning.concept is not None:
        coded = answer_of(value, meaning.concept)
        named = flag(next((one.display for one in value.coding if one.display), value.text))
        answer = coded == _YES if coded is not None else named
    if answer is None:
        return None
    if meaning.part is Part.BREASTFEEDING:
        return float(BREASTFEEDING) if answer else None
    return float(PREGNANT if answer else NOT_PREGNANT)


def _number(told: Observation | Told, meaning: Meaning) -> float | None:
    if told.value_quantity is not None:
        return _measured(told.value_quantity, meaning)
    if told.value_integer is not None:
        return _credible(float(told.value_integer), meaning)
    shown = told.value_string
    if shown is None and told.value_codeable_concept is not None:
        shown = _shown(told.value_codeable_concept)
    plain = number(shown)
    if plain is None and meaning.kind is Kind.VIRAL_LOAD:
        plain = viral_load_told(shown)
    if plain is None:
        return NO_VALUE if meaning.part is Part.EAC and shown else None
    return _credible(plain, meaning)


def _measured(quantity: Quantity, meaning: Meaning) -> float | None:
    value = quantity.value
    if value is None or not isfinite(value):
        return None
    written = quantity.code or quantity.unit
    unit = standard_unit(quantity.code or "") or standard_unit(quantity.unit or "") if written else meaning.unit
    if meaning.unit and unit is None:
        return None
    if meaning.kind is Kind.VIRAL_LOAD:
        if unit == "log":
            return round(10**value, 1) if 0 <= value <= 9 else None
        return _limited(value, quantity.comparator, meaning)
    return _credible(value, meaning) if not meaning.unit or unit == meaning.unit else None


def _limited(value: float, comparator: str | None, meaning: Meaning) -> float | None:
    """Return the copies/mL that a limit tells: `<20` is 19, the most that it can be; `>` the least."""
    if comparator in ("<", "<="):
        value = max(value - 1, 0.0)
    return _credible(value, meaning._replace(lowest=0.0, highest=1e9))


def _credible(value: float, meaning: Meaning) -> float | None:
    return value if meaning.lowest <= value <= meaning.highest else None


def _shown(value: CodeableConcept) -> str | None:
    return value.text or next((one.display for one in value.coding if one.display), None)
