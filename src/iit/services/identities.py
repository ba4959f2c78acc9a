"""Whose a message is: from the identifiers it names to a patient, without storing any of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from iit.ingest.hl7.reading import Fact, Identifier, Mapped
from iit.services.keyring import keyed_hash
from iit.store import deltas as delta_store
from iit.store.database import Transaction
from iit.store.deltas import Delta, DeltaFact

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

    def whose(self, tx: Transaction, messages: Sequence[Mapped]) -> list[Delta]:
        """Return what messages would change, in order: one for each that tells a fact or takes a record over.

        The surest identifier that is known decides. A person nobody knows becomes a patient: under the OpenMRS UUID
        where one is named, else under an id that follows from the surest identifier, the same whenever it is made.
        """
        hashes = self._hashes(messages)
        if not hashes:
            return []
        known = delta_store.patients_by_identifier(tx, list(hashes.values()))
        return [_delta(message, hashes, known) for message in messages if message.facts or message.merged]

    def patient_of(self, tx: Transaction, identifiers: tuple[Identifier, ...]) -> str:
        """Return the id of the patient that identifiers name, or would name if they were told for the first time."""
        hashes = {one: self.hash_of(one) for one in identifiers}
        known = delta_store.patients_by_identifier(tx, list(hashes.values()))
        return _delta(Mapped("", identifiers, (), (), ()), hashes, known).patient_uuid

    def _hashes(self, messages: Sequence[Mapped]) -> dict[Identifier, bytes]:
        told = [one for one in messages if one.facts or one.merged]
        return {one: self.hash_of(one) for message in told for one in (*message.identifiers, *message.merged)}


def _delta(message: Mapped, hashes: dict[Identifier, bytes], known: dict[bytes, str]) -> Delta:
    own = [hashes[one] for one in message.identifiers]
    named = [known[one] for one in own if one in known]
    named += [one.value.lower() for one in message.identifiers if _UUID.fullmatch(one.value)]
    patient_uuid = named[0] if named else str(UUID(bytes=own[0][:16], version=5))
    fresh = [one for one in own if one not in known]
    adopted = []
    for one in (hashes[identifier] for identifier in message.merged):
        other = known.get(one)
        if other is None:
            fresh.append(one)
        elif other != patient_uuid:
            adopted.append(other)
            known.update({same: patient_uuid for same, whose in known.items() if whose == other})
    known.update(dict.fromkeys(fresh, patient_uuid))
    return Delta(patient_uuid, message.facility, fresh, adopted, [stored_fact(fact) for fact in message.facts])


def stored_fact(fact: Fact) -> DeltaFact:
    """Return a fact in the form in which it is kept."""
    return DeltaFact(fact.event, fact.text, fact.is_retracted)
