"""Working on stored messages: merged into records, each exactly once, those of a patient in order."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, InvalidInput, NotAllowed, ServiceError, Unavailable
from iit.ingest.hl7.header import MAPPED
from iit.ingest.hl7.map import Mapper
from iit.ingest.hl7.reading import SOURCE, Mapped
from iit.services.identities import TWO_PATIENTS, Identities
from iit.services.message_keys import MessageKeys
from iit.store import deltas as delta_store
from iit.store import inbox as inbox_store
from iit.store import privacy as privacy_store
from iit.store.database import Database, Transaction
from iit.store.inbox import Waiting
from iit.telemetry import messages_total

log = logging.getLogger(__name__)

BATCH: Final = 100  # messages a transaction: one commit for many, and short enough to repeat one by one
PAUSES: Final = (timedelta(seconds=1), timedelta(seconds=10))  # after the first and second failure; the third is final
FHIR: Final = "FHIR"
"""First part of the type of a FHIR body; the second is a type of bundle or resource that is read."""

_OTHER: Final = "other"


@dataclass
class WorkSummary:
    """What became of the messages worked on."""

    n_done: int = 0
    n_failed: int = 0
    n_dead: int = 0


Merge = Callable[[Transaction, Waiting], None]
"""What merges one message into records."""


@dataclass(frozen=True)
class Worker:
    """Works on messages.

    Attributes:
        database: where messages and records lie.
        mapper: what HL7 messages say.
        identities: whose they are.
        clock: the present time, aware.
        others: what merges messages that are no HL7, by the first part of their type.
        keys: what stored messages are sealed with.
    """

    database: Database
    mapper: Mapper
    identities: Identities = field(repr=False)
    clock: Callable[[], datetime]
    others: Mapping[str, Merge] = field(default_factory=dict, repr=False)
    keys: MessageKeys = field(default_factory=MessageKeys)

    def work(self) -> WorkSummary:
        """Work on all messages that are due, those of a patient in the order they came.

        A message that fails rests, with those of its patient behind it, and is dead after three failures or when it
        can never succeed; all others go on.

        Raises:
            Unavailable: the database is away, or a message is sealed with a key that is not set; what was not done is
                still there.
        """
        summary = WorkSummary()
        with self.database.transaction() as tx:
            if not inbox_store.has_due(tx, now=self.clock()):
                return summary
        busy = list(range(inbox_store.SHARDS))
        while busy:  # in turns: a shard that never empties must not keep the others waiting
            busy = [shard for shard in busy if self._work_on(shard, summary) == BATCH]
        return summary

    def _work_on(self, shard: int, summary: WorkSummary) -> int:
        """Work on the due messages of a shard, as many as go in one transaction; return how many there were."""
        due: list[Waiting] = []
        try:
            with self.database.transaction() as tx:
                if not inbox_store.claim_shard(tx, shard):
                    return 0
                due = inbox_store.due(tx, shard, now=self.clock(), limit=BATCH)
                if due:
                    self._process(tx, due)
        except Unavailable:
            raise
        except Exception:  # the rim of a job: one of them spoils the rest, so each goes alone
            if not due:
                raise
            self._one_by_one(shard, due, summary)
        else:
            self._count(due, "done", summary)
        return len(due)

    def _one_by_one(self, shard: int, due: list[Waiting], summary: WorkSummary) -> None:
        resting: set[bytes] = set()
        for message in due:
            if message.patient_key not in resting and self._alone(shard, message, summary):
                resting.add(message.patient_key)

    def _alone(self, shard: int, message: Waiting, summary: WorkSummary) -> bool:
        """Work on one message; return whether it failed and will be tried again."""
        try:
            with self.database.transaction() as tx:
                found = inbox_store.one_due(tx, message.id) if inbox_store.claim_shard(tx, shard) else None
                if found is None:
                    return False  # another worker has it
                self._process(tx, [found])
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the rim of a message; `_fail` tells what happened
            return self._fail(message, error, summary)
        self._count([message], "done", summary)
        return False

    def _process(self, tx: Transaction, stored: list[Waiting]) -> None:
        due = self.keys.opened(stored)
        others = [(merge, one) for one in due if (merge := self.others.get(form_of(one.message_type))) is not None]
        messages = [one for one in due if form_of(one.message_type) not in self.others]
        for merge, one in others:
            merge(tx, one)
        mapped = [self.mapper.map_raw(bytes(one.raw), received=one.received_at) for one in messages]
        told: list[Mapped] = [one for one in mapped if one is not None]
        event = AuditEvent(event_type=EventType.RECORDS_MERGED, actor="inbox", action="update", target="patients",
                           detail={"n": len(told)})  # fmt: skip
        deltas = self.identities.deltas(tx, told)
        if any(one.others for one in deltas):
            raise Conflict(TWO_PATIENTS, place="PID-3")
        erased = privacy_store.erased_among(tx, [one.patient_uuid for one in deltas])
        staying = [one for one in deltas if one.patient_uuid not in erased]
        delta_store.merge(tx, staying, source=SOURCE, audit=event)
        inbox_store.finish(tx, [one.id for one in due], now=self.clock())

    def _fail(self, message: Waiting, error: Exception, summary: WorkSummary) -> bool:
        """Note a failure; return whether the message will be tried again."""
        is_hopeless = isinstance(error, InvalidInput | NotAllowed)
        if not isinstance(error, ServiceError):
            log.error("message could not be worked on", exc_info=error)
        reason = str(error) if isinstance(error, ServiceError) else f"the service failed: {type(error).__name__}"
        now = self.clock()
        rests = not is_hopeless and message.tries < len(PAUSES)
        with self.database.transaction() as tx:
            next_try = now + PAUSES[message.tries] if rests else None
            inbox_store.fail(tx, message.id, error=reason, next_try=next_try, now=now)
        self._count([message], "failed" if rests else "dead", summary)
        return rests

    def _count(self, messages: Sequence[Waiting], result: str, summary: WorkSummary) -> None:
        for message in messages:
            messages_total.labels(type_label(message.message_type), result).inc()
        name = f"n_{result}"
        setattr(summary, name, getattr(summary, name) + len(messages))


def form_of(kind: str) -> str:
    """Return the first part of a message's type: `FHIR`, or what an HL7 message is about."""
    return kind.partition("^")[0]


def type_label(kind: str) -> str:
    """Return a type of message as a label: senders must not be able to make new ones."""
    return kind if kind in MAPPED or form_of(kind) == FHIR else _OTHER
