"""How each form is filled in."""

from math import isnan
from typing import Final

from iit.domain.vocabulary import TERMINATION_LTFU
from iit.synth import concepts as c
from iit.synth.chart import Chart
from iit.synth.persons import Person
from iit.synth.sheets import Sheet
from iit.synth.visits import SupplyFault, Visit

_NO: Final = 1066
_YES: Final = 1065
_MISSED_APPOINTMENT: Final = 165462
_ONCE_DAILY: Final = 160862
_TWICE_DAILY: Final = 160858
_TWICE_DAILY_REGIMENS: Final = frozenset({162561})
_DRUG: Final = {165681: 165631, 165691: 165631, 164505: 75523, 162561: 794, 164512: 159809}
_OI_DAYS: Final = 30.0
_WRONG_DAYS: Final = 300.0


def enrolment(chart: Chart, person: Person, created: int) -> None:
    """Fill in the enrolment form."""
    chart.open(c.ENROLMENT, person.enrolled, created)
    chart.day(160554, person.diagnosed)
    chart.day(159599, person.art_start)
    chart.coded(160540, person.care_entry)
    chart.coded(165242, _YES if person.is_transfer_in else _NO)
    if person.is_transfer_in:
        chart.day(160534, person.enrolled)
    for concept, answer in ((1054, person.marital), (1712, person.education), (1542, person.occupation)):
        if answer is not None:
            chart.coded(concept, answer)


def first_cd4(chart: Chart, person: Person, created: int) -> None:
    """Fill in the laboratory form of the CD4 count at the start, where one was done."""
    if person.cd4 is not None:
        chart.open(c.LABORATORY, person.enrolled, created)
        chart.day(159951, person.enrolled)
        chart.number(5497, person.cd4)


def care_card(chart: Chart, person: Person, sheet: Sheet) -> None:
    """Fill in the care card of a visit."""
    visit, found = sheet.visit, sheet.vitals
    chart.open(c.CARE_CARD, visit.pickup, visit.created)
    chart.number(5089, found.weight_kg)
    if visit.is_new or person.is_child:
        chart.number(5090, found.height_cm)
    if found.has_pressure and not person.is_child:
        chart.number(5085, found.systolic_mmhg)
        chart.number(5086, found.diastolic_mmhg)
    chart.coded(5356, found.who_stage)
    chart.coded(165039, found.functional_status)
    chart.coded(1659, found.tb_status)
    if not visit.is_new:
        chart.coded(165290, visit.adherence)
    if person.sex == "F" and not person.is_child:
        chart.coded(165050, visit.pregnancy)
    for concept, day in (
        (5596, found.expected_delivery),
        (164852, found.tpt_start),
        (166096, found.tpt_stop),
        (5096, visit.appointment),
    ):
        if day:
            chart.day(concept, day)


def pharmacy(chart: Chart, visit: Visit) -> None:
    """Fill in the pharmacy form of a visit, with its faults."""
    chart.open(c.PHARMACY, visit.pickup, visit.created)
    _order(chart, visit)
    if visit.has_oi_drugs:
        group = chart.nothing(165726)
        chart.coded(165727, 165257, group=group)
        chart.number(159368, _OI_DAYS, group=group)


def duplicate_pharmacy(chart: Chart, visit: Visit) -> None:
    """Fill in a second pharmacy form of the same day, with at most the days of the first."""
    chart.open(c.PHARMACY, visit.pickup, visit.created)
    _order(chart, visit._replace(supply=min(30, visit.supply), supply_fault=0, has_voided_answer=False))


def voided_pharmacy(chart: Chart, visit: Visit) -> None:
    """Fill in a pharmacy form by mistake and void it; every other time its answers stay as they were."""
    since = len(chart.obs)
    chart.open(c.PHARMACY, visit.voided_copy, visit.voided_copy, voided=visit.voided_copy)
    _order(chart, visit._replace(supply_fault=0, has_voided_answer=False))
    if visit.voided_copy % 2:
        chart.void_answers(since, visit.voided_copy)


def _order(chart: Chart, visit: Visit) -> None:
    is_child = visit.line in (164507, 164514)
    chart.coded(164181, 164180 if visit.is_new else 160530)
    chart.coded(165774, 165665 if visit.is_substitution else 165662)
    if not visit.is_new:
        chart.coded(165836, visit.missed_doses)
    chart.coded(165720, 1528 if is_child else 165709)
    chart.coded(165708, visit.line)
    chart.coded(visit.line, visit.regimen)
    group = chart.nothing(162240)
    is_twice = visit.regimen in _TWICE_DAILY_REGIMENS
    chart.coded(165724, _DRUG[visit.regimen], group=group)
    chart.coded(165723, _TWICE_DAILY if is_twice else _ONCE_DAILY, group=group)
    if visit.has_voided_answer:
        chart.number(159368, _WRONG_DAYS, group=group, voided=visit.created)
    if visit.supply_fault == SupplyFault.NONE:
        chart.number(159368, visit.supply, group=group)
    elif visit.supply_fault == SupplyFault.DURATION_NULL:
        chart.nothing(159368, group=group)
    if visit.supply_fault != SupplyFault.MISSING:
        chart.number(1443, visit.supply * (2 if is_twice else 1), group=group)


def viral_load(chart: Chart, sheet: Sheet) -> None:
    """Fill in the laboratory form of a viral load; the result is typed in when it comes back, if it does."""
    visit, result = sheet.visit, sheet.result
    if isnan(result.copies_ml):
        return
    chart.open(c.LABORATORY, visit.pickup, visit.created)
    chart.day(164989, visit.pickup)
    chart.day(159951, visit.pickup)
    if result.created:
        chart.typed_later(result.created)
        chart.number(856, result.copies_ml)
        chart.day(165414, result.reported)


def sick_visit(chart: Chart, sheet: Sheet) -> None:
    """Fill in the care card of a visit without a pick-up."""
    day = sheet.visit.sick_visit
    chart.open(c.CARE_CARD, day, day)
    chart.number(5089, sheet.vitals.weight_kg - 0.5)
    chart.coded(165039, 162750)
    chart.coded(1659, sheet.vitals.tb_status)


def tracking(chart: Chart, sheet: Sheet) -> None:
    """Fill in the tracking form of an attempt to reach the patient."""
    visit, traced = sheet.visit, sheet.tracing
    chart.open(c.TRACKING, traced.attempted, traced.attempted)
    chart.coded(165460, _MISSED_APPOINTMENT)
    chart.day(165778, visit.appointment)
    chart.day(165461, visit.pickup)
    group = chart.nothing(165902)
    chart.day(165463, traced.attempted, group=group)
    chart.coded(165465, traced.mode, group=group)
    if traced.is_contacted:
        chart.coded(165467, traced.reason, group=group)
    chart.coded(165586, _NO)
    if traced.returned:
        chart.typed_later(traced.returned)
        chart.day(165775, traced.returned)


def closing(chart: Chart, sheet: Sheet) -> None:
    """Fill in the termination of a file as lost to follow-up."""
    _termination(chart, sheet.tracing.closed, sheet.tracing.closed, TERMINATION_LTFU)


def departure(chart: Chart, sheet: Sheet) -> None:
    """Fill in the termination by death, transfer or stop."""
    _termination(chart, sheet.departure.documented, sheet.departure.day, sheet.departure.reason)


def _termination(chart: Chart, documented: int, day: int, reason: int) -> None:
    chart.open(c.TRACKING, documented, documented)
    chart.coded(165586, _YES)
    chart.day(165469, day)
    chart.coded(165470, reason)
