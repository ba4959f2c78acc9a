"""Rows of an NMRS export, field by field in the order of the exporter.

The exporter writes NULL numbers and ids as 0 and every time of day as midnight; so do these rows.
"""

import msgspec

from iit.domain.record import day_date


class Visit(msgspec.Struct, rename="camel", gc=False):
    """A day at the facility."""

    visit_id: int
    patient_id: int
    location_id: int
    visit_type_id: int
    date_started: str
    date_stopped: str
    creator: int
    date_created: str
    changed_by: int
    date_changed: str | None
    voided: int
    voided_by: int
    date_voided: str | None
    patient_uuid: str
    datim_id: str
    visit_uuid: str


class Encounter(msgspec.Struct, rename="camel", gc=False):
    """A form filled in at a visit."""

    encounter_id: int
    encounter_type_id: int
    patient_id: int
    location_id: int
    form_id: int
    pmm_form: str
    encounter_datetime: str
    creator: int
    date_created: str
    voided: int
    voided_by: int
    date_voided: str | None
    changed_by: int
    date_changed: str | None
    visit_id: int
    patient_uuid: str
    encounter_uuid: str
    datim_id: str
    visit_uuid: str


class Obs(msgspec.Struct, rename="camel", gc=False):
    """An answer on a form."""

    obs_uuid: str
    obs_id: int
    person_id: int
    concept_id: int
    encounter_id: int
    form_id: int
    pmm_form: str
    encounter_type: int
    obs_datetime: str
    location_id: int
    obs_group_id: int
    value_coded: int
    value_datetime: str | None
    value_numeric: float
    value_text: str | None
    creator: int
    date_created: str
    voided: int
    voided_by: int
    date_voided: str | None
    variable_name: str
    variable_value: str | None
    datim_id: str
    patient_uuid: str
    encounter_uuid: str
    visit_uuid: str
    datatype: int


class _Stamps(dict[int, str]):
    """Days since 1970-01-01, written as NMRS writes a date."""

    def __missing__(self, day: int) -> str:
        written = self[day] = f"{day_date(day).isoformat()} 00:00:00"
        return written


STAMPS = _Stamps()
