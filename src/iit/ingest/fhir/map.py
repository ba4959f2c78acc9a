"""From resources to the facts of a record. Pure: the same body always says the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

from iit.domain.errors import InvalidInput, ServiceError
from iit.ingest.fhir.bundle import Contents, Directory, Entry, base_of
from iit.ingest.fhir.codes import Codes
from iit.ingest.fhir.dispenses import take_dispense
from iit.ingest.fhir.observations import take_observation
from iit.ingest.fhir.person import facility_of, merged_records, person_named, person_referred_to, take_person
from iit.ingest.fhir.reading import Told, is_uuid, own_id, start_reading
from iit.ingest.fhir.resources import (
    REFERRED_TO,
    Appointment,
    Encounter,
    EpisodeOfCare,
    MedicationDispense,
    Observation,
    Patient,
    Reference,
    Resource,
)
from iit.ingest.fhir.visits import take_appointment, take_encounter, take_episode
from iit.ingest.hl7.reading import Fact, Identifier

_LEFT_ALONE: Final = "nothing in it is used here: it is not kept"


@dataclass(frozen=True)
class FhirMapper:
    """Maps resources by the rules of a site.

    Attributes:
        zone: time zone of times without an offset.
        codes: what codes mean.
    """

    zone: tzinfo
    codes: Codes

    def map(self, contents: Contents, *, received: datetime, beside: Sequence[Entry] = ()) -> list[Told]:
        """Return what each entry says, in order; what is wrong with one is told there.

        Args:
            contents: what came.
            received: when.
            beside: other resources that entries may refer to.
        """
        directory = Directory([*contents.entries, *beside])
        told = [self._map(entry, directory, contents.timestamp, received) for entry in contents.entries]
        return _known_early(told)

    def _map(self, entry: Entry, directory: Directory, timestamp: str | None, received: datetime) -> Told:
        nothing = Told(entry, "", (), (), None, (), (), entry.error)
        if entry.error is not None:
            return nothing
        if entry.resource is None or entry.kind in REFERRED_TO:
            return nothing._replace(notes=(_LEFT_ALONE,))
        directory.used.clear()
        try:
            told = self._read(entry, entry.resource, directory, timestamp, received)
        except ServiceError as error:
            return nothing._replace(error=error)
        return told._replace(beside=tuple(directory.used))

    def _read(
        self, entry: Entry, resource: Resource, directory: Directory, timestamp: str | None, received: datetime
    ) -> Told:
        organization, subject, where = _links(resource)
        facility = facility_of(organization, directory)
        if isinstance(resource, Patient):
            person = person_named(entry, resource, facility) + _asked_person(entry)
            if not person:
                raise InvalidInput("needs an id that is a UUID or has a full URL, or an identifier with its system",
                                   place=entry.place)  # fmt: skip
        else:
            person = person_referred_to(subject, directory, f"{entry.place}.{where}", base_of(entry.full_url))
        resource_id = _id_of(entry, resource, person)
        reading = start_reading(
            entry, resource_id, zone=self.zone, codes=self.codes, timestamp=timestamp, received=received
        )
        merged: tuple[Identifier, ...] = ()
        if isinstance(resource, Patient):
            take_person(resource, reading)
            person, merged = merged_records(resource, person, directory, entry.place)
        elif isinstance(resource, MedicationDispense):
            take_dispense(resource, directory, reading)
        else:
            _TAKE[type(resource)](resource, reading)
        facts = {fact.event.source_id: fact for fact in reading.facts}  # of two the last stands
        notes = tuple(dict.fromkeys(reading.notes)) or (() if facts or merged else (_LEFT_ALONE,))
        return Told(entry, resource_id, person, merged, facility, tuple(facts.values()), notes, None)


def fhir_mapper(zone: tzinfo, own_codes: Path | None = None) -> FhirMapper:
    """Return a mapper with the built-in codes and, in front of them, a site's own.

    Raises:
        InvalidInput: the site's table cannot be read.
    """
    return FhirMapper(zone, Codes(own_codes))


_TAKE: Final[dict[type[Resource], Callable[..., None]]] = {
    Encounter: take_encounter,
    EpisodeOfCare: take_episode,
    Appointment: take_appointment,
    Observation: take_observation,
}


def _links(resource: Resource) -> tuple[Reference | None, Reference | None, str]:
    """Return the facility that a resource refers to, the patient, and in which element the patient stands."""
    if isinstance(resource, Patient):
        return resource.managing_organization, None, ""
    if isinstance(resource, Encounter):
        return resource.service_provider, resource.subject, "subject"
    if isinstance(resource, EpisodeOfCare):
        return resource.managing_organization, resource.patient, "patient"
    if isinstance(resource, Appointment):
        actors = [one.actor for one in resource.participant if one.actor is not None]
        patients = [one for one in actors if "Patient/" in (one.reference or "")]
        return (
            None,
            next(iter(patients or [one for one in actors if (one.reference or "").startswith("urn:")]), None),
            ("participant"),
        )
    if isinstance(resource, Observation | MedicationDispense):
        return None, resource.subject, "subject"
    return None, None, ""


def _id_of(entry: Entry, resource: Resource, person: Sequence[Identifier]) -> str:
    """Return the id of a resource here: the sender's UUID, else one made from the surest name that it has."""
    if resource.id is not None and is_uuid(resource.id):
        return resource.id.lower()
    condition = _condition(entry)
    if condition:
        return own_id(entry.kind, *_asked_identifier(condition, entry))
    if resource.id is not None:
        source = "" if resource.meta is None else (resource.meta.source or "").split("#")[0]
        return own_id(entry.kind, base_of(entry.full_url) or source or person[0].scope, resource.id)
    named = next((one for one in resource.identifier if one.system and one.value), None)
    if named is not None:
        return own_id(entry.kind, named.system or "", named.value or "")
    return own_id(entry.kind, person[0].scope, person[0].value, entry.raw.decode("utf-8"))


def _condition(entry: Entry) -> str:
    return entry.request.if_none_exist or (entry.request.url or "").partition("?")[2]


def _asked_person(entry: Entry) -> tuple[Identifier, ...]:
    """Return the identifier that a condition asks for: it names the person as well as the resource's own do."""
    condition = _condition(entry)
    if not condition:
        return ()
    system, value = _asked_identifier(condition, entry)
    return (Identifier(value, system.removeprefix("urn:oid:").upper()),)


def _asked_identifier(condition: str, entry: Entry) -> tuple[str, str]:
    """Return system and value of `identifier=system|value`.

    Raises:
        InvalidInput: the condition is another one.
    """
    name, _, token = condition.partition("=")
    system, sign, value = token.replace("%7C", "|").replace("%7c", "|").partition("|")
    if name != "identifier" or not sign or not system or not value or "&" in value:
        place = entry.place.removesuffix(".resource") + ".request"
        raise InvalidInput("the only condition that is understood is identifier=system|value", place=place)
    return system, value


def _known_early(told: list[Told]) -> list[Told]:
    """Return the entries with each person known at least as early as the first fact about them in the same body.

    A Patient tells only when it was last changed; who is examined on a day was registered by then.
    """
    first: dict[Identifier, datetime] = {}
    for one in told:
        for fact in one.facts:
            if not fact.is_standing and not fact.is_retracted and fact.event.source_id != "person:DEATH":
                known = fact.event.known_at
                first[one.person[0]] = min(first.get(one.person[0], known), known)
    return [
        one._replace(facts=tuple(_since(fact, first[one.person[0]]) for fact in one.facts))
        if one.entry.kind == "Patient" and one.person and one.person[0] in first
        else one
        for one in told
    ]


def _since(fact: Fact, moment: datetime) -> Fact:
    event = fact.event
    if not fact.is_standing or event.known_at <= moment:
        return fact
    occurred = min(event.occurred_at, moment)
    return fact._replace(event=event._replace(occurred_at=occurred, known_at=max(moment, occurred)))
