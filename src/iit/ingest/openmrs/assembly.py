"""From the rows of a patient to the document that NMRS would export of them. Knows no database."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from iit.ingest.nmrs.document import Data, Demographics, Document, Encounter, Header, Identifier, Obs, Program
from iit.ingest.nmrs.scalars import Scalar
from iit.ingest.openmrs.dictionary import Dictionary

Cells = tuple[Any, ...]
_THERE_IS_ONE: Final = "there is one"


@dataclass(slots=True, repr=False)
class Tables:
    """Rows of some patients, each as the statement of its name in `statements` tells them."""

    persons: Iterable[Cells] = ()
    places: Iterable[Cells] = ()
    phones: Iterable[Cells] = ()
    identifier_types: Iterable[Cells] = ()
    programs: Iterable[Cells] = ()
    encounters: Iterable[Cells] = ()
    obs: Iterable[Cells] = ()


@dataclass(slots=True, repr=False)
class _Chart:
    encounters: list[Encounter | None] = field(default_factory=list)
    obs: list[Obs | None] = field(default_factory=list)
    identifiers: list[Identifier | None] = field(default_factory=list)
    programs: list[Program | None] = field(default_factory=list)


def assemble(tables: Tables, words: Dictionary, *, read_at: datetime) -> list[Document]:
    """Return the documents of the patients among the persons, in their order.

    Times of day are left out, as NMRS leaves them out: a day's facts are in the order of their rows' numbers.

    Args:
        tables: rows of the patients.
        words: the site's own tables.
        read_at: when the rows were read, in the facility's time zone; the time of export.
    """
    charts: defaultdict[int, _Chart] = defaultdict(_Chart)
    for patient, kind in tables.identifier_types:
        charts[patient].identifiers.append(Identifier(identifier_type=kind))
    for patient, number, uuid, program, enrolled, created in tables.programs:
        row = Program(patient_program_id=number, patient_program_uuid=uuid, program_id=program)
        row.date_enrolled, row.date_created = _day(enrolled), _day(created)
        charts[patient].programs.append(row)
    _fill(charts, tables, words)
    places = {patient: (city, state) for patient, city, state in tables.places}
    phones = {patient for (patient,) in tables.phones}
    header = Header(
        message_creation_date_time=f"{read_at:%Y-%m-%d %H:%M:%S}", facility_datim_code=words.facility,
        facility_name=words.facility_name,
    )  # fmt: skip
    return [
        _document(row, charts[row[0]], (*places.get(row[0], (None, None)), row[0] in phones), header)
        for row in tables.persons
    ]


def _fill(charts: defaultdict[int, _Chart], tables: Tables, words: Dictionary) -> None:
    forms: dict[int, Encounter] = {}
    for patient, number, uuid, kind, form, at, created, voided in tables.encounters:
        row = forms[number] = Encounter(
            encounter_id=number, encounter_uuid=uuid, encounter_type_id=kind, form_id=form,
            pmm_form=words.forms.get(form), encounter_datetime=_day(at), date_created=_day(created), voided=voided,
        )  # fmt: skip
        charts[patient].encounters.append(row)
    nowhere = Encounter()
    for cells in tables.obs:
        charts[cells[0]].obs.append(_answer(cells, forms.get(cells[4], nowhere), words))


def _answer(cells: Cells, form: Encounter, words: Dictionary) -> Obs:
    (_, number, uuid, concept, encounter, at, group, coded, moment, numeric, told, created) = cells
    return Obs(
        obs_id=number, obs_uuid=uuid, concept_id=concept, encounter_id=encounter, encounter_uuid=form.encounter_uuid,
        form_id=form.form_id, pmm_form=form.pmm_form, encounter_type=form.encounter_type_id, obs_datetime=_day(at),
        obs_group_id=group, value_coded=coded, value_datetime=_day(moment), value_numeric=numeric, value_text=told,
        variable_name=words.names.get(concept), variable_value=_shown(coded, moment, numeric, told, words),
        date_created=_day(created), datatype=words.datatypes.get(concept),
    )  # fmt: skip


def _shown(coded: int | None, moment: str | None, numeric: float | None, told: str | None, words: Dictionary) -> Scalar:
    """Return an answer as NMRS shows it: the date, else the text, else the number, else the name of the answer."""
    if moment is not None:
        return _day(moment)
    if told is not None:
        return told
    if numeric is not None:
        return str(numeric)
    return None if coded is None else words.names.get(coded)


def _document(person: Cells, chart: _Chart, contact: tuple[str | None, str | None, bool], header: Header) -> Document:
    _, uuid, voided, gender, born, dead, died, created, changed = person
    city, state, has_phone = contact
    demographics = Demographics(
        patient_uuid=uuid, voided=voided, gender=gender, birthdate=_day(born), dead=dead, death_date=_day(died),
        date_created=_day(created), date_changed=_day(changed), city_village=city, state_province=state,
        phone_number=_THERE_IS_ONE if has_phone else None, datim_id=header.facility_datim_code,
    )  # fmt: skip
    data = Data(
        demographics=demographics, encounters=chart.encounters, obs=chart.obs, patient_identifiers=chart.identifiers,
        patient_programs=chart.programs,
    )  # fmt: skip
    return Document(message_data=data, message_header=header)


def _day(written: str | None) -> str | None:
    """Return the day of a date as MySQL writes it."""
    return None if written is None else str(written)[:10]
