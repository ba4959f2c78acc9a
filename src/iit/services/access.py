"""Who may come in: users with passwords for the pages, API keys for programs."""

import hashlib
import hmac
import re
import secrets
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from iit.domain.audit import AuditEvent
from iit.domain.errors import InvalidInput, NotAuthenticated, NotFound, Unavailable
from iit.store import access as access_store
from iit.store import audit as audit_trail
from iit.store.access import KeyRow, UserRow
from iit.store.database import Database

ROLES: Final = ("viewer", "case_manager", "clinician", "data_scientist", "operator", "administrator", "integration")

_KEY = re.compile(r"iit_([a-z0-9]{12})_([0-9a-f]{64})([0-9a-f]{8})")
_CACHED_SECONDS: Final = 5.0  # how long a revoked key may still work in a running worker
_CACHED_KEYS: Final = 1000
_MIN_PASSWORD: Final = 12


@dataclass(frozen=True)
class Principal:
    """Who is asking, as it stands in the audit trail."""

    name: str


@dataclass(frozen=True)
class Access:
    """Checks and makes credentials.

    Attributes:
        database: where users and keys are.
        pepper: secret that key and session hashes depend on.
        clock: the present time, aware.
        monotonic: seconds for ageing cached keys.
    """

    database: Database
    pepper: bytes = field(repr=False)
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    _hasher: PasswordHasher = field(default_factory=PasswordHasher, repr=False)
    _known: "OrderedDict[bytes, tuple[float, Principal]]" = field(default_factory=OrderedDict, repr=False)

    def authenticate_key(self, key: str | None) -> Principal:
        """Return the owner of an API key.

        Raises:
            NotAuthenticated: there is none, it is malformed, unknown, revoked or expired.
        """
        if not key:
            raise NotAuthenticated("an API key is required in the header X-API-Key", place="X-API-Key")
        fingerprint = self._hash(key)
        cached = self._known.get(fingerprint)
        if cached is not None and self.monotonic() - cached[0] < _CACHED_SECONDS:
            return cached[1]
        principal = self._look_up(key)
        self._known[fingerprint] = (self.monotonic(), principal)
        while len(self._known) > _CACHED_KEYS:
            self._known.popitem(last=False)
        return principal

    def create_key(self, label: str, *, actor: str, valid_days: int | None = None) -> str:
        """Make an API key and return it; only its keyed hash is kept, so it can never be shown again."""
        key_id = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(12))
        secret = secrets.token_hex(32)
        expires = None if valid_days is None else self.clock() + timedelta(days=valid_days)
        with self.database.transaction() as tx:
            access_store.save_key(
                tx, key_id, self._hash(secret), label, expires, audit=_audit("key_created", actor, key_id)
            )
        return f"iit_{key_id}_{secret}{zlib.crc32(secret.encode()):08x}"

    def list_keys(self) -> list[KeyRow]:
        """Return all keys without their secrets."""
        with self.database.transaction() as tx:
            return access_store.keys(tx)

    def revoke_key(self, key_id: str, *, actor: str) -> None:
        """Revoke a key; running workers follow within five seconds."""
        with self.database.transaction() as tx:
            found = access_store.revoke_key(tx, key_id, audit=_audit("key_revoked", actor, key_id))
        self._known.clear()
        if not found:
            raise NotFound("there is no such active key")

    def save_user(self, user_name: str, password: str, role: str, *, actor: str) -> None:
        """Create a user or set a new password and role.

        Raises:
            InvalidInput: unknown role, unfit name or a password under twelve characters.
        """
        if role not in ROLES:
            raise InvalidInput(f"the role must be one of {', '.join(ROLES)}", place="role")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", user_name):
            raise InvalidInput("use lower-case letters, digits, dot, dash and underscore", place="user name")
        if len(password) < _MIN_PASSWORD:
            raise InvalidInput(f"needs at least {_MIN_PASSWORD} characters", place="password")
        user = UserRow(user_name, self._hasher.hash(password), role)
        with self.database.transaction() as tx:
            access_store.save_user(tx, user, audit=_audit("user_saved", actor, user_name))

    def log_in(self, user_name: str, password: str, *, hours: int) -> str:
        """Open a session and return its token.

        Raises:
            NotAuthenticated: wrong name or password; the audit trail tells of it.
        """
        with self.database.transaction() as tx:
            user = access_store.find_user(tx, user_name)
        if not self._password_fits(user, password):
            with self.database.transaction() as tx:
                audit_trail.write(
                    tx, AuditEvent(event_type="login_failure", actor="anonymous", action="execute",
                                   target="login", outcome="refused"),
                )  # fmt: skip
            raise NotAuthenticated("the name or the password is wrong")
        token = secrets.token_urlsafe(32)
        expires = self.clock() + timedelta(hours=hours)
        with self.database.transaction() as tx:
            access_store.save_session(
                tx, self._hash(token), user_name, expires, audit=_audit("login", f"user:{user_name}", user_name)
            )
        return token

    def session(self, token: str | None) -> Principal | None:
        """Return who a session belongs to, or None if it is none or has ended."""
        if not token:
            return None
        with self.database.transaction() as tx:
            name = access_store.session_user(tx, self._hash(token))
        return None if name is None else Principal(f"user:{name}")

    def log_out(self, token: str, *, actor: str) -> None:
        """End a session."""
        with self.database.transaction() as tx:
            access_store.end_session(tx, self._hash(token), audit=_audit("logout", actor, actor))

    def csrf_token(self, session_token: str) -> str:
        """Return the token that forms of a session must carry."""
        return self._hash(f"csrf:{session_token}").hex()

    def _look_up(self, key: str) -> Principal:
        match = _KEY.fullmatch(key)
        if match is None or f"{zlib.crc32(match[2].encode()):08x}" != match[3]:
            raise NotAuthenticated("Invalid API key format", place="X-API-Key")
        with self.database.transaction() as tx:
            row = access_store.find_key(tx, match[1])
        # The comparison is made even without a row, so that an unknown id takes as long as a wrong secret.
        expected = row.secret_hash if row is not None else bytes(32)
        if not hmac.compare_digest(expected, self._hash(match[2])) or row is None:
            self._note_refusal(match[1])
            raise NotAuthenticated("the API key is unknown, revoked or expired", place="X-API-Key")
        return Principal(f"key:{row.key_id}")

    def _note_refusal(self, key_id: str) -> None:
        event = AuditEvent(event_type="unauthorized_access", actor="anonymous", action="execute",
                           target=f"key:{key_id}", outcome="refused")  # fmt: skip
        try:
            with self.database.transaction() as tx:
                audit_trail.write(tx, event)
        except Unavailable:
            return  # refused all the same: nothing was given out

    def _password_fits(self, user: UserRow | None, password: str) -> bool:
        # A fixed hash keeps the time of an unknown name like that of a wrong password.
        stored = user.password_hash if user is not None else _dummy_hash(self._hasher)
        try:
            self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
        return user is not None

    def _hash(self, secret: str) -> bytes:
        return hmac.new(self.pepper, secret.encode(), hashlib.sha256).digest()


def _dummy_hash(hasher: PasswordHasher, _cache: dict[str, str] = {}) -> str:  # noqa: B006 - the cache is the point
    if "hash" not in _cache:
        _cache["hash"] = hasher.hash(secrets.token_hex(16))
    return _cache["hash"]


def _audit(event_type: str, actor: str, target: str) -> AuditEvent:
    return AuditEvent(event_type=event_type, actor=actor, action="execute", target=target)
