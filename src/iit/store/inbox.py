"""The inbox: messages as they came, what became of each, and which is to be worked on next."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, func, or_, select, update

from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.many import arrays, inserting
from iit.store.schema import inbox

SHARDS: Final = 8
_LOCKS: Final = 4_927_005  # class of the advisory locks of shards; any number that no one else takes


PATIENT_KEY_BYTES: Final = 16  # of the keyed hash of a person's surest identifier


class Key(NamedTuple):
    """What makes a message the same one when it comes again."""

    sender: str
    control_id: str
    content_hash: bytes

    def __repr__(self) -> str:
        return "Key()"


class Content(NamedTuple):
    """What a message says, as it is stored: as it came, or sealed with the key of this id."""

    raw: bytes
    key_id: str | None

    def __repr__(self) -> str:
        return "Content()"


class Arrival(NamedTuple):
    """A message to be stored. `patient_key` is None of one that is acknowledged and left alone."""

    key: Key
    message_type: str
    patient_key: bytes | None
    content: Content

    def __repr__(self) -> str:
        return "Arrival()"


class Waiting(NamedTuple):
    """A message to be worked on."""

    id: int
    raw: bytes
    received_at: datetime
    patient_key: bytes
    tries: int
    message_type: str
    content_hash: bytes
    key_id: str | None

    def __repr__(self) -> str:
        return "Waiting()"


class Kept(NamedTuple):
    """A message whose content is still there."""

    id: int
    content_hash: bytes
    content: Content

    def __repr__(self) -> str:
        return "Kept()"


class InboxRow(NamedTuple):
    """A message without its content."""

    id: int
    sender: str
    control_id: str
    message_type: str
    state: str
    tries: int
    error: str | None
    received_at: datetime
    next_try_at: datetime
    finished_at: datetime | None

    def __repr__(self) -> str:
        return "InboxRow()"


_IS_OPEN: Final = or_(inbox.c.state == "waiting", inbox.c.state == "dead")
_ROW: Final = [inbox.c[name] for name in InboxRow._fields]
_WAITING: Final = [inbox.c[name] for name in Waiting._fields]
_KEPT: Final = [inbox.c[name] for name in ("id", "content_hash", "raw", "key_id")]


_RECEIVED: Final = [inbox.c[name] for name in (*Key._fields, "received_at")]
_COLUMNS: Final = (
    *Key._fields, "message_type", "patient_key", "shard", "raw", "key_id", "state", "received_at", "next_try_at",
    "finished_at",
)  # fmt: skip
_ADD: Final = inserting(inbox, _COLUMNS).on_conflict_do_nothing(index_elements=list(Key._fields)).returning(*_RECEIVED)

_REVIVED: Final = ("raw", "key_id", "state", "received_at", "next_try_at", "finished_at")
_FRESH: Final = inserting(inbox, _COLUMNS)
_ADD_OR_REVIVE: Final = _FRESH.on_conflict_do_update(
    index_elements=list(Key._fields),
    set_={**{name: _FRESH.excluded[name] for name in _REVIVED}, "tries": 0, "error": None},
    where=or_(inbox.c.state == "dead", inbox.c.state == "discarded"),
)


def add(tx: Transaction, arrivals: Sequence[Arrival], *, received: datetime, audit: AuditEvent) -> dict[Key, datetime]:
    """Keep messages that are not there yet; return when each was first received. Idempotent."""
    fresh = {arrival.key: arrival for arrival in arrivals}
    if not fresh:
        return {}
    rows = [_row(arrival, received) for _, arrival in sorted(fresh.items())]
    found = _received(tx.execute(_ADD, arrays(_COLUMNS, rows)))
    if again := fresh.keys() - found.keys():
        found |= _first_received(tx, again)
    audit_trail.write(tx, audit)
    return {key: found[key] for key in fresh}


def _first_received(tx: Transaction, keys: Collection[Key]) -> dict[Key, datetime]:
    query = (
        select(*_RECEIVED)
        .where(inbox.c.sender.in_({key.sender for key in keys}))
        .where(inbox.c.control_id.in_([key.control_id for key in keys]))
        .where(inbox.c.content_hash.in_([key.content_hash for key in keys]))
    )
    return _received(tx.execute(query))


def _received(rows: Iterable[Any]) -> dict[Key, datetime]:
    return {Key(row.sender, row.control_id, bytes(row.content_hash)): row.received_at for row in rows}


def add_for_now(
    tx: Transaction, arrivals: Sequence[Arrival], *, received: datetime, due: datetime, audit: AuditEvent
) -> list[Waiting]:
    """Keep messages that are worked on at once by who keeps them, and by others only from `due` on.

    One that was refused, or gave up, before is taken again. Idempotent. Returns those that wait, in order of arrival.
    """
    fresh = {arrival.key: arrival for arrival in arrivals}
    if not fresh:
        return []
    rows = [{**_row(arrival, received), "next_try_at": due} for _, arrival in sorted(fresh.items())]
    tx.execute(_ADD_OR_REVIVE, arrays(_COLUMNS, rows))
    query = select(*_WAITING).where(inbox.c.state == "waiting")
    query = query.where(inbox.c.sender.in_({key.sender for key in fresh}))
    query = query.where(inbox.c.content_hash.in_([key.content_hash for key in fresh])).order_by(inbox.c.id)
    audit_trail.write(tx, audit)
    return [Waiting(*row) for row in tx.execute(query)]


def has_due(tx: Transaction, *, now: datetime) -> bool:
    """Return whether any message is to be worked on."""
    query = select(inbox.c.id).where(inbox.c.state == "waiting").where(inbox.c.next_try_at <= now).limit(1)
    return tx.execute(query).first() is not None


def claim_shard(tx: Transaction, shard: int) -> bool:
    """Take a shard for this transaction; return False where another worker has it."""
    return bool(tx.execute(select(func.pg_try_advisory_xact_lock(_LOCKS, shard))).scalar_one())


def due(tx: Transaction, shard: int, *, now: datetime, limit: int) -> list[Waiting]:
    """Return the messages of a claimed shard to be worked on, oldest first.

    Those of a patient with an earlier message that rests after a failure are not among them.
    """
    resting = (
        select(inbox.c.patient_key)
        .where(inbox.c.state == "waiting")
        .where(inbox.c.tries > 0)
        .where(inbox.c.next_try_at > now)
    )
    query = (
        select(*_WAITING)
        .where(inbox.c.state == "waiting")
        .where(inbox.c.shard == shard)
        .where(inbox.c.next_try_at <= now)
        .where(inbox.c.patient_key.not_in(resting))
        .order_by(inbox.c.id)
        .limit(limit)
    )
    return [Waiting(*row) for row in tx.execute(query)]


def one_due(tx: Transaction, message_id: int) -> Waiting | None:
    """Return a message if it still waits, locked against other workers."""
    query = select(*_WAITING).where(inbox.c.id == message_id).where(inbox.c.state == "waiting").with_for_update()
    row = tx.execute(query).one_or_none()
    return None if row is None else Waiting(*row)


def finish(tx: Transaction, message_ids: Sequence[int], *, now: datetime) -> None:
    """Note that messages are done. Their content goes: what they said is in the records."""
    tx.execute(
        update(inbox)
        .where(inbox.c.id.in_(message_ids))
        .values(state="done", raw=None, key_id=None, error=None, finished_at=now)
    )  # fmt: skip


def fail(tx: Transaction, message_id: int, *, error: str, next_try: datetime | None, now: datetime) -> None:
    """Note a failed try: the message rests until `next_try`, or is dead where there is none."""
    values = {"tries": inbox.c.tries + 1, "error": error}
    if next_try is None:
        tx.execute(update(inbox).where(inbox.c.id == message_id).values(**values, state="dead", finished_at=now))
    else:
        tx.execute(update(inbox).where(inbox.c.id == message_id).values(**values, next_try_at=next_try))


def refuse(tx: Transaction, message_id: int, *, error: str, now: datetime) -> None:
    """Give up a message whose sender is told why, and remove its content."""
    values = {"state": "discarded", "raw": None, "key_id": None, "error": error, "finished_at": now}
    tx.execute(update(inbox).where(inbox.c.id == message_id).values(**values))


def retry(tx: Transaction, message_ids: Sequence[int] | None, *, now: datetime, audit: AuditEvent) -> list[int]:
    """Let dead messages wait again, all where none are named; return which."""
    query = update(inbox).where(inbox.c.state == "dead")
    if message_ids is not None:
        query = query.where(inbox.c.id.in_(message_ids))
    changed = query.values(state="waiting", tries=0, next_try_at=now, finished_at=None).returning(inbox.c.id)
    found = sorted(tx.execute(changed).scalars())
    if found:
        audit_trail.write(tx, audit)
    return found


def discard(tx: Transaction, message_id: int, *, now: datetime, audit: AuditEvent) -> bool:
    """Give a waiting or dead message up and remove its content; return False where there is none."""
    query = (
        update(inbox)
        .where(inbox.c.id == message_id)
        .where(_IS_OPEN)
        .values(state="discarded", raw=None, key_id=None, finished_at=now)
    )
    done = tx.execute(query).rowcount > 0
    if done:
        audit_trail.write(tx, audit)
    return done


def rows(tx: Transaction, *, state: str | None, limit: int) -> list[InboxRow]:
    """Return messages, newest first."""
    query = select(*_ROW).order_by(inbox.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(inbox.c.state == state)
    return [InboxRow(*row) for row in tx.execute(query)]


def find(tx: Transaction, message_id: int) -> InboxRow | None:
    """Return a message without its content."""
    row = tx.execute(select(*_ROW).where(inbox.c.id == message_id)).one_or_none()
    return None if row is None else InboxRow(*row)


def content_of(tx: Transaction, message_id: int, *, audit: AuditEvent) -> Kept | None:
    """Return the content of a message, where it is still kept."""
    audit_trail.write(tx, audit)
    row = tx.execute(select(*_KEPT).where(inbox.c.id == message_id).where(inbox.c.raw.is_not(None))).one_or_none()
    return None if row is None else _kept(row)


def not_sealed_with(tx: Transaction, key_id: str | None, *, limit: int) -> list[Kept]:
    """Return some messages whose content is kept in another form than with this key, locked; None is no key."""
    query = select(*_KEPT).where(_IS_OPEN)
    query = query.where(inbox.c.raw.is_not(None)).where(inbox.c.key_id.is_distinct_from(key_id))
    return [_kept(row) for row in tx.execute(query.order_by(inbox.c.id).limit(limit).with_for_update())]


def put_contents(tx: Transaction, contents: Sequence[tuple[int, Content]], *, audit: AuditEvent) -> None:
    """Store the contents of locked messages in another form."""
    statement = update(inbox).where(inbox.c.id == bindparam("of")).values(raw=bindparam("new"), key_id=bindparam("by"))
    tx.execute(statement, [{"of": of, "new": content.raw, "by": content.key_id} for of, content in contents])
    audit_trail.write(tx, audit)


def key_ids(tx: Transaction) -> set[str]:
    """Return the ids of the keys that kept contents are sealed with."""
    query = select(inbox.c.key_id).distinct().where(_IS_OPEN)
    return set(tx.execute(query.where(inbox.c.key_id.is_not(None))).scalars())


def depth(tx: Transaction) -> tuple[Mapping[str, int], datetime | None]:
    """Return how many messages wait and how many are dead, and since when the oldest waits."""
    query = select(inbox.c.state, func.count(), func.min(inbox.c.received_at)).where(_IS_OPEN).group_by(inbox.c.state)
    found = {row[0]: (row[1], row[2]) for row in tx.execute(query)}
    counts = {state: found.get(state, (0, None))[0] for state in ("waiting", "dead")}
    return counts, found.get("waiting", (0, None))[1]


def _kept(row: Any) -> Kept:
    return Kept(row.id, bytes(row.content_hash), Content(bytes(row.raw), row.key_id))


def _row(arrival: Arrival, received: datetime) -> dict[str, object]:
    is_kept = arrival.patient_key is not None
    return {
        **arrival.key._asdict(),
        "message_type": arrival.message_type,
        "patient_key": arrival.patient_key,
        "shard": arrival.patient_key[0] % SHARDS if arrival.patient_key else 0,
        "raw": arrival.content.raw if is_kept else None,
        "key_id": arrival.content.key_id if is_kept else None,
        "state": "waiting" if is_kept else "ignored",
        "received_at": received,
        "next_try_at": received,
        "finished_at": None if is_kept else received,
    }
