"""Refresh tokens, each usable once. Stored only as keyed hashes."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Update, delete, exists, func, insert, select, update

from iit.domain.audit import AuditEvent
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import refresh_tokens


class TokenRow(NamedTuple):
    """A refresh token that has not expired, locked against other use."""

    token_hash: bytes
    family: UUID
    user_name: str
    used_at: datetime | None
    revoked_at: datetime | None

    def __repr__(self) -> str:
        return "TokenRow()"


def save(
    tx: Transaction, token_hash: bytes, family: UUID, user_name: str, expires_at: datetime, *, audit: AuditEvent
) -> None:
    """Keep a new refresh token, and drop those that have expired."""
    tx.execute(delete(refresh_tokens).where(refresh_tokens.c.expires_at < func.now()))
    values = {"token_hash": token_hash, "family": family, "user_name": user_name, "expires_at": expires_at}
    tx.execute(insert(refresh_tokens).values(values))
    audit_trail.write(tx, audit)


def find(tx: Transaction, hashes: Sequence[bytes]) -> TokenRow | None:
    """Return a refresh token and lock it, so that of two who show it at once only one is first."""
    row = tx.execute(
        select(*(refresh_tokens.c[name] for name in TokenRow._fields))
        .where(refresh_tokens.c.token_hash.in_(hashes))
        .where(refresh_tokens.c.expires_at > func.now())
        .with_for_update()
    ).one_or_none()
    return None if row is None else TokenRow(*row)


def use(tx: Transaction, token_hash: bytes) -> None:
    """Note that a refresh token was exchanged."""
    tx.execute(update(refresh_tokens).where(refresh_tokens.c.token_hash == token_hash).values(used_at=func.now()))


def revoke_family(tx: Transaction, family: UUID, *, audit: AuditEvent) -> None:
    """Revoke all tokens that came of one login."""
    tx.execute(_revoke().where(refresh_tokens.c.family == family))
    audit_trail.write(tx, audit)


def revoke_all(tx: Transaction, user_name: str | None = None) -> None:
    """Revoke all tokens of a user, or of everyone."""
    tx.execute(_revoke() if user_name is None else _revoke().where(refresh_tokens.c.user_name == user_name))


def is_alive(tx: Transaction, family: UUID) -> bool:
    """Tell whether a login still counts: it has a token that is neither revoked nor expired."""
    alive = (
        (refresh_tokens.c.family == family)
        & refresh_tokens.c.revoked_at.is_(None)
        & (refresh_tokens.c.expires_at > func.now())
    )
    return bool(tx.execute(select(exists().where(alive))).scalar_one())


def _revoke() -> Update:
    return update(refresh_tokens).where(refresh_tokens.c.revoked_at.is_(None)).values(revoked_at=func.now())
