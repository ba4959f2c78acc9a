"""Taking records in: read, compare, keep. The same document twice changes nothing."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import islice
from typing import Final

import numpy as np

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, InvalidInput, NotAllowed
from iit.domain.record import Record
from iit.features.columns import pack
from iit.ingest.nmrs import SOURCE, Imported, read_nmrs
from iit.ingest.sources import SourceDocument
from iit.services.refusals import note_refused_patient
from iit.store import patients as patient_store
from iit.store import privacy as privacy_store
from iit.store import records as record_store
from iit.store.database import Database, Transaction
from iit.store.records import RecordWrite, StoredState

_OUTSIDE: Final = "the patient is outside your facilities"
BATCH: Final = 200  # documents a transaction: long enough for COPY to pay, short enough to repeat


@dataclass(frozen=True)
class Rejection:
    """A document that was not taken in: where it lies and why. Holds no value of the patient."""

    place: str
    reason: str


@dataclass
class IntakeSummary:
    """What became of every document: the numbers add up to `n_read`."""

    n_read: int = 0
    n_added: int = 0
    n_updated: int = 0
    n_unchanged: int = 0
    n_older: int = 0
    n_removed: int = 0
    n_rejected: int = 0
    n_erased: int = 0
    warnings: Counter[str] = field(default_factory=Counter)
    rejections: list[Rejection] = field(default_factory=list)

    def reject(self, place: str, reason: object) -> Rejection:
        """Count what is not taken in, and return where it lies and why."""
        rejection = Rejection(place, str(reason))
        self.n_rejected += 1
        self.rejections.append(rejection)
        return rejection

    def as_dict(self) -> dict[str, object]:
        """Return the figures for a machine."""
        numbers = {
            "read": self.n_read,
            "added": self.n_added,
            "updated": self.n_updated,
            "unchanged": self.n_unchanged,
            "older": self.n_older,
            "removed": self.n_removed,
            "rejected": self.n_rejected,
            "erased": self.n_erased,
        }
        problems = [{"place": one.place, "reason": one.reason} for one in self.rejections]
        return {**numbers, "warnings": dict(self.warnings), "rejections": problems}


@dataclass(frozen=True)
class Intake:
    """Takes documents into the database.

    Attributes:
        database: where records are kept.
        zone: time zone of dates without an offset.
        now: the present time; what is said of later days is refused.
    """

    database: Database
    zone: tzinfo
    now: Callable[[], datetime]

    def take(
        self,
        documents: Iterable[SourceDocument],
        *,
        who: Principal,
        on_rejected: Callable[[SourceDocument, Rejection], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> IntakeSummary:
        """Take in documents, each wholly or not at all; a bad one is rejected with its place and the others go on.

        Args:
            documents: what to read, in order; of the same patient the newest export wins.
            who: asks; a document of a patient outside their scope is rejected.
            on_rejected: is handed each rejected document.
            on_progress: is told the number of documents done.

        Raises:
            Unavailable: the database went away; batches before are kept and a repeat continues.
        """
        summary = IntakeSummary()
        for batch in _batches(documents, BATCH):
            readable = self._read(batch, summary, on_rejected)
            self._keep(self._in_scope(readable, summary, who), summary, who.name)
            if on_progress is not None:
                on_progress(len(batch))
        return summary

    def take_one(self, data: bytes, *, who: Principal) -> tuple[Record, IntakeSummary]:
        """Take in one document.

        Raises:
            InvalidInput: the document is at fault; nothing is stored.
            NotAllowed: the patient is outside the scope; nothing is stored.
            Conflict: the person was erased; nothing is stored.
        """
        imported = read_nmrs(data, zone=self.zone, received=self.now())
        summary = IntakeSummary(n_read=1)
        if not self._in_scope([imported], summary, who):
            raise NotAllowed(_OUTSIDE, place="patient_uuid")
        self._keep([imported], summary, who.name)
        if summary.n_erased:
            raise Conflict("this person was erased: see `iit privacy readmit`", place="patientUuid")
        return imported.record, summary

    def take_read(
        self,
        told: Iterable[tuple[str, Imported | InvalidInput]],
        summary: IntakeSummary,
        *,
        who: Principal,
        before: Callable[[Transaction], None],
    ) -> None:
        """Take in what was read elsewhere, in one transaction, and count it in the summary.

        Args:
            told: what was read with its place, or why it could not be.
            summary: of all that is taken in together.
            who: asks.
            before: done first in the same transaction: it is kept if and only if the records are.

        Raises:
            Unavailable: the database went away; nothing of it is kept.
        """
        readable = []
        for place, outcome in told:
            summary.n_read += 1
            if isinstance(outcome, InvalidInput):
                summary.reject(place, outcome)
            else:
                summary.warnings.update(warning.reason for warning in outcome.warnings)
                readable.append(outcome)
        self._keep(self._in_scope(readable, summary, who), summary, who.name, before)

    def _read(
        self,
        batch: list[SourceDocument],
        summary: IntakeSummary,
        on_rejected: Callable[[SourceDocument, Rejection], None] | None,
    ) -> list[Imported]:
        readable, received = [], self.now()
        for document in batch:
            summary.n_read += 1
            try:
                if document.error is not None:
                    raise document.error
                imported = read_nmrs(document.data, zone=self.zone, received=received)
            except InvalidInput as problem:
                rejection = summary.reject(document.place, problem)
                if on_rejected is not None:
                    on_rejected(document, rejection)
                continue
            summary.warnings.update(warning.reason for warning in imported.warnings)
            readable.append(imported)
        return readable

    def _in_scope(self, imported: list[Imported], summary: IntakeSummary, who: Principal) -> list[Imported]:
        """Return the documents of patients in scope; count, tell and audit the others."""
        if who.scope.everything:
            return imported
        with self.database.transaction() as tx:
            uuids = [one.record.patient.patient_uuid for one in imported]
            strangers = set(patient_store.outside(tx, uuids, who.scope))
        allowed = []
        for one in imported:
            patient = one.record.patient
            if who.scope.covers(patient.facility, patient.state_province) and patient.patient_uuid not in strangers:
                allowed.append(one)
                continue
            note_refused_patient(self.database, who, action="update", patient_uuid=patient.patient_uuid)
            summary.reject(f"patient {patient.patient_uuid}", _OUTSIDE)
        return allowed

    def _keep(
        self,
        imported: list[Imported],
        summary: IntakeSummary,
        actor: str,
        before: Callable[[Transaction], None] | None = None,
    ) -> None:
        if not imported and before is None:
            return
        newest = _newest_of_each(imported, summary)
        with self.database.transaction() as tx:
            if before is not None:
                before(tx)
            known = record_store.states(tx, list(newest))
            _leave_out_erased(tx, newest, summary)  # asked under the lock: an erasure under way has ended
            self._remove_voided(tx, newest, known, summary, actor)
            writes = _changed(newest, known, summary)
            changed = [write.patient.patient_uuid for write in writes]
            event = AuditEvent(event_type=EventType.RECORDS_IMPORTED, actor=actor, action="update",
                               target="patients", detail={"n": len(writes)}, patients=changed)  # fmt: skip
            record_store.save(tx, writes, audit=event)
            record_store.touch_exports(
                tx,
                [(one.record.patient.facility, one.exported_at) for one in imported if one.exported_at is not None],
            )

    def _remove_voided(
        self,
        tx: Transaction,
        newest: dict[str, Imported],
        known: dict[str, StoredState],
        summary: IntakeSummary,
        actor: str,
    ) -> None:
        voided = [uuid for uuid, one in newest.items() if one.record.patient.status == "voided"]
        for uuid in voided:
            del newest[uuid]
        present = [uuid for uuid in voided if uuid in known]
        summary.n_removed += len(present)
        summary.n_unchanged += len(voided) - len(present)
        if present:
            event = AuditEvent(event_type=EventType.RECORDS_REMOVED, actor=actor, action="delete",
                               target="patients", detail={"n": len(present), "why": "voided"},
                               patients=present)  # fmt: skip
            record_store.remove(tx, present, audit=event)


def _leave_out_erased(tx: Transaction, newest: dict[str, Imported], summary: IntakeSummary) -> None:
    for uuid in privacy_store.erased_among(tx, list(newest)):
        del newest[uuid]
        summary.n_erased += 1


def content_hash(record: Record, facts: bytes) -> bytes:
    """Return what tells two states of a record apart: person, facts, their ids and times; not when it was exported."""
    digest = hashlib.sha256(facts)
    digest.update(repr(tuple(record.patient._replace(exported_at=None))).encode())
    digest.update("\n".join(event.source_id for event in record.events).encode())
    times = [(event.occurred_at.timestamp(), event.known_at.timestamp()) for event in record.events]
    digest.update(np.array(times, "<f8").tobytes())
    return digest.digest()


def _batches(documents: Iterable[SourceDocument], size: int) -> Iterator[list[SourceDocument]]:
    iterator = iter(documents)
    while batch := list(islice(iterator, size)):
        yield batch


def _newest_of_each(imported: list[Imported], summary: IntakeSummary) -> dict[str, Imported]:
    newest: dict[str, Imported] = {}
    for one in imported:
        uuid = one.record.patient.patient_uuid
        other = newest.get(uuid)
        if other is not None:
            summary.n_older += 1
            if other.exported_at is not None and (one.exported_at is None or one.exported_at < other.exported_at):
                continue
        newest[uuid] = one
    return newest


def _changed(newest: dict[str, Imported], known: dict[str, StoredState], summary: IntakeSummary) -> list[RecordWrite]:
    writes = []
    for uuid, one in newest.items():
        state = known.get(uuid)
        facts = pack(one.record)
        digest = content_hash(one.record, facts)
        if state is None:
            summary.n_added += 1
        elif state.content_hash == digest:
            summary.n_unchanged += 1
            continue
        elif state.exported_at and one.exported_at and one.exported_at < state.exported_at:
            summary.n_older += 1
            continue
        else:
            summary.n_updated += 1
        writes.append(RecordWrite(SOURCE, one.record.patient, one.record.events, facts, digest))
    return writes
