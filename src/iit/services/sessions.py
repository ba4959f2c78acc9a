"""Sessions of the pages: a random token in a cookie, kept only as a keyed hash."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from iit.domain.access import Credential
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import NotAuthenticated
from iit.services.credentials import CredentialCache, Found
from iit.services.keyring import Keyring
from iit.services.logins import Logins, Origin
from iit.services.users import principal_of
from iit.store import sessions as session_store
from iit.store import users as user_store
from iit.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Opens, finds and ends sessions.

    Attributes:
        database: where they are.
        keyring: what their hashes depend on.
        cache: is told when one ends.
        logins: checks names and passwords.
        clock: the present time, aware.
        lasts: how long one lasts at most.
        idle: how long one may lie unused.
    """

    database: Database
    keyring: Keyring
    cache: CredentialCache
    logins: Logins
    clock: Callable[[], datetime]
    lasts: timedelta
    idle: timedelta

    def open(self, user_name: str, password: str, origin: Origin) -> str:
        """Open a session and return its token.

        Raises:
            NotAuthenticated: wrong name or password. RateLimited: too many were wrong.
        """
        user = self.logins.check(user_name, password, origin)
        return self.open_for(user.row.user_name, {"address": origin.address})

    def open_for(self, user_name: str, detail: Mapping[str, str]) -> str:
        """Open a session of somebody who has shown who they are, and return its token."""
        token = secrets.token_urlsafe(32)
        name = f"user:{user_name}"
        event = AuditEvent(event_type=EventType.LOGIN, actor=name, action="execute", target=name,
                           detail={**detail, "credential": Credential.SESSION})  # fmt: skip
        with self.database.transaction() as tx:
            session_store.save(tx, self.keyring.hash("session", token), user_name, self._end(), audit=event)
        return token

    def look_up(self, token: str) -> Found:
        """Return whose a session is.

        Raises:
            NotAuthenticated: there is none, or it has ended.
        """
        with self.database.transaction() as tx:
            name = session_store.use(tx, self.keyring.hashes("session", token), idle=self.idle)
            user = None if name is None else user_store.find(tx, name)
        if user is None or not self.logins.admits(user):
            raise NotAuthenticated("the session has ended: log in again")
        return Found(principal_of(user, Credential.SESSION), None)

    def close(self, token: str) -> None:
        """End a session; one that has ended already stays ended."""
        hashes = self.keyring.hashes("session", token)
        with self.database.transaction() as tx:
            name = session_store.use(tx, hashes, idle=self.idle)
            if name is not None:
                who = f"user:{name}"
                event = AuditEvent(event_type=EventType.LOGOUT, actor=who, action="execute", target=who)
                session_store.end(tx, hashes, audit=event)
        if name is not None:
            self.cache.forget()

    def csrf_token(self, token: str) -> str:
        """Return the token that forms of a session must carry."""
        return self.keyring.hash("csrf", token).hex()

    def _end(self) -> datetime:
        return self.clock() + self.lasts
