"""Messages: stored before they are acknowledged, then merged into records, each exactly once."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Final, NamedTuple

from iit.domain.audit import AuditEvent
from iit.domain.errors import InvalidInput, NotAllowed, NotFound, ServiceError, Unavailable
from iit.ingest.hl7.ack import acknowledge, batch_of, code_for
from iit.ingest.hl7.contents import Contents, Item, read_contents
from iit.ingest.hl7.header import MAPPED, salvaged_header
from iit.ingest.hl7.map import Mapper
from iit.ingest.hl7.reading import SOURCE, Mapped
from iit.ingest.hl7.strict import validate
from iit.services.identities import Identities
from iit.store import deltas as delta_store
from iit.store import inbox as inbox_store
from iit.store.database import Database, Transaction
from iit.store.inbox import Arrival, InboxRow, Key, Waiting
from iit.telemetry import inbox_depth, inbox_oldest_seconds, messages_total

log = logging.getLogger(__name__)

BATCH: Final = 100  # messages a transaction: one commit for many, and short enough to repeat one by one
PAUSES: Final = (timedelta(seconds=1), timedelta(seconds=10))  # after the first and second failure; the third is final
_IDLE_SECONDS: Final = 0.25
_AWAY_SECONDS: Final = 1.0
OTHER: Final = "other"


class Frame(NamedTuple):
    """Bytes that came, and from what address; None where the sender is known in another way.

    A strict one is held to the standard's own structures too.
    """

    raw: bytes
    address: str | None = None
    is_strict: bool = False

    def __repr__(self) -> str:
        return f"Frame({len(self.raw)} bytes)"


class _Judged(NamedTuple):
    """A message with its outcome so far and, if it is to be kept, how."""

    item: Item
    error: Exception | None
    arrival: Arrival | None


@dataclass
class WorkSummary:
    """What became of the messages worked on."""

    n_done: int = 0
    n_failed: int = 0
    n_dead: int = 0


class Depth(NamedTuple):
    """How many messages wait and are dead, and for how long the oldest waits."""

    n_waiting: int
    n_dead: int
    oldest_seconds: float


@dataclass(frozen=True)
class Inbox:
    """Takes messages in and works on them.

    Attributes:
        database: where both lie.
        mapper: what messages say.
        identities: whose they are.
        clock: the present time, aware.
    """

    database: Database
    mapper: Mapper
    identities: Identities = field(repr=False)
    clock: Callable[[], datetime]

    def receive(self, frames: Sequence[Frame], *, actor: str) -> list[bytes]:
        """Store what came, in one transaction, and return the acknowledgement of each frame, in order.

        AA is given only after the commit, AE where a message is at fault, AR where it is not accepted or cannot be
        stored now. A message that came before is answered as it was then and has no further effect. Never fails.
        """
        now = self.clock()
        contents = [self._read(frame) for frame in frames]
        judged = [
            [self._judge(item, now, is_strict=frame.is_strict) for item in one.items]
            for frame, one in zip(frames, contents, strict=True)
        ]
        arrivals = [one.arrival for group in judged for one in group if one.arrival is not None]
        kept = self._keep(arrivals, now, actor)
        return [_answer(one, group, kept, now) for one, group in zip(contents, judged, strict=True)]

    def refuse(self, head: bytes) -> bytes:
        """Return the answer to a frame that is too large, of which this is the beginning."""
        error = InvalidInput("it is too large", place="message")
        return acknowledge(salvaged_header(head), at=self.clock(), error=error)

    def work(self) -> WorkSummary:
        """Work on all messages that are due, those of a patient in the order they came.

        A message that fails rests, with those of its patient behind it, and is dead after three failures or when it
        can never succeed; all others go on.

        Raises:
            Unavailable: the database is away; what was not done is still there.
        """
        summary = WorkSummary()
        with self.database.transaction() as tx:
            if not inbox_store.has_due(tx, now=self.clock()):
                return summary
        for shard in range(inbox_store.SHARDS):
            while self._work_on(shard, summary) == BATCH:
                pass
        return summary

    def rows(self, *, state: str | None = None, limit: int = 100) -> list[InboxRow]:
        """Return messages without their content, newest first."""
        with self.database.transaction() as tx:
            return inbox_store.rows(tx, state=state, limit=limit)

    def show(self, message_id: int, *, actor: str) -> tuple[InboxRow, bytes | None]:
        """Return a message with its content, where that is still kept.

        Raises:
            NotFound: there is no such message.
        """
        event = AuditEvent(event_type="message_read", actor=actor, action="read", target=f"message:{message_id}")
        with self.database.transaction() as tx:
            row = inbox_store.find(tx, message_id)
            if row is None:
                raise NotFound("there is no such message", place=f"message {message_id}")
            return row, inbox_store.raw_of(tx, message_id, audit=event)

    def retry(self, message_ids: Sequence[int] | None, *, actor: str) -> list[int]:
        """Let dead messages be tried again, all where none are named; return which."""
        event = AuditEvent(event_type="messages_retried", actor=actor, action="update", target="inbox")
        with self.database.transaction() as tx:
            return inbox_store.retry(tx, message_ids, now=self.clock(), audit=event)

    def discard(self, message_id: int, *, actor: str) -> None:
        """Give a message up for good and remove its content.

        Raises:
            NotFound: no such message waits or is dead.
        """
        event = AuditEvent(event_type="message_discarded", actor=actor, action="delete", target=f"message:{message_id}")
        with self.database.transaction() as tx:
            if not inbox_store.discard(tx, message_id, now=self.clock(), audit=event):
                raise NotFound("no such message waits or is dead", place=f"message {message_id}")

    def depth(self) -> Depth:
        """Return how much there is to do."""
        with self.database.transaction() as tx:
            counts, oldest = inbox_store.depth(tx)
        age = 0.0 if oldest is None else (self.clock() - oldest).total_seconds()
        return Depth(counts["waiting"], counts["dead"], max(age, 0.0))

    def measure(self) -> None:
        """Set the figures of the inbox for Prometheus.

        Raises:
            Unavailable: the database is away.
        """
        depth = self.depth()
        inbox_depth.labels("waiting").set(depth.n_waiting)
        inbox_depth.labels("dead").set(depth.n_dead)
        inbox_oldest_seconds.set(depth.oldest_seconds)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Have a thread work on messages for a while; what it has begun at the end is finished."""
        stop = Event()
        worker = Thread(target=self._work_until, args=(stop,), name="inbox", daemon=True)
        worker.start()
        try:
            yield
        finally:
            stop.set()
            worker.join()

    def _work_until(self, stop: Event) -> None:
        while not stop.is_set():
            try:
                summary = self.work()
            except Unavailable:
                pause = _AWAY_SECONDS
            except Exception:  # the rim of a job: the next round may succeed
                log.exception("messages could not be worked on")
                pause = _AWAY_SECONDS
            else:
                pause = 0.0 if summary.n_done else _IDLE_SECONDS
            stop.wait(pause)

    def _read(self, frame: Frame) -> Contents:
        try:
            return read_contents(frame.raw, self.mapper.rules, frame.address)
        except Exception:  # the rim of a message: whatever it holds, its sender gets an answer
            log.exception("a frame could not be read")
            error = Unavailable("the message could not be read", place="message")
            return Contents([Item(salvaged_header(frame.raw), frame.raw, None, error)], is_batch=False)

    def _judge(self, item: Item, now: datetime, *, is_strict: bool) -> _Judged:
        try:
            mapped = self.mapper.map(item, received=now)
            if is_strict:
                validate(item.raw, item.header.codec)
        except ServiceError as error:
            return _Judged(item, error, None)
        except Exception as error:  # the rim of a message: a bug with one must not take others along
            log.exception("message could not be read")
            return _Judged(item, error, None)
        header = item.header
        key = Key(header.sender, header.control_id, hashlib.sha256(item.raw).digest())
        patient_key = None if mapped is None else self.identities.hash_of(mapped.identifiers[0])[:16]
        return _Judged(item, None, Arrival(key, header.kind, patient_key, item.raw))

    def _keep(self, arrivals: list[Arrival], now: datetime, actor: str) -> "dict[Key, datetime | Exception]":
        try:
            return dict(self._stored(arrivals, now, actor))
        except Unavailable as error:
            return dict.fromkeys((one.key for one in arrivals), error)
        except Exception as error:  # the rim of a message: of many, only the one that cannot be stored is refused
            log.exception("messages could not be stored")
            if len(arrivals) == 1:
                return {arrivals[0].key: error}
        kept: dict[Key, datetime | Exception] = {}
        for one in arrivals:
            kept |= self._keep([one], now, actor)
        return kept

    def _stored(self, arrivals: list[Arrival], now: datetime, actor: str) -> dict[Key, datetime]:
        if not arrivals:
            return {}
        event = AuditEvent(event_type="messages_received", actor=actor, action="create", target="inbox",
                           detail={"n": len(arrivals)})  # fmt: skip
        with self.database.transaction() as tx:
            return inbox_store.add(tx, arrivals, received=now, audit=event)

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

    def _process(self, tx: Transaction, due: list[Waiting]) -> None:
        mapped = [self.mapper.map_raw(bytes(one.raw), received=one.received_at) for one in due]
        told: list[Mapped] = [one for one in mapped if one is not None]
        event = AuditEvent(event_type="records_merged", actor="inbox", action="update", target="patients",
                           detail={"n": len(told)})  # fmt: skip
        delta_store.merge(tx, self.identities.deltas(tx, told), source=SOURCE, audit=event)
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
            messages_total.labels(_type_label(message.message_type), result).inc()
        name = f"n_{result}"
        setattr(summary, name, getattr(summary, name) + len(messages))


def _answer(contents: Contents, group: list[_Judged], kept: "dict[Key, datetime | Exception]", now: datetime) -> bytes:
    answers = []
    for one in group:
        at, error = now, one.error
        if one.arrival is not None:
            fate = kept[one.arrival.key]
            at, error = (now, fate) if isinstance(fate, Exception) else (fate, None)
        messages_total.labels(_type_label(one.item.header.kind), code_for(error)).inc()
        answers.append(acknowledge(one.item.header, at=at, error=error))
    return batch_of(answers, group[0].item.header) if contents.is_batch else answers[0]


def _type_label(kind: str) -> str:
    """Return a type of message as a label: senders must not be able to make new ones."""
    return kind if kind in MAPPED else OTHER
