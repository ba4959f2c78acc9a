"""Access tokens of a quarter of an hour, and refresh tokens that are exchanged for the next pair.

An access token says only whose it is and of which login; rights are looked up, so that a change counts at once.
"""

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import jwt
from jwt.utils import base64url_decode

from iit.domain.access import Credential
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import InvalidToken, TokenExpired
from iit.services.credentials import CredentialCache, Found
from iit.services.keyring import Keyring
from iit.services.logins import Logins, Origin
from iit.services.users import principal_of
from iit.store import tokens as token_store
from iit.store import users as user_store
from iit.store.database import Database, Transaction

ISSUER: Final = "iit-ml-service"
AUDIENCE: Final = "iit-ml-service/api"
ACCESS: Final = timedelta(minutes=15)
REFRESH: Final = timedelta(days=7)

_TYPE: Final = "at+jwt"  # RFC 9068
_ALGORITHM: Final = "HS256"
_LEEWAY_SECONDS: Final = 10  # clocks of several machines
_MAX_LENGTH: Final = 2048
_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_CLAIMS: Final = ("iss", "aud", "typ", "jti", "exp", "iat", "sub", "fam")


class TokenPair(NamedTuple):
    """What a login gets."""

    access_token: str
    refresh_token: str
    expires_in: int

    def __repr__(self) -> str:
        return "TokenPair()"


@dataclass(frozen=True)
class Tokens:
    """Issues, exchanges, checks and revokes tokens.

    Attributes:
        database: where refresh tokens are.
        keyring: what signatures and hashes depend on.
        cache: is told of revocations.
        logins: checks names and passwords.
        clock: the present time, aware.
    """

    database: Database
    keyring: Keyring
    cache: CredentialCache
    logins: Logins
    clock: Callable[[], datetime]

    def issue(self, user_name: str, password: str, origin: Origin) -> TokenPair:
        """Return the first pair of a login.

        Raises:
            NotAuthenticated: wrong name or password. RateLimited: too many were wrong.
        """
        user = self.logins.check(user_name, password, origin)
        event = _event(EventType.LOGIN, user.row.user_name, {"address": origin.address, "credential": Credential.TOKEN})
        family = uuid4()
        with self.database.transaction() as tx:
            refresh = self._new_refresh(tx, family, user.row.user_name, event)
        return self._pair(user.row.user_name, family, refresh)

    def refresh(self, refresh_token: str) -> TokenPair:
        """Exchange a refresh token. Showing one twice means that it was stolen: its whole family is revoked.

        Raises:
            InvalidToken: it is unknown, expired, revoked, was used before, or its user is disabled.
        """
        with self.database.transaction() as tx:
            row = token_store.find(tx, self.keyring.hashes("refresh", refresh_token))
            reused = row is not None and row.used_at is not None
            user = None if row is None or row.revoked_at is not None else user_store.find(tx, row.user_name)
            if row is not None and reused:
                event = _event(EventType.REFRESH_TOKEN_REUSED, row.user_name, {}, outcome="refused")
                token_store.revoke_family(tx, row.family, audit=event)
            elif row is not None and user is not None and self.logins.admits(user):
                token_store.use(tx, row.token_hash)
                event = _event(EventType.TOKEN_REFRESHED, row.user_name, {})
                successor = self._new_refresh(tx, row.family, row.user_name, event)
        if reused:
            self.cache.forget()
        if row is None or reused or user is None or not self.logins.admits(user):
            raise InvalidToken("Invalid token", place="refresh_token")
        return self._pair(row.user_name, row.family, successor)

    def revoke(self, refresh_token: str) -> None:
        """End the login that a refresh token came of; an unknown one ends nothing (RFC 7009)."""
        with self.database.transaction() as tx:
            row = token_store.find(tx, self.keyring.hashes("refresh", refresh_token))
            if row is not None:
                token_store.revoke_family(tx, row.family, audit=_event(EventType.LOGOUT, row.user_name, {}))
        if row is not None:
            self.cache.forget()

    def look_up(self, token: str) -> Found:
        """Return whose an access token is.

        Raises:
            TokenExpired: it has had its time. InvalidToken: anything else is wrong with it.
        """
        claims = self._claims(token)
        with self.database.transaction() as tx:
            alive = token_store.is_alive(tx, UUID(claims["fam"]))
            user = user_store.find(tx, claims["sub"]) if alive else None
        if user is None or not self.logins.admits(user):
            raise InvalidToken("Invalid token", place="Authorization")
        return Found(principal_of(user, Credential.TOKEN), datetime.fromtimestamp(claims["exp"], UTC))

    def _claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that was signed here, for this, and is in its time."""
        try:
            if len(token) > _MAX_LENGTH or not _FORM.fullmatch(token):
                raise jwt.InvalidTokenError
            # Keys come from our own list by name; what else the header names (jwk, jku, x5u) is never looked at.
            header = jwt.get_unverified_header(token)
            key = self.keyring.signing_keys.get(str(header.get("kid")))
            if key is None or header.get("typ") != _TYPE or "crit" in header:
                raise jwt.InvalidTokenError
            claims = jwt.decode(
                token, key, algorithms=[_ALGORITHM], audience=AUDIENCE, issuer=ISSUER, leeway=_LEEWAY_SECONDS,
                options={"require": list(_CLAIMS), "strict_aud": True, "enforce_minimum_key_length": True},
            )  # fmt: skip
            _check_form(claims)
            for part in token.split(".")[:2]:
                json.loads(base64url_decode(part), object_pairs_hook=_unique)
        except jwt.ExpiredSignatureError:
            raise TokenExpired("Token expired", place="Authorization") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise InvalidToken("Invalid token", place="Authorization") from None
        return claims

    def _new_refresh(self, tx: Transaction, family: UUID, user_name: str, audit: AuditEvent) -> str:
        text = secrets.token_urlsafe(32)
        until = self.clock() + REFRESH
        token_store.save(tx, self.keyring.hash("refresh", text), family, user_name, until, audit=audit)
        return text

    def _pair(self, user_name: str, family: UUID, refresh: str) -> TokenPair:
        now = self.clock()
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "typ": "access", "sub": user_name, "jti": uuid4().hex,
            "fam": str(family), "iat": now, "exp": now + ACCESS,
        }  # fmt: skip
        kid = self.keyring.signing_kid
        headers = {"kid": kid, "typ": _TYPE}
        access = jwt.encode(claims, self.keyring.signing_keys[kid], algorithm=_ALGORITHM, headers=headers)
        return TokenPair(access, refresh, int(ACCESS.total_seconds()))


def _check_form(claims: dict[str, Any]) -> None:
    """Refuse claims of a form that is never issued here."""
    texts = all(isinstance(claims[name], str) for name in ("sub", "jti", "fam"))
    if not texts or claims["typ"] != "access" or not isinstance(claims["exp"], int):
        raise jwt.InvalidTokenError
    UUID(claims["fam"])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says a name twice: two readers could take it for two things."""
    if len(dict(pairs)) != len(pairs):
        raise jwt.InvalidTokenError
    return dict(pairs)


def _event(event_type: EventType, user_name: str, detail: dict[str, str], *, outcome: str = "ok") -> AuditEvent:
    name = f"user:{user_name}"
    return AuditEvent(
        event_type=event_type, actor=name, action="execute", target=name, outcome=outcome, detail=dict(detail)
    )
