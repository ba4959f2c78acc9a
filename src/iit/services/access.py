"""Who is asking, and whether they may: the one question that every door puts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NoReturn

from iit.domain.access import Action, Credential, Principal, Role
from iit.domain.errors import InvalidKey, InvalidToken, NotAllowed, NotAuthenticated
from iit.services.credentials import CredentialCache, Found
from iit.services.emr_tokens import is_signed_elsewhere
from iit.services.keyring import Keyring
from iit.services.keys import Keys
from iit.services.logins import Logins
from iit.services.perimeter import Perimeter
from iit.services.refusals import note_refusal
from iit.services.sessions import Sessions
from iit.services.single_sign_on import SingleSignOn
from iit.services.tokens import Tokens
from iit.services.users import Users
from iit.store.database import Database

_LONGEST: Final = 4096


@dataclass(frozen=True)
class Shown:
    """A credential as it was shown: what it claims to be, and its text."""

    kind: Credential
    text: str


@dataclass(frozen=True, kw_only=True)
class Access:
    """Tells who is asking and whether they may. Its parts make, change and end credentials."""

    database: Database
    keyring: Keyring
    cache: CredentialCache
    users: Users
    keys: Keys
    tokens: Tokens
    sessions: Sessions
    perimeter: Perimeter
    single_sign_on: SingleSignOn | None = None

    def known(self, shown: Shown) -> Principal | None:
        """Return whose a credential is if that was found out within the last seconds: microseconds, no database."""
        return self.cache.known(self._fingerprint(shown))

    def authenticate(self, shown: Shown) -> Principal:
        """Return whose a credential is.

        Raises:
            InvalidKey, InvalidToken, TokenExpired, NotAuthenticated: nobody's.
            Unavailable: the database is away and did not confirm it lately.
        """
        if len(shown.text) > _LONGEST:
            raise _refusal(shown.kind)
        look_up: dict[Credential, Callable[[str], Found]] = {
            Credential.API_KEY: self.keys.look_up,
            Credential.TOKEN: self._look_up_token,
            Credential.SESSION: self.sessions.look_up,
        }
        return self.cache.resolve(self._fingerprint(shown), lambda: look_up[shown.kind](shown.text))

    def admitting(self, roles: frozenset[Role]) -> "Access":
        """Return the same where passwords kept here count for some roles only."""
        logins = replace(self.sessions.logins, admitted=roles)
        return replace(self, tokens=replace(self.tokens, logins=logins), sessions=replace(self.sessions, logins=logins))

    def _look_up_token(self, token: str) -> Found:
        if self.single_sign_on is not None and is_signed_elsewhere(token):
            return self.single_sign_on.look_up(token)
        return self.tokens.look_up(token)

    def allows(self, who: Principal, action: Action) -> bool:
        """Tell whether somebody may do an action now; memory only."""
        return who.may(action) and self.perimeter.is_open_to(who)

    def refuse(self, who: Principal, action: Action) -> NoReturn:
        """Refuse an action; the audit trail tells of it.

        Raises:
            NotAllowed: always, with the reason.
        """
        note_refusal(self.database, who, action="execute", target=f"action:{action}")
        if not self.perimeter.is_open_to(who):
            raise NotAllowed("the service is locked by its administrators", place="access")
        raise NotAllowed(f"needs the right {action}", place="access")

    def _fingerprint(self, shown: Shown) -> bytes:
        return self.keyring.hash(shown.kind, shown.text[: _LONGEST + 1])


def _refusal(kind: Credential) -> NotAuthenticated:
    if kind == Credential.TOKEN:
        return InvalidToken("Invalid token", place="Authorization")
    if kind == Credential.API_KEY:
        return InvalidKey("Invalid API key format", place="X-API-Key")
    return NotAuthenticated("the session has ended: log in again")


def open_access(
    database: Database,
    keyring: Keyring,
    *,
    clock: Callable[[], datetime],
    monotonic: Callable[[], float],
    session_lasts: timedelta = timedelta(hours=8),
    session_idle: timedelta = timedelta(minutes=30),
) -> Access:
    """Put the parts of access together."""
    cache = CredentialCache(clock, monotonic)
    logins = Logins(database, keyring, clock)
    return Access(
        database=database,
        keyring=keyring,
        cache=cache,
        users=Users(database, cache),
        keys=Keys(database, keyring, cache, clock),
        tokens=Tokens(database, keyring, cache, logins, clock),
        sessions=Sessions(
            database=database, keyring=keyring, cache=cache, logins=logins, clock=clock,
            lasts=session_lasts, idle=session_idle,
        ),
        perimeter=Perimeter(database, cache),
    )  # fmt: skip
