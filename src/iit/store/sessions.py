"""Sessions of the pages. Tokens are stored only as keyed hashes."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update

from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import sessions


def save(tx: Transaction, token_hash: bytes, user_name: str, expires_at: datetime, *, audit: AuditEvent) -> None:
    """Keep a session, and drop those that have ended."""
    tx.execute(delete(sessions).where(sessions.c.expires_at < func.now()))
    tx.execute(insert(sessions).values(token_hash=token_hash, user_name=user_name, expires_at=expires_at))
    audit_trail.write(tx, audit)


def use(tx: Transaction, hashes: Sequence[bytes], *, idle: timedelta) -> str | None:
    """Return the user of a session that has neither ended nor lain idle too long, and note that it is used."""
    row = tx.execute(
        select(sessions.c.token_hash, sessions.c.user_name, sessions.c.last_used_at < func.now() - timedelta(minutes=1))
        .where(sessions.c.token_hash.in_(hashes))
        .where(sessions.c.expires_at > func.now())
        .where(sessions.c.last_used_at > func.now() - idle)
    ).one_or_none()
    if row is None:
        return None
    token_hash, user_name, stale = row
    if stale:
        tx.execute(update(sessions).where(sessions.c.token_hash == token_hash).values(last_used_at=func.now()))
    return str(user_name)


def end(tx: Transaction, hashes: Sequence[bytes], *, audit: AuditEvent) -> None:
    """End a session."""
    tx.execute(delete(sessions).where(sessions.c.token_hash.in_(hashes)))
    audit_trail.write(tx, audit)


def end_all(tx: Transaction, user_name: str | None = None) -> None:
    """End all sessions of a user, or of everyone."""
    query = delete(sessions)
    tx.execute(query if user_name is None else query.where(sessions.c.user_name == user_name))
