"""A patient's chart while it is being filled in: visits, forms and answers with their numbers and ids."""

from hashlib import shake_128
from typing import Final

from iit.synth.concepts import ANSWERS, CONCEPTS, Form
from iit.synth.rows import STAMPS, Encounter, Obs, Visit

CLERK: Final = 12
VISIT_TYPE: Final = 1
_ENCOUNTERS_A_PATIENT: Final = 1_000  # numbers kept free for each patient: ids never meet within a facility
_OBS_A_PATIENT: Final = 10_000
_UUIDS_AT_ONCE: Final = 512


class Uuids:
    """An endless row of UUIDs (the layout of version 5) that depends on a text only."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._part = 0
        self._digits = ""
        self._at = 0

    def next(self) -> str:
        """Return the next one."""
        if self._at == len(self._digits):
            seed = f"{self._text}/{self._part}".encode()
            self._digits, self._at, self._part = shake_128(seed).hexdigest(16 * _UUIDS_AT_ONCE), 0, self._part + 1
        at, digits = self._at, self._digits
        self._at = at + 32
        return (
            f"{digits[at : at + 8]}-{digits[at + 8 : at + 12]}-5{digits[at + 13 : at + 16]}"
            f"-a{digits[at + 17 : at + 20]}-{digits[at + 20 : at + 32]}"
        )


class Chart:
    """What has been written down of one patient so far.

    Rows get rising numbers in the order in which they are written.

    Attributes:
        touched: last day on which anything was typed in, days since 1970-01-01.
    """

    def __init__(self, *, patient_id: int, patient_uuid: str, datim: str, location_id: int) -> None:
        self.patient_id = patient_id
        self.patient_uuid = patient_uuid
        self.datim = datim
        self.location_id = location_id
        self.uuids = Uuids(patient_uuid)
        self.visits: list[Visit] = []
        self.encounters: list[Encounter] = []
        self.obs: list[Obs] = []
        self.touched = 0
        self._visit_of_day: dict[int, Visit] = {}
        self._first_obs_id = patient_id * _OBS_A_PATIENT + 1

    def open(self, form: Form, day: int, created: int, *, voided: int = 0) -> None:
        """Begin a form that is about a day and typed in on another; `voided` is the day it was voided, or 0."""
        self.touched = max(self.touched, created, voided)
        visit = self._visit_of_day.get(day) or self._begin_visit(day, created)
        self._created = STAMPS[created]
        self._encounter = Encounter(
            encounter_id=self.patient_id * _ENCOUNTERS_A_PATIENT + len(self.encounters) + 1,
            encounter_type_id=form.encounter_type,
            patient_id=self.patient_id,
            location_id=self.location_id,
            form_id=form.form_id,
            pmm_form=form.name,
            encounter_datetime=STAMPS[day],
            creator=CLERK,
            date_created=self._created,
            voided=int(voided > 0),
            voided_by=CLERK if voided else 0,
            date_voided=STAMPS[voided] if voided else None,
            changed_by=0,
            date_changed=None,
            visit_id=visit.visit_id,
            patient_uuid=self.patient_uuid,
            encounter_uuid=self.uuids.next(),
            datim_id=self.datim,
            visit_uuid=visit.visit_uuid,
        )
        self.encounters.append(self._encounter)

    def typed_later(self, created: int) -> None:
        """Let the answers that follow on the open form be typed in on a later day."""
        self.touched = max(self.touched, created)
        self._created = STAMPS[created]

    def coded(self, concept: int, answer: int, *, group: int = 0, voided: int = 0) -> None:
        """Write a coded answer."""
        row = self._add(concept, group, voided)
        row.value_coded = answer
        row.variable_value = ANSWERS[answer]

    def number(self, concept: int, value: float, *, group: int = 0, voided: int = 0) -> None:
        """Write a number."""
        row = self._add(concept, group, voided)
        row.value_numeric = float(value)
        row.variable_value = str(float(value))

    def day(self, concept: int, day: int, *, group: int = 0) -> None:
        """Write a date."""
        row = self._add(concept, group, 0)
        row.value_datetime = row.variable_value = STAMPS[day]

    def nothing(self, concept: int, *, group: int = 0) -> int:
        """Write a question whose answer is NULL, or the head of a group; return its number."""
        return self._add(concept, group, 0).obs_id

    def void_answers(self, since: int, day: int) -> None:
        """Void all answers from place `since` on."""
        for row in self.obs[since:]:
            row.voided, row.voided_by, row.date_voided = 1, CLERK, STAMPS[day]

    def _begin_visit(self, day: int, created: int) -> Visit:
        visit = self._visit_of_day[day] = Visit(
            visit_id=self.patient_id * _ENCOUNTERS_A_PATIENT + len(self.visits) + 1,
            patient_id=self.patient_id,
            location_id=self.location_id,
            visit_type_id=VISIT_TYPE,
            date_started=STAMPS[day],
            date_stopped=STAMPS[day],
            creator=CLERK,
            date_created=STAMPS[created],
            changed_by=0,
            date_changed=None,
            voided=0,
            voided_by=0,
            date_voided=None,
            patient_uuid=self.patient_uuid,
            datim_id=self.datim,
            visit_uuid=self.uuids.next(),
        )
        self.visits.append(visit)
        return visit

    def _add(self, concept: int, group: int, voided: int) -> Obs:
        encounter = self._encounter
        name, datatype = CONCEPTS[concept]
        row = Obs(
            obs_uuid=self.uuids.next(),
            obs_id=self._first_obs_id + len(self.obs),
            person_id=self.patient_id,
            concept_id=concept,
            encounter_id=encounter.encounter_id,
            form_id=encounter.form_id,
            pmm_form=encounter.pmm_form,
            encounter_type=encounter.encounter_type_id,
            obs_datetime=encounter.encounter_datetime,
            location_id=self.location_id,
            obs_group_id=group,
            value_coded=0,
            value_datetime=None,
            value_numeric=0.0,
            value_text=None,
            creator=CLERK,
            date_created=self._created,
            voided=int(voided > 0),
            voided_by=CLERK if voided else 0,
            date_voided=STAMPS[voided] if voided else None,
            variable_name=name,
            variable_value=None,
            datim_id=self.datim,
            patient_uuid=self.patient_uuid,
            encounter_uuid=encounter.encounter_uuid,
            visit_uuid=encounter.visit_uuid,
            datatype=datatype,
        )
        self.obs.append(row)
        return row
