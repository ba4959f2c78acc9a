"""Messages: stored before they are acknowledged, then merged into records, each exactly once."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Final, NamedTuple

from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import InvalidInput, NotFound, ServiceError, Unavailable
from iit.ingest.hl7.ack import acknowledge, batch_of, code_for
from iit.ingest.hl7.contents import Contents, Item, read_contents
from iit.ingest.hl7.header import salvaged_header
from iit.ingest.hl7.map import Mapper
from iit.ingest.hl7.strict import validate
from iit.services.background import working_beside
from iit.services.identities import Identities
from iit.services.inbox_work import Merge, Worker, WorkSummary, type_label
from iit.services.message_keys import MessageKeys
from iit.store import inbox as inbox_store
from iit.store.database import Database
from iit.store.inbox import Arrival, Content, InboxRow, Key
from iit.telemetry import messages_total

log = logging.getLogger(__name__)

_IDLE_SECONDS: Final = 0.25
_AWAY_SECONDS: Final = 1.0
RESEALED_AT_ONCE: Final = 500


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

    def __repr__(self) -> str:
        return "_Judged()"


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
        """Work on all messages that are due.

        Raises:
            Unavailable: the database is away; what was not done is still there.
        """
        return Worker(self.database, self.mapper, self.identities, self.clock, self.others, self.keys).work()

    def rows(self, *, state: str | None = None, limit: int = 100) -> list[InboxRow]:
        """Return messages without their content, newest first."""
        with self.database.transaction() as tx:
            return inbox_store.rows(tx, state=state, limit=limit)

    def show(self, message_id: int, *, actor: str) -> tuple[InboxRow, bytes | None]:
        """Return a message with its content, where that is still kept.

        Raises:
            NotFound: there is no such message. Unavailable: it is sealed with a key that is not set.
        """
        event = AuditEvent(
            event_type=EventType.MESSAGE_READ, actor=actor, action="read", target=f"message:{message_id}"
        )
        with self.database.transaction() as tx:
            row = inbox_store.find(tx, message_id)
            if row is None:
                raise NotFound("there is no such message", place=f"message {message_id}")
            kept = inbox_store.content_of(tx, message_id, audit=event)
            return row, None if kept is None else self.keys.open(kept.content, kept.content_hash)

    def retry(self, message_ids: Sequence[int] | None, *, actor: str) -> list[int]:
        """Let dead messages be tried again, all where none are named; return which."""
        event = AuditEvent(event_type=EventType.MESSAGES_RETRIED, actor=actor, action="update", target="inbox")
        with self.database.transaction() as tx:
            return inbox_store.retry(tx, message_ids, now=self.clock(), audit=event)

    def discard(self, message_id: int, *, actor: str) -> None:
        """Give a message up for good and remove its content.

        Raises:
            NotFound: no such message waits or is dead.
        """
        event = AuditEvent(
            event_type=EventType.MESSAGE_DISCARDED, actor=actor, action="delete", target=f"message:{message_id}"
        )
        with self.database.transaction() as tx:
            if not inbox_store.discard(tx, message_id, now=self.clock(), audit=event):
                raise NotFound("no such message waits or is dead", place=f"message {message_id}")

    def reseal(self, *, actor: str, unsealed: bool = False) -> int:
        """Seal all kept messages with the present key, whatever they are sealed with now; return how many were changed.

        Done some at a time: broken off, the next call goes on with the rest.

        Args:
            actor: who wants it.
            unsealed: keep them as they came instead, before the keys are taken away.

        Raises:
            Unavailable: a key that messages are sealed with is not set.
        """
        keys = MessageKeys() if unsealed else self.keys
        n_changed = 0
        while n := self._reseal_some(keys, actor):
            n_changed += n
        return n_changed

    def _reseal_some(self, keys: MessageKeys, actor: str) -> int:
        with self.database.transaction() as tx:
            kept = inbox_store.not_sealed_with(tx, keys.present, limit=RESEALED_AT_ONCE)
            if kept:
                contents = [
                    (one.id, keys.seal(self.keys.open(one.content, one.content_hash), one.content_hash)) for one in kept
                ]
                event = AuditEvent(event_type=EventType.MESSAGES_RESEALED, actor=actor, action="update", target="inbox",
                                   detail={"n": len(kept), "key_id": keys.present})  # fmt: skip
                inbox_store.put_contents(tx, contents, audit=event)
        return len(kept)

    def depth(self) -> Depth:
        """Return how much there is to do."""
        with self.database.transaction() as tx:
            counts, oldest = inbox_store.depth(tx)
        age = 0.0 if oldest is None else (self.clock() - oldest).total_seconds()
        return Depth(counts["waiting"], counts["dead"], max(age, 0.0))

    @contextmanager
    def working(self) -> Iterator[None]:
        """Have a thread work on messages for a while; what it has begun at the end is finished."""
        with working_beside(self._work_until, "inbox"):
            yield

    def _work_until(self, stop: Event) -> None:
        has_resealed = not self.keys.keys
        while not stop.is_set():
            try:
                if not has_resealed:
                    self.reseal(actor="inbox")
                    has_resealed = True
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
        patient_key = None if mapped is None else self.identities.patient_key(mapped.identifiers[0])
        return _Judged(item, None, Arrival(key, header.kind, patient_key, Content(item.raw, None)))

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
        event = AuditEvent(event_type=EventType.MESSAGES_RECEIVED, actor=actor, action="create", target="inbox",
                           detail={"n": len(arrivals)})  # fmt: skip
        with self.database.transaction() as tx:
            return inbox_store.add(tx, self.keys.sealed(arrivals), received=now, audit=event)


def _answer(contents: Contents, group: list[_Judged], kept: "dict[Key, datetime | Exception]", now: datetime) -> bytes:
    answers = []
    for one in group:
        at, error = now, one.error
        if one.arrival is not None:
            fate = kept[one.arrival.key]
            at, error = (now, fate) if isinstance(fate, Exception) else (fate, None)
        messages_total.labels(type_label(one.item.header.kind), code_for(error)).inc()
        answers.append(acknowledge(one.item.header, at=at, error=error))
    return batch_of(answers, group[0].item.header) if contents.is_batch else answers[0]
