"""API keys. Secrets are stored only as keyed hashes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, insert, select, update

from iit.domain.access import Scope
from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import api_keys
from iit.store.scopes import save_scope, scope_of


class KeyRow(NamedTuple):
    """An API key without its secret."""

    key_id: str
    secret_hash: bytes
    label: str
    role: str
    actions: list[str] | None
    sees_everything: bool
    created_by: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    def __repr__(self) -> str:
        return "KeyRow()"


class Key(NamedTuple):
    """An API key and whom it may see."""

    row: KeyRow
    scope: Scope

    def __repr__(self) -> str:
        return "Key()"


class KeyWrite(NamedTuple):
    """A key to keep."""

    key_id: str
    secret_hash: bytes
    label: str
    role: str
    actions: Sequence[str] | None
    expires_at: datetime | None
    created_by: str

    def __repr__(self) -> str:
        return "KeyWrite()"


_COLUMNS = [api_keys.c[name] for name in KeyRow._fields]


def save(tx: Transaction, key: KeyWrite, scope: Scope, *, audit: AuditEvent) -> None:
    """Keep a new API key."""
    tx.execute(insert(api_keys).values(**key._asdict(), sees_everything=scope.everything))
    save_scope(tx, f"key:{key.key_id}", scope)
    audit_trail.write(tx, audit)


def find(tx: Transaction, key_id: str) -> Key | None:
    """Return an API key that is neither revoked nor expired."""
    row = tx.execute(
        select(*_COLUMNS)
        .where(api_keys.c.key_id == key_id)
        .where(api_keys.c.revoked_at.is_(None))
        .where(api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > func.now()))
    ).one_or_none()
    return None if row is None else _key(tx, KeyRow(*row))


def every(tx: Transaction) -> list[Key]:
    """Return all API keys, oldest first."""
    rows = [KeyRow(*row) for row in tx.execute(select(*_COLUMNS).order_by(api_keys.c.created_at, api_keys.c.key_id))]
    return [_key(tx, row) for row in rows]


def revoke(tx: Transaction, key_id: str, *, audit: AuditEvent) -> bool:
    """Revoke a key; return whether it existed and was not revoked before."""
    changed = tx.execute(
        update(api_keys)
        .where(api_keys.c.key_id == key_id)
        .where(api_keys.c.revoked_at.is_(None))
        .values(revoked_at=func.now())
    ).rowcount
    if changed:
        audit_trail.write(tx, audit)
    return bool(changed)


def expire(tx: Transaction, key_id: str, at: datetime) -> None:
    """Let a key end at a time, unless it ends sooner."""
    sooner = func.least(func.coalesce(api_keys.c.expires_at, at), at)
    tx.execute(update(api_keys).where(api_keys.c.key_id == key_id).values(expires_at=sooner))


def note_use(tx: Transaction, key_id: str, secret_hash: bytes) -> None:
    """Keep when a key was used, to the minute, and its hash under the present secret."""
    long_ago = func.now() - timedelta(minutes=1)
    used = api_keys.c.last_used_at
    tx.execute(
        update(api_keys)
        .where(api_keys.c.key_id == key_id)
        .where(used.is_(None) | (used < long_ago) | (api_keys.c.secret_hash != secret_hash))
        .values(last_used_at=func.now(), secret_hash=secret_hash)
    )


def _key(tx: Transaction, row: KeyRow) -> Key:
    return Key(row, scope_of(tx, f"key:{row.key_id}", sees_everything=row.sees_everything))
