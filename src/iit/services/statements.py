"""Statements of lists and registers, merged into records: each fact once, known since it was first told."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import InvalidInput
from iit.ingest.hl7.reading import Mapped
from iit.ingest.sources import SourceDocument
from iit.ingest.statement import Statement
from iit.services.identities import TWO_PATIENTS, Identities
from iit.services.intake import BATCH, IntakeSummary, Rejection
from iit.services.refusals import note_refused_patient
from iit.store import deltas as delta_store
from iit.store import patients as patient_store
from iit.store import privacy as privacy_store
from iit.store import records as record_store
from iit.store.database import Database, Transaction
from iit.store.deltas import Delta, DeltaFact, Standing
from iit.store.records import RETRACTED

_OUTSIDE: Final = "the patient is outside your facilities"

OnRejected = Callable[[SourceDocument, Rejection], None]
_Told = tuple[Statement, Delta]


@dataclass(repr=False)
class Statements:
    """One import of statements.

    Attributes:
        database: where they are merged.
        identities: whose they are.
        source: name of the source, as it stands beside each fact.
        who: imports.
        on_rejected: is handed each statement that is not taken.
    """

    database: Database
    identities: Identities
    source: str
    who: Principal
    on_rejected: OnRejected | None = None
    summary: IntakeSummary = field(default_factory=IntakeSummary, init=False)

    def take(self, statements: Iterable[Statement]) -> IntakeSummary:
        """Merge statements, in order, many a transaction; one that is at fault is rejected and the others go on.

        Idempotent. A fact told again in the same words changes nothing, or is known since the earlier of the two; of
        two that differ the one that was made known later stands.

        Raises:
            Unavailable: the database went away; batches before are kept, and a repeat continues.
        """
        for batch in _batches(statements):
            self.summary.n_read += len(batch)
            told = [one for one in batch if self._says_something(one)]
            if told:
                with self.database.transaction() as tx:
                    strangers = self._merge(tx, told)
                for uuid in strangers:
                    note_refused_patient(self.database, self.who, action="update", patient_uuid=uuid)
        return self.summary

    def _says_something(self, one: Statement) -> bool:
        if isinstance(one.said, InvalidInput):
            self._reject(one, str(one.said))
            return False
        self.summary.warnings.update(one.said.caveats)
        self.summary.n_unchanged += not one.said.facts
        return bool(one.said.facts)

    def _merge(self, tx: Transaction, statements: Sequence[Statement]) -> list[str]:
        """Merge what may be merged; return the patients of whom the principal may not tell."""
        deltas = self.identities.deltas(tx, [one.said for one in statements if isinstance(one.said, Mapped)])
        told, strangers = self._allowed(tx, list(zip(statements, deltas, strict=True)))
        uuids = sorted({delta.patient_uuid for _, delta in told})
        patients = delta_store.known_patients(tx, uuids)
        known = delta_store.standing(tx, uuids, self.source)
        changing = []
        for statement, delta in told:
            uuid = delta.patient_uuid
            facts = _withdrawn(uuid, delta, known) if statement.is_void else delta.facts
            news = _news(uuid, facts, known)
            self._count(statement, is_known=uuid in patients, is_changed=bool(news))
            if news or (delta.identifiers and not statement.is_void):
                changing.append(delta._replace(facts=news))
            if not statement.is_void:
                patients.add(uuid)
        changed = sorted({delta.patient_uuid for delta in changing})
        event = AuditEvent(event_type=EventType.RECORDS_MERGED, actor=self.who.name, action="update",
                           target="patients", detail={"n": len(changed)}, patients=changed)  # fmt: skip
        delta_store.merge(tx, changing, source=self.source, audit=event)
        self._remove(tx, [delta.patient_uuid for one, delta in told if one.is_void and delta.patient_uuid in patients])
        reached = [(delta.facility, one.at) for one, delta in told if one.at is not None and not one.is_void]
        record_store.touch_exports(tx, reached)
        return strangers

    def _allowed(self, tx: Transaction, told: list[_Told]) -> tuple[list[_Told], list[str]]:
        uuids = sorted({uuid for _, delta in told for uuid in delta.concerned})
        erased = privacy_store.erased_among(tx, uuids)
        outside = set(patient_store.outside(tx, uuids, self.who.scope))
        allowed, strangers = [], []
        for statement, delta in told:
            if delta.patient_uuid in erased:
                self.summary.n_erased += 1
            elif outside.intersection(delta.concerned) or not self.who.scope.covers(delta.facility, None):
                strangers.append(delta.patient_uuid)
                self._reject(statement, _OUTSIDE)
            elif delta.others:
                self._reject(statement, TWO_PATIENTS)
            else:
                allowed.append((statement, delta))
        return allowed, strangers

    def _remove(self, tx: Transaction, voided: list[str]) -> None:
        """Remove patients of whom the source says nothing any more, and no other says anything."""
        gone = sorted(set(voided) - delta_store.of_other_sources(tx, voided, self.source))
        if gone:
            event = AuditEvent(event_type=EventType.RECORDS_REMOVED, actor=self.who.name, action="delete",
                               target="patients", detail={"n": len(gone), "why": "voided"}, patients=gone)  # fmt: skip
            record_store.remove(tx, gone, audit=event)

    def _count(self, statement: Statement, *, is_known: bool, is_changed: bool) -> None:
        if statement.is_void and is_known:
            self.summary.n_removed += 1
        elif not is_known and not statement.is_void:
            self.summary.n_added += 1
        elif is_changed:
            self.summary.n_updated += 1
        else:
            self.summary.n_unchanged += 1

    def _reject(self, statement: Statement, reason: str) -> None:
        rejection = self.summary.reject(statement.place, reason)
        if self.on_rejected is not None:
            self.on_rejected(SourceDocument(statement.place, statement.document), rejection)


def _batches(statements: Iterable[Statement]) -> Iterator[list[Statement]]:
    iterator = iter(statements)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _news(uuid: str, facts: Iterable[DeltaFact], known: dict[tuple[str, str], Standing]) -> list[DeltaFact]:
    """Return what facts tell anew, and note it as known."""
    news = []
    for fact in facts:
        key = uuid, fact.event.source_id
        taken = _taken(fact, known.get(key))
        if taken is not None:
            known[key] = delta_store.as_standing(taken)
            news.append(taken)
    return news


def _taken(fact: DeltaFact, before: Standing | None) -> DeltaFact | None:
    """Return the fact as it is to be kept beside what is known of it; None where it tells nothing new."""
    now = delta_store.as_standing(fact)
    if before is None:
        return None if fact.is_retracted else fact
    if not _is_same(before, now):
        return fact if now.sequence > before.sequence else None
    if now.known_at >= before.known_at:
        return None
    sooner: datetime = now.known_at  # told again, and known earlier than was thought
    return fact._replace(event=fact.event._replace(sequence=before.sequence + 1, known_at=sooner))


def _is_same(before: Standing, now: Standing) -> bool:
    if before.code == now.code == RETRACTED:
        return True
    is_dated = not (now.code.startswith(_PERSONAL))
    return (before.code, before.numeric_value, before.text_value) == (now.code, now.numeric_value, now.text_value) and (
        not is_dated or before.occurred_at == now.occurred_at
    )


_PERSONAL: Final = ("SEX", "STATE", "CITY", "PHONE")  # true since they were first told


def _withdrawn(uuid: str, delta: Delta, known: dict[tuple[str, str], Standing]) -> list[DeltaFact]:
    """Return the retraction of all that the source says of a person."""
    one = delta.facts[0]
    ids = [source_id for whose, source_id in known if whose == uuid]
    return [DeltaFact(one.event._replace(source_id=source_id), None, is_retracted=True) for source_id in ids]
