"""Tokens of others that were shown once: a second time they are refused."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from iit.store.database import Transaction
from iit.store.schema import seen_tokens


def take(tx: Transaction, token_hash: bytes, *, until: datetime, now: datetime) -> bool:
    """Note a token until it expires; return False where it was noted before. Those that have expired are removed."""
    tx.execute(delete(seen_tokens).where(seen_tokens.c.expires_at < now))
    statement = insert(seen_tokens).values(token_hash=token_hash, expires_at=until).on_conflict_do_nothing()
    return tx.execute(statement.returning(seen_tokens.c.token_hash)).first() is not None
