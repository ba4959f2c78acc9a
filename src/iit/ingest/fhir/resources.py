"""The shape of the resources that are read, and decoding them.

Only elements that say something here are declared; others are skipped unread, names and addresses of people among them.
An element of another JSON type than FHIR gives it is an error with its place.
"""

import re
from typing import Any, Final

import msgspec

from iit.domain.errors import InvalidInput


class Element(msgspec.Struct, rename="camel", gc=False):
    """What all parts of a resource share."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Coding(Element):
    """A code of a system."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Element):
    """What several codes, or a text, say alike."""

    coding: list[Coding] = []
    text: str | None = None


class Identifier(Element):
    """A number that a thing is known by."""

    system: str | None = None
    value: str | None = None
    use: str | None = None


class Reference(Element):
    """Where another resource is."""

    reference: str | None = None
    identifier: Identifier | None = None


class Quantity(Element):
    """A measured amount."""

    value: float | None = None
    comparator: str | None = None
    unit: str | None = None
    code: str | None = None


class Period(Element):
    """From when to when."""

    start: str | None = None
    end: str | None = None


class Meta(Element):
    """What the source's server says of a resource."""

    last_updated: str | None = None
    source: str | None = None


class Resource(Element):
    """What all resources share."""

    resource_type: str = ""
    id: str | None = None
    meta: Meta | None = None
    identifier: list[Identifier] = []
    status: str | None = None
    contained: list[dict[str, Any]] = []


class Address(Element):
    """Where somebody lives, as far as it is kept: town and state."""

    city: str | None = None
    district: str | None = None
    state: str | None = None


class Extension(Element):
    """More than an element tells itself."""

    url: str | None = None
    value_code: str | None = None


class Hidden(Element):
    """What stands in the place of a value that is not told."""

    extension: list[Extension] = []


class ContactPoint(Element):
    """How somebody can be reached; the number itself is only looked at for being there."""

    system: str | None = None
    value: str | None = None
    use: str | None = None
    hidden_value: Hidden | None = msgspec.field(default=None, name="_value")


class Link(Element):
    """Another record of the same person."""

    other: Reference | None = None
    type: str | None = None


class Patient(Resource):
    """A person."""

    active: bool | None = None
    gender: str | None = None
    birth_date: str | None = None
    deceased_boolean: bool | None = None
    deceased_date_time: str | None = None
    address: list[Address] = []
    telecom: list[ContactPoint] | None = None
    managing_organization: Reference | None = None
    link: list[Link] = []


class Organization(Resource):
    """A facility; only its identifiers are read, where a patient refers to it."""


class Medication(Resource):
    """What a dispense refers to."""

    code: CodeableConcept | None = None


class Encounter(Resource):
    """A visit."""

    class_: Coding | None = msgspec.field(default=None, name="class")
    type: list[CodeableConcept] = []
    subject: Reference | None = None
    period: Period | None = None
    service_provider: Reference | None = None


class EpisodeOfCare(Resource):
    """An enrolment in a programme."""

    type: list[CodeableConcept] = []
    patient: Reference | None = None
    period: Period | None = None
    managing_organization: Reference | None = None


class Participant(Element):
    """Who takes part in an appointment."""

    actor: Reference | None = None


class Appointment(Resource):
    """A day agreed upon."""

    start: str | None = None
    created: str | None = None
    participant: list[Participant] = []


class Value(Element):
    """What is observed, in whichever of FHIR's forms."""

    code: CodeableConcept | None = None
    value_quantity: Quantity | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_integer: int | None = None
    value_date_time: str | None = None


class Observation(Resource):
    """A result or an answer."""

    code: CodeableConcept | None = None
    value_quantity: Quantity | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_integer: int | None = None
    value_date_time: str | None = None
    subject: Reference | None = None
    effective_date_time: str | None = None
    effective_instant: str | None = None
    effective_period: Period | None = None
    issued: str | None = None
    component: list[Value] = []


class Repeat(Element):
    """How often."""

    frequency: int | None = None
    period: float | None = None
    period_unit: str | None = None


class Timing(Element):
    """When a dose is taken."""

    repeat: Repeat | None = None


class DoseAndRate(Element):
    """How much is taken."""

    dose_quantity: Quantity | None = None


class Dosage(Element):
    """How a medicine is taken."""

    timing: Timing | None = None
    dose_and_rate: list[DoseAndRate] = []


class MedicationDispense(Resource):
    """Medicine handed out."""

    medication_codeable_concept: CodeableConcept | None = None
    medication_reference: Reference | None = None
    subject: Reference | None = None
    quantity: Quantity | None = None
    days_supply: Quantity | None = None
    when_handed_over: str | None = None
    dosage_instruction: list[Dosage] = []
    type: CodeableConcept | None = None


class Request(Element):
    """What is to be done with an entry."""

    method: str | None = None
    url: str | None = None
    if_none_exist: str | None = None
    if_match: str | None = None


class BundleEntry(Element):
    """One of a bundle's resources, still as it came."""

    full_url: str | None = None
    resource: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    request: Request | None = None


class Bundle(Element):
    """Several resources."""

    resource_type: str = ""
    type: str | None = None
    timestamp: str | None = None
    entry: list[BundleEntry] = []


MAPPED: Final[dict[str, type[Resource]]] = {
    "Patient": Patient,
    "Encounter": Encounter,
    "EpisodeOfCare": EpisodeOfCare,
    "Appointment": Appointment,
    "Observation": Observation,
    "MedicationDispense": MedicationDispense,
}
"""Resources that say something about a record."""

REFERRED_TO: Final[dict[str, type[Resource]]] = {"Organization": Organization, "Medication": Medication}
"""Resources that only help to read others."""

_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")
_MISFIT: Final = re.compile(r"(?s)Expected `([a-z| ]+)`.*?(?: - at `\$\.?([\w.\[\]]*)`)?")


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str = ""

    def __repr__(self) -> str:
        return "_Head()"


_HEAD: Final = msgspec.json.Decoder(_Head)
_BUNDLE: Final = msgspec.json.Decoder(Bundle)
_DECODERS: Final = {name: msgspec.json.Decoder(shape) for name, shape in (MAPPED | REFERRED_TO).items()}


def type_of(data: bytes | msgspec.Raw, place: str) -> str:
    """Return a resource's type, as it is written.

    Raises:
        InvalidInput: the bytes are no JSON object that says its type.
    """
    try:
        found = _HEAD.decode(data).resource_type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise _fault(cause, place) from None
    if not _TYPE.fullmatch(found):
        raise InvalidInput("the resource does not say its type", place=_under(place, "resourceType"))
    return found


def decode_bundle(data: bytes) -> Bundle:
    """Return a bundle with its resources still undecoded.

    Raises:
        InvalidInput: it is none.
    """
    try:
        return _BUNDLE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise _fault(cause, "Bundle") from None


def decode(kind: str, data: bytes | msgspec.Raw, place: str) -> Resource:
    """Return a resource of a type that is read.

    Raises:
        InvalidInput: it is not of that type's shape.
    """
    try:
        return _DECODERS[kind].decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise _fault(cause, place) from None


def contained(resource: Resource, kind: str, reference: str) -> Resource | None:
    """Return the resource of a type that lies inside another one and is referred to as `#id`."""
    for one in resource.contained:
        if f"#{one.get('id')}" == reference and one.get("resourceType") == kind:
            try:
                return msgspec.convert(one, REFERRED_TO[kind])
            except (msgspec.ValidationError, RecursionError):
                return None
    return None


def _fault(cause: Exception, place: str) -> InvalidInput:
    """Keep of a decoder's message only what it expected and where: the rest might show a value."""
    if isinstance(cause, msgspec.ValidationError):
        found = _MISFIT.fullmatch(str(cause))
        if found is not None:
            return InvalidInput(f"expected {found[1].replace(' |', ',')}", place=_under(place, found[2] or ""))
        return InvalidInput("an element cannot be read", place=place)
    return InvalidInput("the text is not valid JSON in UTF-8", place=place)


def _under(place: str, path: str) -> str:
    if not path:
        return place
    return path if not place else f"{place}.{path}"
