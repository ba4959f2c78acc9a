"""Users, each with a hashed password, a role and a scope."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from iit.domain.access import Scope
from iit.domain.audit import AuditEvent, EventType
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import users
from iit.store.scopes import save_scope, scope_of

NO_PASSWORD: Final = "none"  # noqa: S105 - tells that there is none
"""In place of a hash: whom an identity provider vouches for has no password here."""


class UserRow(NamedTuple):
    """A user with the argon2id hash of the password."""

    user_name: str
    password_hash: str
    role: str
    sees_everything: bool
    disabled_at: datetime | None
    last_login_at: datetime | None

    def __repr__(self) -> str:
        return "UserRow()"


class User(NamedTuple):
    """A user and whom they may see."""

    row: UserRow
    scope: Scope

    def __repr__(self) -> str:
        return "User()"


_COLUMNS = [users.c[name] for name in UserRow._fields]


def find(tx: Transaction, user_name: str) -> User | None:
    """Return an enabled user."""
    query = select(*_COLUMNS).where(users.c.user_name == user_name).where(users.c.disabled_at.is_(None))
    row = tx.execute(query).one_or_none()
    return None if row is None else _user(tx, UserRow(*row))


def every(tx: Transaction) -> list[User]:
    """Return all users, by name."""
    rows: Sequence[UserRow] = [UserRow(*row) for row in tx.execute(select(*_COLUMNS).order_by(users.c.user_name))]
    return [_user(tx, row) for row in rows]


def save(tx: Transaction, user_name: str, password_hash: str, role: str, *, audit: AuditEvent) -> None:
    """Create a user who sees everything, or set the password and role of one and enable them again."""
    _note_changes(tx, user_name, role, audit)
    statement = upsert(users).values(user_name=user_name, password_hash=password_hash, role=role)
    changed = {"password_hash": statement.excluded.password_hash, "role": statement.excluded.role, "disabled_at": None}
    tx.execute(statement.on_conflict_do_update(index_elements=["user_name"], set_=changed))
    audit_trail.write(tx, audit)


def save_external(tx: Transaction, user_name: str, role: str, scope: Scope, *, audit: AuditEvent) -> bool:
    """Keep role and scope of a user without a password here; return False for one who is disabled, and stays so."""
    if is_disabled(tx, user_name):
        return False
    _note_changes(tx, user_name, role, audit)
    statement = upsert(users).values(
        user_name=user_name, password_hash=NO_PASSWORD, role=role, sees_everything=scope.everything
    )
    kept = tx.execute(
        statement.on_conflict_do_update(
            index_elements=["user_name"],
            set_={"role": role, "sees_everything": scope.everything, "last_login_at": func.now()},
            where=users.c.disabled_at.is_(None),
        ).returning(users.c.user_name)
    ).first()
    if kept is not None:
        save_scope(tx, f"user:{user_name}", scope)
        audit_trail.write(tx, audit)
    return kept is not None


def is_disabled(tx: Transaction, user_name: str) -> bool:
    """Tell whether a user is known and refused."""
    query = select(users.c.disabled_at).where(users.c.user_name == user_name)
    return tx.execute(query).scalar_one_or_none() is not None


def set_scope(tx: Transaction, user_name: str, scope: Scope, *, audit: AuditEvent) -> bool:
    """Set whom a user may see; return whether there is such a user."""
    changed = tx.execute(
        update(users).where(users.c.user_name == user_name).values(sees_everything=scope.everything)
    ).rowcount
    if changed:
        save_scope(tx, f"user:{user_name}", scope)
        audit_trail.write(tx, audit)
    return bool(changed)


def disable(tx: Transaction, user_name: str, *, audit: AuditEvent) -> bool:
    """Refuse a user from now on; return whether there was such an enabled user."""
    changed = tx.execute(
        update(users)
        .where(users.c.user_name == user_name)
        .where(users.c.disabled_at.is_(None))
        .values(disabled_at=func.now())
    ).rowcount
    if changed:
        audit_trail.write(tx, audit)
    return bool(changed)


def note_login(tx: Transaction, user_name: str, password_hash: str) -> None:
    """Keep when somebody logged in, and the hash of their password, which may be stronger than before."""
    tx.execute(
        update(users)
        .where(users.c.user_name == user_name)
        .values(last_login_at=func.now(), password_hash=password_hash)
    )


def _note_changes(tx: Transaction, user_name: str, role: str, audit: AuditEvent) -> None:
    """Put on the trail that a known user gets another role or may log in again, as done by who saves the user."""
    query = select(users.c.role, users.c.disabled_at).where(users.c.user_name == user_name).with_for_update()
    known = tx.execute(query).one_or_none()
    if known is None:
        return
    if known.role != role:
        changed = {"role": role, "former": known.role}
        audit_trail.write(tx, replace(audit, event_type=EventType.ROLE_CHANGED, detail=changed))
    if known.disabled_at is not None:
        audit_trail.write(tx, replace(audit, event_type=EventType.USER_ENABLED, detail={}))


def _user(tx: Transaction, row: UserRow) -> User:
    return User(row, scope_of(tx, f"user:{row.user_name}", sees_everything=row.sees_everything))
