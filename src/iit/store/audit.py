"""Writing and reading the audit trail. The application's role may add and read, never change or remove."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, String, cast, func, or_, select, text

from iit.domain.audit import AuditEvent, EventType
from iit.store import chain
from iit.store.database import Transaction
from iit.store.schema import audit_heads, audit_logs

_PATIENT = "patient:"
_STARTS: Final = 4_927_010  # advisory lock of starts; any number that no one else takes


def write(tx: Transaction, *events: AuditEvent) -> None:
    """Add events to the transaction of the act they tell of: neither is committed without the other."""
    chain.note(tx, events)


class AuditRow(NamedTuple):
    """One row of the trail as it is shown."""

    seq: int
    timestamp: datetime
    event_type: str
    actor: str
    action: str
    target: str
    outcome: str
    detail: dict[str, Any]
    patients: list[str] | None
    address: str
    request_id: str
    purpose: str


class Head(NamedTuple):
    """Where the trail ends: as its head says, and as its rows are."""

    seq: int
    hash: bytes
    first_row: int | None
    last_row: int | None


@dataclass(frozen=True)
class AuditFilter:
    """Which rows to look at; None or empty means all.

    Attributes:
        since: first moment, included.
        until: last moment, excluded.
        event_types: one of these.
        actor: who acted.
        target: what was acted upon; `patient:<uuid>` also finds the lists that the patient was on.
        outcome: how it ended.
    """

    since: datetime | None = None
    until: datetime | None = None
    event_types: Sequence[str] = field(default=())
    actor: str | None = None
    target: str | None = None
    outcome: str | None = None


def head(tx: Transaction) -> Head | None:
    """Return where the trail ends, in one snapshot; None if its head is gone."""
    first = select(func.min(audit_logs.c.seq)).scalar_subquery()
    last = select(func.max(audit_logs.c.seq)).scalar_subquery()
    row = tx.execute(select(audit_heads.c.seq, audit_heads.c.hash, first, last)).one_or_none()
    return None if row is None else Head(*row)


def last_start(tx: Transaction) -> dict[str, Any] | None:
    """Return the detail of the newest start of the service; starts at the same time wait for each other."""
    tx.execute(select(func.pg_advisory_xact_lock(_STARTS)))
    query = select(audit_logs.c.detail).where(audit_logs.c.target == "service")
    query = query.where(audit_logs.c.event_type == EventType.SERVICE_STARTED).order_by(audit_logs.c.timestamp.desc())
    return tx.execute(query.limit(1)).scalar_one_or_none()


def hash_of(tx: Transaction, seq: int) -> bytes | None:
    """Return the hash of a row."""
    return tx.execute(select(audit_logs.c.hash).where(audit_logs.c.seq == seq)).scalar_one_or_none()


def span(tx: Transaction, since: datetime | None, until: datetime | None) -> tuple[int, int] | None:
    """Return first and last seq of the rows between two moments, the second excluded."""
    row = tx.execute(_chosen(AuditFilter(since, until), func.min(audit_logs.c.seq), func.max(audit_logs.c.seq))).one()
    return None if row[0] is None else (row[0], row[1])


def may_alter(tx: Transaction) -> bool:
    """Return whether the role that asks could change or remove rows: then only the chain guards the trail."""
    told = tx.execute(text("SELECT has_table_privilege('audit_logs', 'UPDATE, DELETE, TRUNCATE')"))
    return bool(told.scalar_one())


def search(tx: Transaction, wish: AuditFilter, *, limit: int | None = None, newest: bool) -> Iterator[AuditRow]:
    """Yield the rows that fit, newest or oldest first; memory stays flat."""
    query = _chosen(wish, *(audit_logs.c[name] for name in AuditRow._fields)).limit(limit)
    query = query.order_by(audit_logs.c.seq.desc() if newest else audit_logs.c.seq)
    chain.patiently(tx)
    for row in tx.execute(query.execution_options(yield_per=2_000)):
        yield AuditRow(*row)


class Affected(NamedTuple):
    """A patient whom an incident concerns."""

    patient_uuid: str
    n_events: int
    first_at: datetime
    last_at: datetime
    event_types: list[str]


def affected(tx: Transaction, wish: AuditFilter) -> Iterator[Affected]:
    """Yield the patients whom the acts that fit concern, with how often and when."""
    columns = (audit_logs.c.timestamp, audit_logs.c.event_type)
    single = _chosen(wish, func.substr(audit_logs.c.target, len(_PATIENT) + 1).label("patient"), *columns).where(
        audit_logs.c.target.startswith(_PATIENT)
    )
    named = func.json_array_elements_text(audit_logs.c.patients).label("patient")
    listed = _chosen(wish, named, *columns).where(audit_logs.c.patients.is_not(None))
    acts = single.union_all(listed).subquery()
    query = (
        select(
            acts.c.patient,
            func.count(),
            func.min(acts.c.timestamp),
            func.max(acts.c.timestamp),
            func.array_agg(acts.c.event_type.distinct()),
        )
        .group_by(acts.c.patient)
        .order_by(acts.c.patient)
    )
    chain.patiently(tx)
    for row in tx.execute(query.execution_options(yield_per=2_000)):
        yield Affected(*row)


def _chosen(wish: AuditFilter, *columns: Any) -> "Select[Any]":
    log = audit_logs.c
    query = select(*columns)
    if wish.since is not None:
        query = query.where(log.timestamp >= wish.since)
    if wish.until is not None:
        query = query.where(log.timestamp < wish.until)
    if wish.event_types:
        query = query.where(log.event_type.in_(wish.event_types))
    for name in ("actor", "outcome"):
        value = getattr(wish, name)
        if value is not None:
            query = query.where(log[name] == value)
    if wish.target is not None:
        named = log.target == wish.target
        if wish.target.startswith(_PATIENT):
            quoted = json.dumps(wish.target.removeprefix(_PATIENT))
            named = or_(named, cast(log.patients, String).contains(quoted, autoescape=True))
        query = query.where(named)
    return query
