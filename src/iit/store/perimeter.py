"""Addresses that are kept out, and the emergency lock-down."""

from typing import NamedTuple

from sqlalchemy import cast, delete, select
from sqlalchemy.dialects.postgresql import CIDR
from sqlalchemy.dialects.postgresql import insert as upsert

from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import blocked_addresses, lockdown


class Block(NamedTuple):
    """A network that is kept out."""

    network: str
    reason: str
    blocked_by: str


class PerimeterRow(NamedTuple):
    """What is shut."""

    lock_reason: str | None
    blocks: list[Block]


def read(tx: Transaction) -> PerimeterRow:
    """Return whether the service is locked and which networks are kept out."""
    reason = tx.execute(select(lockdown.c.reason)).scalar_one_or_none()
    rows = tx.execute(
        select(*(blocked_addresses.c[name] for name in Block._fields)).order_by(blocked_addresses.c.network)
    )
    return PerimeterRow(reason, [Block(str(network), reason, by) for network, reason, by in rows])


def lock(tx: Transaction, reason: str, *, audit: AuditEvent) -> None:
    """Lock the service."""
    statement = upsert(lockdown).values(locked=True, reason=reason, locked_by=audit.actor)
    changed = {"reason": statement.excluded.reason, "locked_by": statement.excluded.locked_by}
    tx.execute(statement.on_conflict_do_update(index_elements=["locked"], set_=changed))
    audit_trail.write(tx, audit)


def unlock(tx: Transaction, *, audit: AuditEvent) -> bool:
    """Unlock the service; return whether it was locked."""
    changed = tx.execute(delete(lockdown)).rowcount
    audit_trail.write(tx, audit)
    return bool(changed)


def block(tx: Transaction, network: str, reason: str, *, audit: AuditEvent) -> None:
    """Keep a network out."""
    statement = upsert(blocked_addresses).values(network=network, reason=reason, blocked_by=audit.actor)
    changed = {"reason": statement.excluded.reason, "blocked_by": statement.excluded.blocked_by}
    tx.execute(statement.on_conflict_do_update(index_elements=["network"], set_=changed))
    audit_trail.write(tx, audit)


def unblock(tx: Transaction, network: str, *, audit: AuditEvent) -> bool:
    """Let a network in again; return whether it was kept out."""
    changed = tx.execute(delete(blocked_addresses).where(blocked_addresses.c.network == cast(network, CIDR))).rowcount
    if changed:
        audit_trail.write(tx, audit)
    return bool(changed)
