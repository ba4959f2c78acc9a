"""Condition: treatment, its ends, encounters, medicine handed out and results."""

from datetime import datetime
from typing import Final

from iit.domain.interruption import is_valid_supply
from iit.domain.record import day_number
from iit.domain.vocabulary import (
    TERMINATION_DIED,
    TERMINATION_STOPPED,
    TERMINATION_TRANSFERRED_OUT,
    Kind,
)
from iit.ingest.hl7.codes import is_treatment, regimen_of
from iit.ingest.hl7.reading import NO_VALUE
from iit.ingest.ndr.codes import agents_in, result_kind
from iit.ingest.ndr.parse import Part
from iit.ingest.ndr.reading import Report
from iit.ingest.nmrs.laboratory import viral_load_told
from iit.ingest.nmrs.scalars import flag, number

_HIV: Final = "86406008"  # SNOMED CT, the condition code of NDR's HIV programme
_WEIGHT_KG: Final = (0.5, 300.0)
_HEIGHT_CM: Final = (20.0, 250.0)
_CD4: Final = (0.0, 5000.0)
_SYSTOLIC: Final = (40.0, 300.0)
_DIASTOLIC: Final = (20.0, 200.0)
_VIRAL_LOAD: Final = (0.0, 1e9)
_SUBSTITUTION: Final = 165665.0
_SWITCH: Final = 165772.0


def take_condition(condition: Part, report: Report) -> None:
    """Take what is told of HIV; other conditions are left alone."""
    if condition.text("ConditionCode") not in (_HIV, ""):
        report.saying.caveats.append("a condition is not HIV")
        return
    _take_questions(condition, report)
    encounters = condition.first("Encounters")
    for encounter in encounters.all("HIVEncounter") if encounters is not None else ():
        _take_encounter(encounter, report)
    _take_regimens(list(condition.all("Regimen")), report)
    for laboratory in condition.all("LaboratoryReport"):
        _take_laboratory(laboratory, report)


def _take_questions(condition: Part, report: Report) -> None:
    saying = report.saying
    common = condition.first("CommonQuestions")
    questions = condition.first("ConditionSpecificQuestions", "HIVQuestions")
    for part, name, kind in (
        (common, "DiagnosisDate", Kind.HIV_DIAGNOSIS),
        (questions, "FirstConfirmedHIVTestDate", Kind.HIV_DIAGNOSIS),
        (questions, "EnrolledInHIVCareDate", Kind.ENROLMENT),
        (questions, "ARTStartDate", Kind.ART_START),
        (questions, "TransferredInDate", Kind.TRANSFER_IN),
    ):
        on = None if part is None else report.day(part, name)
        if on is not None:
            saying.add_day(kind, on)
    if common is not None:
        on = report.day(common, "DateOfLastReport") or saying.at
        report.coded(common, "PatientPregnancyStatusCode", Kind.PREGNANCY, on, f"pregnancy:{on.date()}")
    if questions is not None:
        _take_ends(questions, report)


def _take_ends(questions: Part, report: Report) -> None:
    """Take ends of care, true of their dates, or where none is told of the day they became known."""
    saying = report.saying
    for mark, date, concept in (
        ("PatientTransferredOut", "TransferredOutDate", TERMINATION_TRANSFERRED_OUT),
        ("StoppedTreatment", "DateStoppedTreatment", TERMINATION_STOPPED),
        ("PatientHasDied", "DeathDate", TERMINATION_DIED),
    ):
        if not questions.text(mark) or flag(questions.text(mark)) is None:
            continue
        is_so = bool(flag(questions.text(mark)))
        on = report.day(questions, date) or saying.at
        saying.add(Kind.TERMINATION, on, f"termination:{concept}", value=float(concept), is_retracted=not is_so)
        if concept == TERMINATION_DIED:
            saying.add_death(on if is_so else None)


def _take_encounter(encounter: Part, report: Report) -> None:
    on = report.day(encounter, "VisitDate")
    if on is None:
        report.saying.caveats.append("an encounter has no day")
        return
    named = encounter.text("VisitID") or on.date().isoformat()

    def named_as(what: str) -> str:
        return report.saying.named(what, named)

    report.saying.add(Kind.VISIT, on, named_as("visit"))
    for name, kind in (
        ("FunctionalStatus", Kind.FUNCTIONAL_STATUS),
        ("WHOClinicalStage", Kind.WHO_STAGE),
        ("TBStatus", Kind.TB_STATUS),
    ):
        report.coded(encounter, name, kind, on, named_as(kind.name))
    adherence = encounter.first("ARVDrugAdherence") or encounter.first("ARVAdherence")
    name = "Code" if adherence is not None and adherence.text("Code") else "ARVDrugAdherence"
    report.coded(adherence if adherence is not None and name == "Code" else encounter, name, Kind.ADHERENCE, on,
                 named_as("ADHERENCE"))  # fmt: skip
    report.measured(Kind.WEIGHT_KG, encounter.text("Weight"), _WEIGHT_KG, on, named_as("weight"))
    report.measured(Kind.HEIGHT_CM, encounter.text("ChildHeight"), _HEIGHT_CM, on, named_as("height"))
    systolic, _, diastolic = encounter.text("BloodPressure").partition("/")
    report.measured(Kind.SYSTOLIC_MMHG, systolic, _SYSTOLIC, on, named_as("systolic"))
    report.measured(Kind.DIASTOLIC_MMHG, diastolic, _DIASTOLIC, on, named_as("diastolic"))
    report.measured(Kind.CD4, encounter.text("CD4"), _CD4, report.day(encounter, "CD4TestDate") or on, named_as("cd4"))
    expected = report.any_day(encounter, "NextAppointmentDate")
    if expected is not None:
        report.saying.add(Kind.APPOINTMENT, on, named_as("appointment"), value=float(day_number(expected)))


def _take_regimens(regimens: list[Part], report: Report) -> None:
    """Take the pick-ups: one a day, with the longest supply of that day."""
    supplies: dict[datetime, float] = {}
    for regimen in regimens:
        agents = agents_in(regimen.first("PrescribedRegimen"))
        if not is_treatment(agents):
            if agents:
                report.saying.caveats.append("one or two drugs alone may be for prevention: no pick-up")
            continue
        on = report.day(regimen, "PrescribedRegimenDispensedDate", "VisitDate")
        if on is None:
            report.saying.caveats.append("a regimen has no day of dispensing: no pick-up")
            continue
        supplies[on] = max(supplies.get(on, 0.0), _supply(regimen, report))
        _take_regimen(regimen, agents, on, report)
    for on, days in supplies.items():
        report.saying.add(Kind.PICKUP, on, f"pickup:{on.date().isoformat()}", value=days or NO_VALUE)


def _take_regimen(regimen: Part, agents: frozenset[str], on: datetime, report: Report) -> None:
    named, concept = on.date().isoformat(), regimen_of(agents)
    if concept is not None:
        report.saying.add(Kind.REGIMEN, on, f"regimen:{named}", value=float(concept))
    for name, reason in (("SubstitutionIndicator", _SUBSTITUTION), ("SwitchIndicator", _SWITCH)):
        if regimen.text(name) and flag(regimen.text(name)):
            report.saying.add(Kind.PICKUP_REASON, on, f"reason:{named}", value=reason)


def _supply(regimen: Part, report: Report) -> float:
    written = regimen.text("PrescribedRegimenDuration")
    days = number(written)
    if days is not None and is_valid_supply(days):
        return days
    if written and days != 0:
        report.saying.caveats.append("days supplied are not credible: left out")
    return 0.0


def _take_laboratory(laboratory: Part, report: Report) -> None:
    on = report.day(laboratory, "CollectionDate", "VisitDate")
    for order in laboratory.all("LaboratoryOrderAndResult"):
        kind = result_kind(order.first("LaboratoryResultedTest"))
        if kind is None:
            continue
        taken = on or report.day(order, "OrderedTestDate")
        if taken is None:
            report.saying.caveats.append("a result has no day")
            continue
        reported = report.day(order, "ResultedTestDate")
        value = _value(order)
        bounds = _VIRAL_LOAD if kind is Kind.VIRAL_LOAD else _CD4
        if value is None or not bounds[0] <= value <= bounds[1]:
            report.saying.caveats.append("a result cannot be read")
            continue
        named = report.saying.named(kind.name, taken.date().isoformat(), laboratory.text("VisitID"))
        known = None if reported is None else max(report.saying.at, reported)
        report.saying.add(kind, taken, named, value=value, known=known)


def _value(order: Part) -> float | None:
    """Return a result, however it is told: a number with or without a comparator, or a text."""
    numeric = order.first("LaboratoryResult", "AnswerNumeric")
    if numeric is None:
        told = order.text("LaboratoryResult", "AnswerText")
    else:
        told = _COMPARATORS.get(numeric.text("ComparatorCode").upper(), "") + numeric.text("Value1")
    plain = number(told)
    return viral_load_told(told) if plain is None else plain


_COMPARATORS: Final = {"LT": "<", "<": "<", "LE": "<", "GT": ">", ">": ">", "GE": ">"}
