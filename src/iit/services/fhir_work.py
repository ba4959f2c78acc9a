"""Merging what resources tell into records: whose they are, what is new, and what is wrong with it."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from iit.domain.access import EVERYTHING, Scope
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, InvalidInput, NotAllowed, ServiceError
from iit.domain.vocabulary import NIGERIAN_STATES, Kind
from iit.ingest.fhir.reading import SOURCE, Told
from iit.ingest.hl7.reading import TIE_BITS, Fact, Identifier, Mapped
from iit.services.identities import TWO_PATIENTS, Identities, stored_fact
from iit.store import deltas as delta_store
from iit.store import patients as patient_store
from iit.store import privacy as privacy_store
from iit.store.database import Transaction
from iit.store.deltas import Delta

_OUTSIDE: Final = "the patient is outside your facilities"
_TIE: Final = (1 << TIE_BITS) - 1
_ETAG: Final = re.compile(r'(?:W/)?"(\d{1,20})"')


class Done(NamedTuple):
    """What became of a resource.

    Attributes:
        is_new: nothing was known of it before.
        is_changed: it tells something new.
        location: `Type/id` here, or None of one that is not kept.
        version: grows with every change that counts, or None.
    """

    is_new: bool
    is_changed: bool
    location: str | None
    version: int | None

    def __repr__(self) -> str:
        return "Done()"


_LEFT_ALONE: Final = Done(is_new=False, is_changed=False, location=None, version=None)


class Share(NamedTuple):
    """What a body tells of one person: what would change, and the places of the entries that tell it."""

    delta: Delta
    places: list[int]

    def __repr__(self) -> str:
        return f"Share({len(self.places)} entries)"


class Standing(NamedTuple):
    """What is known already.

    Attributes:
        patients: those of the persons that are patients.
        sequences: sequence of each fact, by patient and source id.
        versions: greatest sequence of each resource, by patient and `Type/id` (`person` of the Patient).
    """

    patients: set[str]
    sequences: dict[tuple[str, str], int]
    versions: dict[tuple[str, str], int]

    def __repr__(self) -> str:
        return f"Standing({len(self.sequences)} facts)"


class _Barred(NamedTuple):
    """Whom the sender may not tell of, and the persons that have a facility."""

    scope: Scope
    outside: set[str]
    erased: set[str]
    placed: set[str]

    def __repr__(self) -> str:
        return "_Barred()"


def shares(tx: Transaction, told: Sequence[Told], identities: Identities, *, is_final: bool) -> list[Share]:
    """Return what entries tell by person, in order; with `is_final` their identifiers are locked."""
    facilities = {one.person: one.facility for one in reversed(told) if one.facility is not None}
    groups: dict[tuple[tuple[Identifier, ...], tuple[Identifier, ...]], list[int]] = {}
    for place, one in enumerate(told):
        if one.error is None and one.person and (one.facts or one.merged):
            groups.setdefault((one.person, one.merged), []).append(place)
    messages = [
        Mapped(
            facilities.get(person, ""),
            person,
            merged,
            tuple(fact for at in places for fact in told[at].facts),
            (),
        )
        for (person, merged), places in groups.items()
    ]
    deltas = identities.deltas(tx, messages) if is_final else identities.whose(tx, messages)
    return [Share(delta, places) for delta, places in zip(deltas, groups.values(), strict=True)]


def standing(tx: Transaction, found: Sequence[Share]) -> Standing:
    """Return what is known already of these persons from resources."""
    uuids = sorted({uuid for one in found for uuid in one.delta.concerned})
    sequences = delta_store.sequences(tx, uuids, SOURCE)
    versions: dict[tuple[str, str], int] = {}
    for (uuid, source_id), sequence in sequences.items():
        key = uuid, _resource_in(source_id)
        versions[key] = max(versions.get(key, 0), sequence)
    return Standing(delta_store.known_patients(tx, uuids), sequences, versions)


def faults(
    tx: Transaction, told: Sequence[Told], found: Sequence[Share], known: Standing, scope: Scope
) -> dict[int, ServiceError]:
    """Return what is wrong with entries, by their places: unknown persons, those of others, versions that passed."""
    uuids = sorted({uuid for one in found for uuid in one.delta.concerned})
    barred = _Barred(
        scope,
        set(patient_store.outside(tx, uuids, scope)),
        privacy_store.erased_among(tx, uuids),
        known.patients | {one.delta.patient_uuid for one in found if one.delta.facility},
    )
    faulty: dict[int, ServiceError] = {}
    for one in found:
        error = _fault(told, one, known, barred)
        for place in one.places:
            if error is not None or (passed := _passed(told[place], one.delta.patient_uuid, known)) is None:
                passed = error
            if passed is not None:
                faulty[place] = passed
    return faulty


def merge(tx: Transaction, told: Sequence[Told], identities: Identities, *, actor: str) -> list[Done | ServiceError]:
    """Merge what entries tell; return what became of each, in order. Idempotent.

    One that cannot be merged is left out and its error returned in its place: whether the others then count is up to
    the caller, who can roll all back.
    """
    found = shares(tx, told, identities, is_final=True)
    known = standing(tx, found)
    faulty = faults(tx, told, found, known, EVERYTHING)
    done: list[Done | ServiceError] = [
        one.error or Done(is_new=False, is_changed=False, location=None, version=None) for one in told
    ]
    deltas = []
    for share in found:
        kept: list[Fact] = []
        for place in share.places:
            if place in faulty:
                done[place] = faulty[place]
                continue
            uuid = share.delta.patient_uuid
            news = _news(told[place], uuid, known)
            done[place] = _done(told[place], uuid, known)._replace(is_changed=bool(news))
            kept += news
        if kept or any(place not in faulty for place in share.places):
            deltas.append(share.delta._replace(facts=[stored_fact(fact) for fact in kept]))
    n_told = sum(bool(delta.facts) for delta in deltas)
    event = AuditEvent(event_type=EventType.RECORDS_MERGED, actor=actor, action="update", target="patients",
                       detail={"n": n_told})  # fmt: skip
    changing = [delta for delta in deltas if delta.facts or delta.adopted or delta.identifiers]
    delta_store.merge(tx, changing, source=SOURCE, audit=event)
    return done


def _fault(told: Sequence[Told], share: Share, known: Standing, barred: _Barred) -> ServiceError | None:
    uuid, first = share.delta.patient_uuid, told[share.places[0]].entry.place
    if barred.erased & set(share.delta.concerned):
        return Conflict("this person was erased: see `iit privacy readmit`", place=first)
    if barred.outside & set(share.delta.concerned):
        return NotAllowed(_OUTSIDE, place=first)
    if share.delta.others:
        return Conflict(TWO_PATIENTS, place=first)
    if uuid in known.patients:
        return None
    if uuid not in barred.placed:
        reason = "the patient is not known here, and no facility is told: send the Patient with managingOrganization"
        return InvalidInput(reason, place=first)
    if not barred.scope.covers(share.delta.facility or None, _state_in(told, share)):
        return NotAllowed(_OUTSIDE, place=first)
    return None


def _state_in(told: Sequence[Told], share: Share) -> str | None:
    facts = (fact.event for place in share.places for fact in told[place].facts)
    return next((NIGERIAN_STATES[int(one.value) - 1] for one in facts if one.kind is Kind.STATE), None)


def _passed(one: Told, uuid: str, known: Standing) -> ServiceError | None:
    """Return what is wrong with the version that an entry demands."""
    demanded = one.entry.request.if_match
    if demanded is None:
        return None
    place = one.entry.place.removesuffix(".resource") + ".request.ifMatch"
    found = _ETAG.fullmatch(demanded.strip())
    if found is None:
        return InvalidInput("is no version of this service", place=place)
    if known.versions.get((uuid, _resource_of(one))) != int(found[1]):
        return Conflict("the resource has another version now: read again, then decide", place=place)
    return None


def _done(one: Told, uuid: str, known: Standing) -> Done:
    key = uuid, _resource_of(one)
    is_patient = one.entry.kind == "Patient"
    before = known.versions.get(key, 0)
    is_known = uuid in known.patients if is_patient else key in known.versions
    now = before if _is_left_alone(one, uuid, known) else max(fact.event.sequence for fact in one.facts)
    is_new = not is_known and any(not fact.is_retracted for fact in one.facts)
    location = f"Patient/{uuid}" if is_patient else f"{one.entry.kind}/{one.id}"
    return Done(is_new=is_new, is_changed=False, location=location, version=max(before, now) or None)


def _news(one: Told, uuid: str, known: Standing) -> list[Fact]:
    """Return the facts that the entry tells anew: what is told again in the same words changes nothing."""
    if _is_left_alone(one, uuid, known):
        return []
    return [fact for fact in one.facts if not _is_same(known.sequences.get((uuid, fact.event.source_id)), fact)]


def _is_left_alone(one: Told, uuid: str, known: Standing) -> bool:
    """Return whether the entry is to be made only if it does not exist, and does; or tells nothing."""
    if not one.facts:
        return True
    exists = uuid in known.patients if one.entry.kind == "Patient" else (uuid, _resource_of(one)) in known.versions
    return one.entry.request.if_none_exist is not None and exists


def _is_same(sequence: int | None, fact: Fact) -> bool:
    return sequence is not None and sequence & _TIE == fact.event.sequence & _TIE


def _resource_of(one: Told) -> str:
    return "person" if one.entry.kind == "Patient" else f"{one.entry.kind}/{one.id}"


def _resource_in(source_id: str) -> str:
    return "person" if source_id.startswith("person:") else source_id.partition("#")[0]
