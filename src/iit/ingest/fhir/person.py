"""Patient: who it is, what is told of the person, death, and records that are one."""

from typing import Final

from iit.domain.errors import InvalidInput
from iit.domain.record import city_hash
from iit.domain.vocabulary import Kind
from iit.ingest.fhir.bundle import Directory, Entry, base_of, target_of
from iit.ingest.fhir.moments import birth_of
from iit.ingest.fhir.reading import Reading, is_uuid
from iit.ingest.fhir.resources import ContactPoint, Patient, Reference
from iit.ingest.fhir.resources import Identifier as FhirIdentifier
from iit.ingest.hl7.reading import Identifier
from iit.ingest.nmrs.person import state_number
from iit.ingest.nmrs.scalars import text as plain

MASKED: Final = "masked"
"""Why a phone number is not told that exists (FHIR's data-absent-reason)."""

_MOST: Final = 20  # identifiers of one person
_LONGEST: Final = 200
_LONGEST_FACILITY: Final = 64
_SEXES: Final = {"male": 1.0, "female": 2.0}
_MOST_DIGITS_IN_A_TOWN: Final = 4  # more look like a phone number
_PHONES: Final = frozenset({"phone", "sms"})


def person_named(entry: Entry, patient: Patient, facility: str | None) -> tuple[Identifier, ...]:
    """Return the identifiers of a Patient, the surest first: its id, then its identifiers that name their system."""
    found = [_by_id(entry, patient, facility)] if patient.id else []
    found += [
        one for told in patient.identifier[:_MOST] if told.use != "temp" and (one := _by_number(told)) is not None
    ]
    return tuple(dict.fromkeys(one for one in found if one is not None))


def person_referred_to(
    reference: Reference | None, directory: Directory, place: str, base: str = ""
) -> tuple[Identifier, ...]:
    """Return the identifiers of whom a reference means: of the Patient in the same body, else what it names itself.

    Args:
        reference: from one resource to another.
        directory: of the body.
        place: of the reference.
        base: of the server that the referring resource is from, or "".

    Raises:
        InvalidInput: it names nobody who could be found.
    """
    if reference is None:
        raise InvalidInput("the patient is missing", place=place)
    entry = directory.find(reference)
    if entry is not None and isinstance(entry.resource, Patient):
        found = person_named(entry, entry.resource, facility_of(entry.resource.managing_organization, directory))
        if found:
            return found
    target = target_of(reference.reference or "")
    named = None if reference.identifier is None else _by_number(reference.identifier)
    server = "" if target is None else target.base or base
    if target is not None and target.kind == "Patient" and (is_uuid(target.id) or server):
        one = person_of_id(target.id, server)
        return (one,) if named is None else (one, named)
    if named is not None:
        return (named,)
    raise InvalidInput("names no patient by a UUID, a full URL or an identifier with its system", place=place)


def person_of_id(patient_id: str, server: str) -> Identifier:
    """Return the identifier that an id of a server is: a UUID is one everywhere."""
    return Identifier(patient_id.lower(), "UUID") if is_uuid(patient_id) else Identifier(patient_id, _scope(server))


def facility_of(organization: Reference | None, directory: Directory) -> str | None:
    """Return the code of a facility that is referred to: its identifier, else its id."""
    if organization is None:
        return None
    entry = directory.find(organization)
    told = [None if organization.identifier is None else organization.identifier.value]
    if entry is not None and entry.resource is not None:
        told += [one.value for one in entry.resource.identifier] + [entry.resource.id]
    target = target_of(organization.reference or "")
    told.append(target.id if target is not None and target.kind == "Organization" else None)
    found = next((one for one in told if one and one.strip()), None)
    return None if found is None else " ".join(found.split())[:_LONGEST_FACILITY]


def take_person(patient: Patient, reading: Reading) -> None:
    """Take what a Patient tells of the person."""
    born = birth_of(patient.birth_date, reading.zone)
    if born is not None and born <= reading.latest:
        reading.add_person(Kind.BIRTH, float("nan"), occurred=born)
    sex = _SEXES.get(patient.gender or "")
    if sex is not None:
        reading.add_person(Kind.SEX, sex)
    _take_home(patient, reading)
    if patient.telecom is not None:
        phones = [one for one in patient.telecom if one.system in _PHONES and one.use != "old"]
        reading.add_person(Kind.PHONE, float(any(_is_there(one) for one in phones)))
    _take_death(patient, reading)


def merged_records(
    patient: Patient, own: tuple[Identifier, ...], directory: Directory, place: str
) -> tuple[tuple[Identifier, ...], tuple[Identifier, ...]]:
    """Return identifiers of the record that stays, and of those that it takes over."""
    stays, merged = own, []
    for number, link in enumerate(patient.link):
        if link.type not in ("replaces", "replaced-by"):
            continue
        other = person_referred_to(link.other, directory, f"{place}.link[{number}].other")
        if link.type == "replaces":
            merged += list(other)
        else:
            stays, merged = other, [*merged, *own]
    return stays, tuple(one for one in merged if one not in stays)


def _take_home(patient: Patient, reading: Reading) -> None:
    for address in patient.address:
        state = state_number(address.state)
        if state is not None:
            reading.add_person(Kind.STATE, float(state))
        city = plain(address.city or address.district, longest=80)
        if city and sum(letter.isdigit() for letter in city) <= _MOST_DIGITS_IN_A_TOWN:
            reading.add_person(Kind.CITY, float(city_hash(city)), text=city)
        if state is not None or city:
            return


def _take_death(patient: Patient, reading: Reading) -> None:
    if patient.deceased_boolean is False:
        reading.add_death(None)
    elif patient.deceased_boolean or patient.deceased_date_time:
        reading.add_death(reading.moment(patient.deceased_date_time) or reading.at)


def _is_there(phone: ContactPoint) -> bool:
    """Return whether there is a number, be it told or kept back."""
    hidden = [] if phone.hidden_value is None else phone.hidden_value.extension
    return bool(phone.value) or any(one.value_code == MASKED for one in hidden)


def _by_id(entry: Entry, patient: Patient, facility: str | None) -> Identifier | None:
    if patient.id is None or is_uuid(patient.id):
        return None if patient.id is None else person_of_id(patient.id, "")
    source = "" if patient.meta is None else (patient.meta.source or "").split("#")[0]
    system = base_of(entry.full_url) or source or facility
    return None if not system else person_of_id(patient.id, system)


def _scope(system: str) -> str:
    return f"{system}/PATIENT".upper()


def _by_number(told: FhirIdentifier) -> Identifier | None:
    value, system = (told.value or "").strip(), (told.system or "").strip()
    if not value or not system or max(len(value), len(system)) > _LONGEST:
        return None
    return Identifier(value, system.removeprefix("urn:oid:").upper())
