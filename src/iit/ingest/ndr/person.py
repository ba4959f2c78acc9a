"""PatientDemographics: who it is, and what is told of the person."""

from typing import Final

from iit.domain.errors import InvalidInput
from iit.domain.vocabulary import Kind
from iit.ingest.hl7.reading import NO_VALUE, Identifier
from iit.ingest.ndr.parse import Part
from iit.ingest.ndr.reading import Report
from iit.ingest.nmrs.scalars import flag
from iit.ingest.statement import HOSPITAL_NUMBER, identifier

_SEXES: Final = {"M": 1.0, "F": 2.0}
_TYPES: Final = {"HN": HOSPITAL_NUMBER, "PN": "ART"}


def identifiers_of(person: Part, report: Part, facility: str) -> tuple[Identifier, ...]:
    """Return the identifiers of a person, the surest first.

    Raises:
        InvalidInput: there is none.
    """
    told = [identifier(person.text("PatientIdentifier"), facility, "NDR")]
    others = person.first("OtherPatientIdentifiers")
    for one in others.all("Identifier") if others is not None else ():
        kind = one.text("IDTypeCode").upper()
        told.append(identifier(one.text("IDNumber"), facility, _TYPES.get(kind, kind)))
    for condition in report.all("Condition"):
        told.append(identifier(condition.text("CommonQuestions", "HospitalNumber"), facility, HOSPITAL_NUMBER))
    found = tuple(dict.fromkeys(one for one in told if one is not None))
    if not found:
        raise InvalidInput("is missing", place="PatientDemographics.PatientIdentifier")
    return found


def take_person(person: Part, report: Report) -> None:
    """Take what is told of the person."""
    saying = report.saying
    born = report.day(person, "PatientDateOfBirth")
    if born is not None:
        saying.add_person(Kind.BIRTH, NO_VALUE, occurred=born)
    sex = _SEXES.get(person.text("PatientSexCode").upper())
    if sex is not None:
        saying.add_person(Kind.SEX, sex)
    for name, kind in (
        ("PatientMaritalStatusCode", Kind.MARITAL_STATUS),
        ("PatientEducationLevelCode", Kind.EDUCATION),
        ("PatientOccupationCode", Kind.OCCUPATION),
    ):
        report.coded(person, name, kind, saying.at, f"once:{kind.name}")
    is_dead = flag(person.text("PatientDeceasedIndicator")) if person.text("PatientDeceasedIndicator") else None
    if is_dead is not None:
        saying.add_death((report.day(person, "PatientDeceasedDate") or saying.at) if is_dead else None)
