"""The chain of the audit trail: every row carries an HMAC of itself and of the row before it.

A row is sealed in one form of bytes, the line that PostgreSQL's COPY writes for it, so that checking the trail costs
one statement and no interpretation. COPY escapes tabs and line ends: two different rows never give the same line.
"""

import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from iit.domain.audit import COLUMNS, AuditEvent, current_origin
from iit.domain.errors import Unavailable

GENESIS: Final = "genesis"
"""Key id of rows older than the chain: anyone can compute their HMAC; what holds them is the row that follows."""

NOTHING: Final = bytes(32)
"""What stands for the hash before the first row."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
)
_NOTED: Final = "iit.audit"

_HEAD: Final = """
SELECT seq, hash, clock_timestamp(), set_config('synchronous_commit', 'off', true) FROM audit_heads FOR UPDATE
"""
_WAIT: Final = "SELECT pg_logical_emit_message(true, 'iit', '')"
_APPEND: Final = """
WITH moved AS (UPDATE audit_heads SET seq = %(seq)s, hash = %(hash)s)
INSERT INTO audit_logs (seq, "timestamp", event_type, actor, action, target, outcome, detail, patients, address,
                        request_id, purpose, key_id, prev_hash, hash)
SELECT seq, %(now)s, event_type, actor, action, target, outcome, detail::json, patients::json, %(address)s,
       %(request_id)s, %(purpose)s, %(key_id)s, prev_hash, hash
FROM unnest(%(seqs)s::bigint[], %(types)s::text[], %(actors)s::text[], %(actions)s::text[], %(targets)s::text[],
            %(outcomes)s::text[], %(details)s::text[], %(patients)s::text[], %(prevs)s::bytea[], %(hashes)s::bytea[])
     AS row (seq, event_type, actor, action, target, outcome, detail, patients, prev_hash, hash)
"""


@dataclass(frozen=True)
class AuditKeys:
    """The keys of the chain: one seals, former ones still verify.

    Attributes:
        key_id: names the key that seals; written into every row.
        keys: all keys by their id, in the order in which they came into use.
    """

    key_id: str
    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def derived(cls, secret: bytes, former: Sequence[bytes] = ()) -> "AuditKeys":
        """Return the keys that follow from the service's secret and from former ones, newest first."""
        ring = {GENESIS: GENESIS.encode()}
        for one in (*reversed(former), secret):
            key = hmac.digest(one, b"iit audit trail 1", "sha256")
            key_id = hmac.digest(key, b"key id", "sha256").hex()[:12]
            ring.pop(key_id, None)
            ring[key_id] = key
        return cls(key_id, ring)

    def seal(self, line: bytes) -> bytes:
        """Return the HMAC-SHA256 of a line under the key in use."""
        return hmac.digest(self.keys[self.key_id], line, "sha256")


class _Row(NamedTuple):
    seq: int
    event_type: str
    actor: str
    action: str
    target: str
    outcome: str
    detail: str
    patients: str | None


def begin(connection: Connection) -> None:
    """Start a transaction's list of events."""
    connection.info[_NOTED] = []


def note(connection: Connection, events: Sequence[AuditEvent]) -> None:
    """Put events on the transaction's list; they are written as the last thing before its commit."""
    connection.info[_NOTED] += events


def noted(connection: Connection) -> Sequence[AuditEvent]:
    """Return the events on the transaction's list."""
    events: Sequence[AuditEvent] = connection.info.get(_NOTED, ())
    return events


def append(connection: Connection, keys: Callable[[], AuditKeys]) -> bool:
    """Write the events on the transaction's list to the end of the chain; return whether there were any.

    The lock on the chain's head is taken here, last of all locks, and held until the commit that follows. That commit
    does not wait for the disk, so that the next writer need not either: who appended calls `wait_for_disk` after it.

    Raises:
        Unavailable: the trail's end is not where its head says: nothing is committed.
    """
    events: list[AuditEvent] = connection.info.pop(_NOTED)
    if not events:
        return False
    head = connection.exec_driver_sql(_HEAD).one_or_none()
    if head is None:
        raise Unavailable("the head of the chain is missing: see `iit audit verify`", place="audit trail")
    parameters = _sealed([_row(place, event) for place, event in enumerate(events, head[0] + 1)], head, keys())
    try:
        connection.exec_driver_sql(_APPEND, parameters)
    except IntegrityError as cause:
        raise Unavailable("its end is not where its head says: see `iit audit verify`", place="audit trail") from cause
    return True


def wait_for_disk(connection: Connection) -> None:
    """Return when all that was committed before is on disk: until then nothing is given out.

    A transaction that only writes a mark waits as every commit does, and the log goes to disk in order: what was
    committed before it lies there too. Many writers wait for one write together, which those that hold the chain's head
    one after the other could not.
    """
    driver = driver_of(connection)
    driver.autocommit = True
    try:
        driver.execute(_WAIT)
    finally:
        driver.autocommit = False


def driver_of(connection: Connection) -> "psycopg.Connection[Any]":
    """Return the driver's own connection."""
    driver: psycopg.Connection[Any] | None = connection.connection.driver_connection
    if driver is None:  # pragma: no cover - a transaction always has its connection
        raise RuntimeError("the transaction has lost its connection")
    return driver


def _row(seq: int, event: AuditEvent) -> _Row:
    detail = json.dumps(dict(event.detail), allow_nan=False, separators=(",", ":"))
    patients = json.dumps(list(event.patients), separators=(",", ":")) if event.patients else None
    return _Row(seq, event.event_type, event.actor, event.action, event.target, event.outcome, detail, patients)


def _sealed(rows: Sequence[_Row], head: Sequence[object], keys: AuditKeys) -> dict[str, object]:
    _, last, now, _ = head
    assert isinstance(last, bytes)  # noqa: S101 - as the column is declared
    assert isinstance(now, datetime)  # noqa: S101 - as the function is declared
    origin = current_origin()
    hashes = [last]
    for row in rows:
        hashes.append(keys.seal(line_of(row, now, (*origin, keys.key_id), hashes[-1])))
    columns = list(zip(*rows, strict=True))
    names = ("seqs", "types", "actors", "actions", "targets", "outcomes", "details", "patients")
    return {
        **{name: list(column) for name, column in zip(names, columns, strict=True)},
        "prevs": hashes[:-1],
        "hashes": hashes[1:],
        "seq": rows[-1].seq,
        "hash": hashes[-1],
        "now": now,
        "address": origin.address,
        "request_id": origin.request_id,
        "purpose": str(origin.purpose),
        "key_id": keys.key_id,
    }


def line_of(row: Sequence[object], now: datetime, circumstances: Sequence[str], prev_hash: bytes) -> bytes:
    """Return the bytes that a row is sealed as.

    Args:
        row: seq, event type, actor, action, target, outcome, detail and patients; the last may be None.
        now: the row's timestamp.
        circumstances: address, request id, purpose and key id.
        prev_hash: the hash of the row before.
    """
    microseconds = (now - _EPOCH) // _MICROSECOND
    at = f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"
    fields = [str(row[0]), at, *(_escaped(one) for one in (*row[1:], *circumstances)), f"\\\\x{prev_hash.hex()}"]
    return "\t".join(fields).encode()


def _escaped(value: object) -> str:
    return "\\N" if value is None else str(value).translate(_ESCAPES)


def patiently(connection: Connection) -> None:
    """Let this transaction's statements take as long as a long trail needs."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


class Link(NamedTuple):
    """A row as the check needs it: what was sealed, and with what.

    Attributes:
        seq: its number.
        at: its timestamp, seconds since 1970.
        key_id: the key it was sealed with.
        line: what was sealed.
        prev_hash: hash of the row before, hexadecimal.
        hash: its own, hexadecimal.
    """

    seq: int
    at: float
    key_id: str
    line: bytes
    prev_hash: str
    hash: str


def links(connection: Connection, first: int, last: int) -> Iterator[Link]:
    """Yield the rows of the trail from one seq to another, both included, in order; memory stays flat."""
    columns = ", ".join('extract(epoch FROM "timestamp")' if one == "timestamp" else one for one in COLUMNS)
    rows = f"SELECT {columns} FROM audit_logs WHERE seq BETWEEN {first:d} AND {last:d} ORDER BY seq"  # noqa: S608
    patiently(connection)
    with driver_of(connection).cursor() as cursor, cursor.copy(f"COPY ({rows}) TO STDOUT") as copy:
        for data in copy:
            line, key_id, prev_hash, sealed = bytes(data).rsplit(b"\t", 3)
            seq, at, _ = line.split(b"\t", 2)
            yield Link(
                int(seq),
                float(at),
                key_id.decode(),
                b"\t".join((line, key_id, prev_hash)),
                prev_hash[3:].decode(),
                sealed[3:-1].decode(),
            )
