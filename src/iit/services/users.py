"""Users: who they are, what they may do and whom they may see."""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from argon2 import PasswordHasher

from iit.domain.access import Credential, Principal, Role, Scope
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import InvalidInput, NotFound
from iit.services.credentials import CredentialCache
from iit.services.passwords import check_password
from iit.store import sessions as session_store
from iit.store import tokens as token_store
from iit.store import users as user_store
from iit.store.database import Database, Transaction
from iit.store.users import User

SINGLE_SIGN_ON: Final = "sso-"
"""How names of users of the identity provider begin; nobody else's do."""


@dataclass(frozen=True)
class Users:
    """Keeps users.

    Attributes:
        database: where they are.
        cache: is told of changes.
    """

    database: Database
    cache: CredentialCache
    _hasher: PasswordHasher = field(default_factory=PasswordHasher, repr=False)

    def save(self, user_name: str, password: str, role: str, *, who: Principal) -> None:
        """Create a user who sees everyone, or set a new password and role; open sessions and tokens end.

        Raises:
            InvalidInput: unknown role, unfit name, or a password that is short or easily guessed.
        """
        if role not in list(Role):
            raise InvalidInput(f"the role must be one of {', '.join(Role)}", place="role")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", user_name):
            raise InvalidInput("use lower-case letters, digits, dot, dash and underscore", place="user name")
        if user_name.startswith(SINGLE_SIGN_ON):
            raise InvalidInput("belongs to users of the identity provider", place="user name")
        check_password(password, user_name)
        hashed = self._hasher.hash(password)
        with self.database.transaction() as tx:
            user_store.save(tx, user_name, hashed, role, audit=_event(EventType.USER_SAVED, who, user_name))
            _end_all(tx, user_name)
        self.cache.forget()

    def set_scope(self, user_name: str, scope: Scope, *, who: Principal) -> None:
        """Set whom a user may see; running workers follow within five seconds.

        Raises:
            NotFound: there is no such user.
        """
        places = {"facilities": ",".join(sorted(scope.facilities)), "states": ",".join(sorted(scope.states))}
        told = replace(_event(EventType.USER_SCOPED, who, user_name), detail={"everyone": scope.everything, **places})
        with self.database.transaction() as tx:
            found = user_store.set_scope(tx, user_name, scope, audit=told)
        self.cache.forget()
        if not found:
            raise NotFound("there is no such user", place="user name")

    def disable(self, user_name: str, *, who: Principal) -> None:
        """Refuse a user from now on: sessions and tokens end, in all workers within five seconds.

        Raises:
            NotFound: there is no such enabled user.
        """
        with self.database.transaction() as tx:
            found = user_store.disable(tx, user_name, audit=_event(EventType.USER_DISABLED, who, user_name))
            _end_all(tx, user_name)
        self.cache.forget()
        if not found:
            raise NotFound("there is no such enabled user", place="user name")

    def every(self) -> list[User]:
        """Return all users."""
        with self.database.transaction() as tx:
            return user_store.every(tx)


def principal_of(user: User, credential: Credential) -> Principal:
    """Return a user as who is asking."""
    return Principal(
        name=f"user:{user.row.user_name}", role=Role(user.row.role), scope=user.scope, credential=credential
    )


def _end_all(tx: Transaction, user_name: str) -> None:
    session_store.end_all(tx, user_name)
    token_store.revoke_all(tx, user_name)


def _event(event_type: EventType, who: Principal, user_name: str) -> AuditEvent:
    return AuditEvent(event_type=event_type, actor=who.name, action="update", target=f"user:{user_name}")
