"""From what the REST interface answers about a patient to the document that NMRS would export. Knows no network.

The interface tells no numbers, only UUIDs: those of the CIEL dictionary hold the concept's number (`5096AAAA…`), other
concepts, forms and types of identifiers are known by their names. Rows are numbered here in the order in which they
were made, as a database numbers them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from iit.ingest.nmrs.document import Data, Demographics, Document, Encounter, Header, Identifier, Obs, Program
from iit.ingest.nmrs.person import ART_NUMBER, HIV_PROGRAM
from iit.ingest.nmrs.scalars import Scalar, normal
from iit.ingest.openmrs.dictionary import TELEPHONES

Json = Mapping[str, Any]

_CIEL: Final = re.compile(r"(\d{1,8})A{8,}")
_DATATYPES: Final = {"numeric": 1, "coded": 2, "text": 3, "na": 4, "date": 6, "time": 7, "datetime": 8, "boolean": 10}
_IDENTIFIERS: Final = {
    "pepfarid": ART_NUMBER, "artnumber": ART_NUMBER, "exposedinfantid": 7, "exposedinfantnumber": 7, "pepid": 9,
    "pepnumber": 9,
}  # fmt: skip
_NUMERIC, _DATES = 1, (6, 7, 8)


class Answers(NamedTuple):
    """What the interface answers about one patient."""

    patient: Json
    encounters: Sequence[Json] = ()
    programs: Sequence[Json] = ()

    def __repr__(self) -> str:
        return "Answers()"


class Value(NamedTuple):
    """An answer in the columns of a row."""

    coded: int | None = None
    moment: str | None = None
    numeric: float | None = None
    text: str | None = None
    shown: Scalar = None

    def __repr__(self) -> str:
        return "Value()"


def document_of(told: Answers, *, facility: str, read_at: datetime) -> Document:
    """Return the document of a patient.

    Args:
        told: the answers.
        facility: code of the facility.
        read_at: when they were asked for, in the facility's time zone.
    """
    forms = [(form, _encounter(form, number)) for number, form in enumerate(_by_age(told.encounters), 1)]
    nested = [(one, group, form) for one_form, form in forms for one, group in _flat(one_form.get("obs"), None)]
    numbers = {one["uuid"]: number for number, one in enumerate(_by_age([one for one, _, _ in nested]), 1)}
    data = Data(
        demographics=_person(told.patient, facility),
        encounters=[form for _, form in forms],
        obs=[_obs(one, numbers, group, form) for one, group, form in nested],
        patient_identifiers=[_identifier(one) for one in told.patient.get("identifiers") or ()],
        patient_programs=[_program(one) for one in told.programs],
    )
    written = f"{read_at:%Y-%m-%d %H:%M:%S}"
    return Document(
        message_data=data, message_header=Header(message_creation_date_time=written, facility_datim_code=facility)
    )


def _person(patient: Json, facility: str) -> Demographics:
    person = patient.get("person") or {}
    place = person.get("preferredAddress") or {}
    attributes = [one for one in person.get("attributes") or () if not one.get("voided")]
    audit = person.get("auditInfo") or {}
    has_phone = any(normal(_display(one.get("attributeType"))) in TELEPHONES for one in attributes)
    return Demographics(
        patient_uuid=patient.get("uuid"), voided=patient.get("voided"), gender=person.get("gender"),
        birthdate=_day(person.get("birthdate")), dead=person.get("dead"), death_date=_day(person.get("deathDate")),
        date_created=_day(audit.get("dateCreated")), date_changed=_day(audit.get("dateChanged")),
        city_village=place.get("cityVillage"), state_province=place.get("stateProvince"),
        phone_number="there is one" if has_phone else None, datim_id=facility,
    )  # fmt: skip


def _identifier(one: Json) -> Identifier:
    kind = _IDENTIFIERS.get(normal(_display(one.get("identifierType"))))
    return Identifier(identifier_type=kind, voided=one.get("voided"))


def _program(one: Json) -> Program:
    name = _display(one.get("program"))
    row = Program(patient_program_uuid=one.get("uuid"), program_name=name, voided=one.get("voided"))
    row.program_id = HIV_PROGRAM if normal(name) in ("hiv", "hivprogram") else None
    row.date_enrolled, row.date_created = _day(one.get("dateEnrolled")), _made(one)
    return row


def _encounter(one: Json, number: int) -> Encounter:
    visit = one.get("visit") or {}
    return Encounter(
        encounter_id=number, encounter_uuid=one.get("uuid"), encounter_type=_display(one.get("encounterType")),
        pmm_form=_display(one.get("form")), encounter_datetime=_day(one.get("encounterDatetime")),
        date_created=_made(one), voided=bool(one.get("voided") or visit.get("voided")),
    )  # fmt: skip


def _flat(rows: Sequence[Json] | None, group: str | None) -> Iterator[tuple[Json, str | None]]:
    """Yield answers and members of groups that stand, each with the UUID of its group."""
    for one in rows or ():
        if not one.get("voided"):
            yield one, group
            yield from _flat(one.get("groupMembers"), one["uuid"])


def _obs(one: Json, numbers: Mapping[str, int], group: str | None, form: Encounter) -> Obs:
    concept = one.get("concept") or {}
    datatype = _DATATYPES.get(normal(_display(concept.get("datatype"))))
    value = _value(one.get("value"), datatype)
    return Obs(
        obs_id=numbers[one["uuid"]], obs_uuid=one["uuid"], concept_id=_number(concept), variable_name=_display(concept),
        datatype=datatype, encounter_id=form.encounter_id, encounter_uuid=form.encounter_uuid, pmm_form=form.pmm_form,
        encounter_type=form.encounter_type, obs_datetime=_day(one.get("obsDatetime")), date_created=_made(one),
        obs_group_id=None if group is None else numbers[group], value_coded=value.coded, value_datetime=value.moment,
        value_numeric=value.numeric, value_text=value.text, variable_value=value.shown,
    )  # fmt: skip


def _value(value: Any, datatype: int | None) -> Value:
    if value is None:
        return Value()
    if isinstance(value, Mapping):
        return Value(coded=_number(value), shown=_display(value))
    if datatype in _DATES:
        return Value(moment=_day(value), shown=_day(value))
    if datatype == _NUMERIC and isinstance(value, int | float):
        return Value(numeric=float(value), shown=str(float(value)))
    return Value(shown=value) if isinstance(value, bool) else Value(text=str(value), shown=str(value))


def _number(concept: Json) -> int | None:
    found = _CIEL.fullmatch(str(concept.get("uuid") or ""))
    return None if found is None else int(found[1])


def _by_age(rows: Sequence[Json]) -> list[Json]:
    return sorted(rows, key=lambda one: (str(_made(one, whole=True)), str(one.get("uuid"))))


def _made(one: Json, *, whole: bool = False) -> str | None:
    made = (one.get("auditInfo") or {}).get("dateCreated")
    return str(made) if whole else _day(made)


def _display(one: Any) -> str:
    return str(one.get("display") or one.get("name") or "") if isinstance(one, Mapping) else ""


def _day(written: Any) -> str | None:
    """Return the day of a time as the site writes it, by its own clock."""
    return None if written is None else str(written)[:10]
