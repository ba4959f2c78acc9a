"""A patient's document: every form in the order of its day, between header and person."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from iit.synth import forms
from iit.synth.chart import Chart
from iit.synth.persons import Person, demographics, identifiers, programs
from iit.synth.rows import STAMPS
from iit.synth.sheets import Sheet

_ENCODER: Final = msgspec.json.Encoder()
_SCHEMA_VERSION: Final = 1.0
_EXPORTED_AT: Final = "18:00:00"

Filling = tuple[int, int, Callable[[], None]]
"""A form to fill in: its day, its place within the day, and how."""


def document(person: Person, sheets: Sequence[Sheet], until: date) -> bytes:
    """Return the document of one patient as compact JSON.

    Args:
        person: whose.
        sheets: the exported cycles in time, at least one.
        until: day of the export.
    """
    chart, data = filled(person, sheets)
    return _ENCODER.encode({"messageHeader": _header(person, chart, until), "messageData": data})


def filled(person: Person, sheets: Sequence[Sheet]) -> tuple[Chart, dict[str, Any]]:
    """Return a patient's chart with every form filled in, and the blocks of the document."""
    chart = Chart(
        patient_id=person.patient_id,
        patient_uuid=person.patient_uuid,
        datim=person.facility.datim,
        location_id=person.facility.location_id,
    )
    created = sheets[0].visit.created
    fillings = list(_fillings(chart, person, sheets))
    for _, _, fill in sorted(fillings, key=lambda filling: filling[:2]):
        fill()
    died, changed = _death(sheets)
    chart.touched = max(chart.touched, changed)
    data: dict[str, Any] = {
        "demographics": demographics(person, created=created, died=died, changed=changed),
        "visits": chart.visits,
        "encounters": chart.encounters,
        "obs": chart.obs,
        "encounterProviders": [],
        "patientIdentifiers": identifiers(person, (chart.uuids.next(), chart.uuids.next()), created),
        "patientBiometrics": [],
        "patientPrograms": programs(person, chart.uuids.next(), created),
    }
    return chart, data


def file_name(datim: str, patient_uuid: str) -> str:
    """Return the name NMRS gives to a patient's file."""
    return f"{datim}_{patient_uuid}.json"


def _header(person: Person, chart: Chart, until: date) -> dict[str, Any]:
    return {
        "messageStatusCode": "EXPORTED",
        "messageSource": "NMRS",
        "messageCreationDateTime": f"{until.isoformat()} {_EXPORTED_AT}",
        "messageSchemaVersion": _SCHEMA_VERSION,
        "messageUniqueID": chart.uuids.next(),
        "facilityDatimCode": person.facility.datim,
        "facilityName": person.facility.name,
        "fileName": file_name(person.facility.datim, person.patient_uuid),
        "uploadDate": None,
        "processedDate": None,
        "invalid": 0,
        "validationError": None,
        "touchTime": STAMPS[chart.touched],
    }


def _death(sheets: Sequence[Sheet]) -> tuple[int, int]:
    for sheet in sheets:
        if sheet.departure.is_in_person_block:
            return sheet.departure.day, sheet.departure.documented
    return 0, 0


def _fillings(chart: Chart, person: Person, sheets: Sequence[Sheet]) -> Iterator[Filling]:
    created = sheets[0].visit.created
    yield person.enrolled, 0, lambda: forms.enrolment(chart, person, created)
    yield person.enrolled, 1, lambda: forms.first_cd4(chart, person, created)
    for sheet in sheets:
        yield from _visit_forms(chart, person, sheet)
        yield from _later_forms(chart, sheet)


def _visit_forms(chart: Chart, person: Person, sheet: Sheet) -> Iterator[Filling]:
    visit = sheet.visit
    if visit.has_card:
        yield visit.pickup, 2, lambda: forms.care_card(chart, person, sheet)
    yield visit.pickup, 3, lambda: forms.pharmacy(chart, visit)
    yield visit.pickup, 4, lambda: forms.viral_load(chart, sheet)
    if visit.has_duplicate:
        yield visit.pickup, 5, lambda: forms.duplicate_pharmacy(chart, visit)
    if visit.voided_copy:
        yield visit.voided_copy, 6, lambda: forms.voided_pharmacy(chart, visit)


def _later_forms(chart: Chart, sheet: Sheet) -> Iterator[Filling]:
    if sheet.visit.sick_visit:
        yield sheet.visit.sick_visit, 7, lambda: forms.sick_visit(chart, sheet)
    if sheet.tracing.attempted:
        yield sheet.tracing.attempted, 8, lambda: forms.tracking(chart, sheet)
    if sheet.tracing.closed:
        yield sheet.tracing.closed, 9, lambda: forms.closing(chart, sheet)
    if sheet.departure.is_on_form:
        yield sheet.departure.documented, 10, lambda: forms.departure(chart, sheet)
