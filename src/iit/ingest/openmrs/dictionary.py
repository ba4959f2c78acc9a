"""What is the same for all patients of a site: its questions, forms, and which of its attributes is a telephone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from iit.domain.errors import InvalidInput
from iit.ingest.nmrs.concepts import Part, concept_known
from iit.ingest.nmrs.scalars import identity, normal, text
from iit.ingest.openmrs import statements
from iit.ingest.openmrs.snapshot import Snapshot

TELEPHONES: Final = frozenset({
    "phone", "telephone", "phonenumber", "telephonenumber", "telephonecontact", "mobilenumber", "mobilephonenumber",
    "contactphonenumber", "patientphonenumber", "patienttelephonenumber",
})  # fmt: skip


@dataclass(frozen=True, repr=False)
class Dictionary:
    """A site's own tables of meanings.

    Attributes:
        facility: code of the facility whose patients these are.
        facility_name: its name, if told.
        names: English name by concept id, of questions and answers.
        datatypes: how a question is answered, by concept id.
        forms: name by form id.
        questions: concept ids of the questions that mean something to us.
        telephones: those of them whose answer is a telephone number.
        phone_types: types of attribute that hold one.
    """

    facility: str
    facility_name: str | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    datatypes: Mapping[int, int] = field(default_factory=dict)
    forms: Mapping[int, str] = field(default_factory=dict)
    questions: frozenset[int] = frozenset()
    telephones: frozenset[int] = frozenset()
    phone_types: frozenset[int] = frozenset()


def read_dictionary(view: Snapshot, *, facility: str | None) -> Dictionary:
    """Return a site's tables.

    Args:
        view: of the database.
        facility: code of the facility; without one it is that of NMRS' own setting `facility_datim_code`.

    Raises:
        InvalidInput: no facility is told.
    """
    code, name = (facility, None) if facility is not None else _told_facility(view)
    names: dict[int, str] = dict(view.rows(statements.CONCEPT_NAMES))
    datatypes: dict[int, int] = dict(view.rows(statements.DATATYPES))
    known = {number: concept_known(number, names.get(number, "")) for number in datatypes}
    questions = {number: concept for number, concept in known.items() if concept is not None}
    types = view.rows(statements.PHONE_TYPES)
    return Dictionary(
        facility=code,
        facility_name=name,
        names=names,
        datatypes=datatypes,
        forms=dict(view.rows(statements.FORMS)),
        questions=frozenset(questions),
        telephones=frozenset(number for number, concept in questions.items() if concept.part is Part.PHONE),
        phone_types=frozenset(number for number, told in types if normal(str(told)) in TELEPHONES),
    )


def _told_facility(view: Snapshot) -> tuple[str, str | None]:
    told = {str(name).lower(): value for name, value in view.rows(statements.FACILITY)}
    code = identity(told.get("facility_datim_code"))
    if code is None:
        raise InvalidInput(
            "the database does not tell its facility's code: set IIT_OPENMRS_FACILITY", place="facility_datim_code"
        )
    return code, text(told.get("facility_name"))
