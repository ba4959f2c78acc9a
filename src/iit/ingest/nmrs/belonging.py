"""Whose document it is: one patient, one facility, and no row of anybody else."""

from typing import Final

from iit.domain.errors import InvalidInput
from iit.ingest.nmrs.document import Data, Demographics, Header, rows
from iit.ingest.nmrs.person import PLACE
from iit.ingest.nmrs.reading import Reading
from iit.ingest.nmrs.scalars import Scalar, flag, identity, is_blank

_BLOCKS: Final = (
    ("visits", "visits"),
    ("encounters", "encounters"),
    ("obs", "obs"),
    ("patient_identifiers", "patientIdentifiers"),
    ("patient_programs", "patientPrograms"),
)


def only_person(data: Data) -> Demographics:
    """Return the block of the person. Raises InvalidInput where there is none, or several."""
    people = rows(data.demographics)
    if not people:
        raise InvalidInput("the block is missing", place=PLACE)
    if len(people) > 1:
        raise InvalidInput("a document must hold one patient", place=PLACE)
    return people[0][1]


def patient_id(block: Demographics) -> str:
    """Return the patient's UUID. Raises InvalidInput where it is missing or no id."""
    uuid = identity(block.patient_uuid)
    if uuid is None:
        raise InvalidInput("the patient's id is missing or is not one", place=f"{PLACE}.patientUuid")
    return uuid


def facility_code(block: Demographics, header: Header) -> str:
    """Return the facility that the rows are from: its code scopes their numbers. The sender's code comes second.

    Raises:
        InvalidInput: neither block tells a usable code.
    """
    told, place = (block.datim_id, f"{PLACE}.datimId")
    if is_blank(told):
        told, place = header.facility_datim_code, "messageHeader.facilityDatimCode"
    code = identity(told)
    if code is None:
        raise InvalidInput("the facility's code is missing or is not one", place=place)
    return code


def note_disagreement(block: Demographics, header: Header, reading: Reading) -> None:
    """Note where the sender is another facility than the patient's."""
    codes = {str(code).strip() for code in (block.datim_id, header.facility_datim_code) if not is_blank(code)}
    if len(codes) > 1:
        reading.doubt("messageHeader.facilityDatimCode", "the sender is not the patient's facility")


def refuse_strangers(data: Data, patient_uuid: str) -> None:
    """Raise InvalidInput where a row belongs to another patient: no part of such a document can be trusted."""
    usual: set[Scalar] = {patient_uuid, None, ""}
    for block, name in _BLOCKS:
        found = rows(getattr(data, block))
        if {row.patient_uuid for _, row in found} <= usual:
            continue
        for index, row in found:
            told = row.patient_uuid
            if not is_blank(told) and str(told).strip().lower() != patient_uuid.lower():
                place = f"messageData.{name}[{index}].patientUuid"
                raise InvalidInput("a row belongs to another patient", place=place)


def is_voided(block: Demographics) -> bool:
    """Return whether the source has voided the patient. Raises InvalidInput where that is unclear."""
    voided = flag(block.voided)
    if voided is None:
        raise InvalidInput("a mark is neither yes nor no", place=f"{PLACE}.voided")
    return voided
