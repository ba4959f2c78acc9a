"""The shape of an NMRS document, and decoding it.

Every block may be a list, a single row, null or missing; every field any scalar; fields that are not named here are
skipped unread. Fields of people (names, phone, address, templates) are not declared, except whether a phone exists.
"""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from iit.domain.errors import InvalidInput
from iit.ingest.nmrs.scalars import Scalar, is_blank


class Row(msgspec.Struct, rename="camel", gc=False):
    """What all rows of a document share."""

    patient_uuid: Scalar = None
    voided: Scalar = None
    date_created: Scalar = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Visit(Row):
    """One visit; encounters lie inside it."""

    visit_id: Scalar = None
    visit_uuid: Scalar = None


class Encounter(Row):
    """One form filled in for a patient."""

    encounter_id: Scalar = None
    encounter_uuid: Scalar = None
    encounter_type_id: Scalar = None
    encounter_type: Scalar = None
    form_id: Scalar = None
    pmm_form: Scalar = None
    encounter_datetime: Scalar = None
    date_changed: Scalar = None
    visit_id: Scalar = None
    visit_uuid: Scalar = None


class Obs(Row):
    """One answer on a form."""

    obs_uuid: Scalar = None
    obs_id: Scalar = None
    concept_id: Scalar = None
    encounter_id: Scalar = None
    form_id: Scalar = None
    pmm_form: Scalar = None
    encounter_type: Scalar = None
    obs_datetime: Scalar = None
    obs_group_id: Scalar = None
    value_coded: Scalar = None
    value_datetime: Scalar = None
    value_numeric: Scalar = None
    value_text: Scalar = None
    variable_name: Scalar = None
    variable_value: Scalar = None
    encounter_uuid: Scalar = None
    visit_uuid: Scalar = None
    datatype: Scalar = None


class Identifier(Row):
    """One number the patient is known by; only its type is read."""

    identifier_type: Scalar = None


class Program(Row):
    """One enrolment in a programme."""

    patient_program_id: Scalar = None
    patient_program_uuid: Scalar = None
    program_id: Scalar = None
    program_name: Scalar = None
    date_enrolled: Scalar = None


class Demographics(Row):
    """The person."""

    gender: Scalar = None
    birthdate: Scalar = None
    dead: Scalar = None
    death_date: Scalar = None
    date_changed: Scalar = None
    phone_number: Scalar | UnsetType = UNSET
    city_village: Scalar = None
    state_province: Scalar = None
    datim_id: Scalar = None


class Header(msgspec.Struct, rename="camel", gc=False):
    """Who sent the document, and when."""

    message_creation_date_time: Scalar = None
    message_unique_id: Scalar = msgspec.field(default=None, name="messageUniqueID")
    facility_datim_code: Scalar = None
    facility_name: Scalar = None

    def __repr__(self) -> str:
        return "Header()"


class Data(msgspec.Struct, rename="camel"):
    """The blocks of a document."""

    demographics: list[Demographics | None] | Demographics | Scalar = None
    visits: list[Visit | None] | Visit | Scalar = None
    encounters: list[Encounter | None] | Encounter | Scalar = None
    obs: list[Obs | None] | Obs | Scalar = None
    patient_identifiers: list[Identifier | None] | Identifier | Scalar = None
    patient_programs: list[Program | None] | Program | Scalar = None

    def __repr__(self) -> str:
        return "Data()"


class Document(msgspec.Struct, rename="camel"):
    """A patient's whole export."""

    message_data: Data | Scalar = None
    message_header: Header | Scalar = None
    other_header: Header | Scalar = msgspec.field(default=None, name="message_header")

    def __repr__(self) -> str:
        return "Document()"


RowT = TypeVar("RowT", bound=Row)
_DECODER: Final = msgspec.json.Decoder(Document)
_SHAPES: Final = (Document, Data, Header, Demographics, Visit, Encounter, Obs, Identifier, Program)
_NAMES: Final = {name.lower(): name for shape in _SHAPES for name in shape.__struct_encode_fields__ if "_" not in name}
_DEPTH: Final = 4  # document, data, block, row
_ROW_KEYS: Final = {"encounters": ("encounter_uuid", "encounter_id"), "obs": ("concept_id", "variable_name")}


def decode(data: bytes | memoryview) -> Document:
    """Return the document in UTF-8 JSON bytes; a byte order mark is allowed.

    Raises:
        InvalidInput: the bytes are not UTF-8, not JSON, nested too deeply or not of a document's shape.
    """
    if bytes(data[:3]) == b"\xef\xbb\xbf":
        data = data[3:]
    return _guarded(lambda: _decode(data))


def convert(value: object) -> Document:
    """Return the document in an already decoded JSON value. Raises as `decode` does."""
    return _guarded(lambda: _convert(value))


def rows(block: list[RowT | None] | RowT | Scalar) -> list[tuple[int, RowT]]:
    """Return the rows of a block with their places in it, whether it is a list, one row or nothing."""
    if isinstance(block, list):
        return [(index, row) for index, row in enumerate(block) if row is not None]
    return [(0, block)] if isinstance(block, Row) else []


def _decode(data: bytes | memoryview) -> Document:
    str(data, "utf-8")  # the decoder does not look into what it skips
    document = _DECODER.decode(data)
    return document if _is_usual(document) else _convert(msgspec.json.decode(data))


def _convert(value: object) -> Document:
    if not isinstance(value, dict):
        raise InvalidInput("expected one document, an object with messageData")
    document = msgspec.convert(value, Document)
    return document if _is_usual(document) else msgspec.convert(_renamed(value, _DEPTH), Document)


def _is_usual(document: Document) -> bool:
    """Tell whether the keys are spelled as NMRS does: by the patient's id and the first row of each large block."""
    data = document.message_data
    if not isinstance(data, Data) or document.other_header is not None:
        return False
    people = rows(data.demographics)
    if not people or is_blank(people[0][1].patient_uuid):
        return False
    for block, names in _ROW_KEYS.items():
        found = rows(getattr(data, block))
        if found and all(getattr(found[0][1], name) is None for name in names):
            return False
    return True


def _renamed(value: Any, depth: int) -> Any:
    """Return the value with snake_case and oddly capitalised keys spelled as NMRS does; exact spellings win."""
    if depth == 0:
        return value
    if isinstance(value, list):
        return [_renamed(item, depth) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {}
    for key, item in value.items():
        name = _NAMES.get(key.replace("_", "").lower(), key) if isinstance(key, str) else key
        if name == key or name not in value:
            renamed[name] = _renamed(item, depth - 1)
    return renamed


def _guarded(read: Callable[[], Document]) -> Document:
    try:
        return read()
    except UnicodeDecodeError as cause:
        raise InvalidInput("the text is not UTF-8") from cause
    except RecursionError as cause:
        raise InvalidInput("the document is nested too deeply") from cause
    except msgspec.ValidationError as cause:
        raise _misfit(str(cause)) from None
    except (msgspec.DecodeError, ValueError) as cause:
        raise InvalidInput("the document is not valid JSON") from cause


def _misfit(message: str) -> InvalidInput:
    """Keep of a decoder's message only what it expected and where: the rest might show a value."""
    found = re.fullmatch(r"(?s)Expected `([a-z| ]+)`.*?(?: - at `\$\.?([\w.\[\]]*)`)?", message)
    if found is None:
        return InvalidInput("a value cannot be read")
    return InvalidInput(f"expected {found[1].replace(' |', ',')}", place=found[2] or None)
