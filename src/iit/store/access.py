"""Users, sessions of the pages and API keys. Secrets are stored only as hashes."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import api_keys, sessions, users


class UserRow(NamedTuple):
    """A user with the argon2id hash of the password."""

    user_name: str
    password_hash: str
    role: str


class KeyRow(NamedTuple):
    """An API key without its secret."""

    key_id: str
    secret_hash: bytes
    label: str
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


def find_user(tx: Transaction, user_name: str) -> UserRow | None:
    """Return an enabled user."""
    row = tx.execute(
        select(users.c.user_name, users.c.password_hash, users.c.role)
        .where(users.c.user_name == user_name)
        .where(users.c.disabled_at.is_(None))
    ).one_or_none()
    return None if row is None else UserRow(*row)


def save_user(tx: Transaction, user: UserRow, *, audit: AuditEvent) -> None:
    """Create a user or set the password and role of one."""
    statement = upsert(users).values(user._asdict())
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["user_name"],
            set_={"password_hash": statement.excluded.password_hash, "role": statement.excluded.role},
        )
    )
    audit_trail.write(tx, audit)


def save_session(
    tx: Transaction, token_hash: bytes, user_name: str, expires_at: datetime, *, audit: AuditEvent
) -> None:
    """Keep a session, and drop those that have ended."""
    tx.execute(delete(sessions).where(sessions.c.expires_at < func.now()))
    tx.execute(insert(sessions).values(token_hash=token_hash, user_name=user_name, expires_at=expires_at))
    audit_trail.write(tx, audit)


def session_user(tx: Transaction, token_hash: bytes) -> str | None:
    """Return the user of a session that has not ended."""
    return tx.execute(
        select(sessions.c.user_name)
        .join(users, users.c.user_name == sessions.c.user_name)
        .where(sessions.c.token_hash == token_hash)
        .where(sessions.c.expires_at > func.now())
        .where(users.c.disabled_at.is_(None))
    ).scalar_one_or_none()


def end_session(tx: Transaction, token_hash: bytes, *, audit: AuditEvent) -> None:
    """End a session."""
    tx.execute(delete(sessions).where(sessions.c.token_hash == token_hash))
    audit_trail.write(tx, audit)


def save_key(
    tx: Transaction, key_id: str, secret_hash: bytes, label: str, expires_at: datetime | None, *, audit: AuditEvent
) -> None:
    """Keep a new API key."""
    tx.execute(insert(api_keys).values(key_id=key_id, secret_hash=secret_hash, label=label, expires_at=expires_at))
    audit_trail.write(tx, audit)


def find_key(tx: Transaction, key_id: str) -> KeyRow | None:
    """Return an API key that is neither revoked nor expired."""
    row = tx.execute(
        select(*(api_keys.c[name] for name in KeyRow._fields))
        .where(api_keys.c.key_id == key_id)
        .where(api_keys.c.revoked_at.is_(None))
        .where(api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > func.now()))
    ).one_or_none()
    return None if row is None else KeyRow(*row)


def keys(tx: Transaction) -> list[KeyRow]:
    """Return all API keys, oldest first."""
    rows = tx.execute(select(*(api_keys.c[name] for name in KeyRow._fields)).order_by(api_keys.c.created_at))
    return [KeyRow(*row) for row in rows]


def revoke_key(tx: Transaction, key_id: str, *, audit: AuditEvent) -> bool:
    """Revoke a key; return whether it existed and was not revoked before."""
    changed = tx.execute(
        update(api_keys)
        .where(api_keys.c.key_id == key_id)
        .where(api_keys.c.revoked_at.is_(None))
        .values(revoked_at=func.now())
    ).rowcount
    audit_trail.write(tx, audit)
    return bool(changed)
