"""Whose a message is: from the identifiers it names to a patient, without storing any of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from iit.ingest.hl7.reading import Fact, Identifier, Mapped
from iit.services.keyring import keyed_hash
from iit.store import deltas as delta_store
from iit.store.database import Transaction
from iit.store.deltas import Delta, DeltaFact
from iit.store.inbox import PATIENT_KEY_BYTES

TWO_PATIENTS: Final = "names two patients that are not known to be one: merge their records first, or correct it"
"""Why a message is refused that names other patients besides."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)


@dataclass(frozen=True)
class Identities:
    """Finds patients by keyed hashes of identifiers.

    Attributes:
        secret: what the hashes depend on; with another one, nobody is recognised.
    """

    secret: bytes = field(repr=False)

    def hash_of(self, identifier: Identifier) -> bytes:
        """Return the keyed hash of an identifier within its scope; letters count alike in both cases."""
        return keyed_hash(self.secret, "patient-identifier", f"{identifier.scope}\0{identifier.value.upper()}")

    def deltas(self, tx: Transaction, messages: Sequence[Mapped]) -> list[Delta]:
        """Return what messages change, in order, and lock the identifiers they name."""
        delta_store.lock_identifiers(tx, self._hashes(messages).values())
        return self.whose(tx, messages)

    def patient_key(self, surest: Identifier) -> bytes:
        """Return what messages of a person are put in order by: the beginning of the hash of the surest identifier."""
        return self.hash_of(surest)[:PATIENT_KEY_BYTES]

    def whose(self, tx: Transaction, messages: Sequence[Mapped]) -> list[Delta]:
        """Return what messages would change, in order: one for each that tells a fact or takes a record over.

        The surest identifier that is known decides; the UUID of a patient is known even if no message named it yet, and
        names no other one: a message that names another patient besides has `others`. A person nobody knows becomes a
        patient: under the OpenMRS UUID where one is named, else under an id that follows from the surest identifier,
        the same whenever it is made.
        """
        hashes = self._hashes(messages)
        if not hashes:
            return []
        known = _known(tx, hashes)
        return [_delta(message, hashes, known) for message in messages if message.facts or message.merged]

    def patient_of(self, tx: Transaction, identifiers: tuple[Identifier, ...]) -> str:
        """Return the id of the patient that identifiers name, or would name if they were told for the first time."""
        hashes = {one: self.hash_of(one) for one in identifiers}
        return _delta(Mapped("", identifiers, (), (), ()), hashes, _known(tx, hashes)).patient_uuid

    def _hashes(self, messages: Sequence[Mapped]) -> dict[Identifier, bytes]:
        told = [one for one in messages if one.facts or one.merged]
        return {one: self.hash_of(one) for message in told for one in (*message.identifiers, *message.merged)}


class _Known(NamedTuple):
    """Patients as they are known: by hashes of identifiers, and all their ids as far as messages name them."""

    by_hash: dict[bytes, str]
    uuids: set[str]

    def whose(self, identifier: Identifier, hashed: bytes) -> str | None:
        """Return the patient that an identifier names, if it names one that is known."""
        uuid = identifier.value.lower()
        return self.by_hash.get(hashed) or (uuid if uuid in self.uuids else None)

    def __repr__(self) -> str:
        return f"_Known({len(self.uuids)} patients)"


def _known(tx: Transaction, hashes: dict[Identifier, bytes]) -> _Known:
    by_hash = delta_store.patients_by_identifier(tx, list(hashes.values()))
    uuids = set(by_hash.values())
    asked = {one.value.lower() for one in hashes if _UUID.fullmatch(one.value)} - uuids
    return _Known(by_hash, uuids | delta_store.known_patients(tx, sorted(asked)))


def _delta(message: Mapped, hashes: dict[Identifier, bytes], known: _Known) -> Delta:
    taken_over = {known.whose(one, hashes[one]) for one in message.merged}
    named = [uuid for one in message.identifiers if (uuid := known.whose(one, hashes[one])) is not None]
    named = [uuid for uuid in named if uuid not in taken_over] or named
    made = [one.value.lower() for one in message.identifiers if _UUID.fullmatch(one.value)]
    made.append(str(UUID(bytes=hashes[message.identifiers[0]][:16], version=5)))
    patient_uuid = (named or made)[0]
    if others := _others(message, named):
        return Delta(patient_uuid, message.facility, (), (), (), others)
    fresh = [hashes[one] for one in message.identifiers if hashes[one] not in known.by_hash]
    adopted: list[str] = []
    for one in message.merged:
        other = known.whose(one, hashes[one])
        if hashes[one] not in known.by_hash:
            fresh.append(hashes[one])
        if other is not None and other != patient_uuid:
            adopted.append(other)
            known.by_hash.update({same: patient_uuid for same, whose in known.by_hash.items() if whose == other})
    known.by_hash.update(dict.fromkeys(fresh, patient_uuid))
    known.uuids.add(patient_uuid)
    return Delta(patient_uuid, message.facility, fresh, adopted, [stored_fact(fact) for fact in message.facts])


def _others(message: Mapped, named: Sequence[str]) -> list[str]:
    """Return the patients that a message names besides the first, if it names any of them all by its UUID.

    A number is not always one person's only, so that of numbers the surest decides; a UUID is.
    """
    others = list(dict.fromkeys(uuid for uuid in named if uuid != named[0]))
    told = {one.value.lower() for one in message.identifiers}
    return others if told.intersection(named) else []


def stored_fact(fact: Fact) -> DeltaFact:
    """Return a fact in the form in which it is kept."""
    return DeltaFact(fact.event, fact.text, fact.is_retracted)
