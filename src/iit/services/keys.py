"""API keys of programs: `iit_<id>_<secret><checksum>`, kept only as keyed hashes."""

import hmac
import re
import secrets
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from iit.domain.access import EVERYTHING, RIGHTS, Action, Credential, Principal, Role, Scope
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import InvalidInput, InvalidKey, NotAllowed, NotFound, Unavailable
from iit.services.credentials import CredentialCache, Found
from iit.services.keyring import Keyring
from iit.store import audit as audit_trail
from iit.store import keys as key_store
from iit.store.database import Database
from iit.store.keys import Key, KeyWrite

_FORM: Final = re.compile(r"iit_([a-z0-9]{12})_([0-9a-f]{64})([0-9a-f]{8})")
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_NOBODY: Final = bytes(32)


@dataclass(frozen=True, kw_only=True)
class KeyWish:
    """What a new key is for.

    Attributes:
        label: for people who read the list.
        role: whose rights it has.
        actions: the only ones of the role's; None means all.
        scope: whom it may see.
        valid_days: until it expires; None means never.
    """

    label: str
    role: Role = Role.INTEGRATION
    actions: frozenset[Action] | None = None
    scope: Scope = EVERYTHING
    valid_days: int | None = None


@dataclass(frozen=True)
class Keys:
    """Makes, finds and revokes API keys.

    Attributes:
        database: where they are.
        keyring: what their hashes depend on.
        cache: is told of revocations.
        clock: the present time, aware.
    """

    database: Database
    keyring: Keyring
    cache: CredentialCache
    clock: Callable[[], datetime]

    def create(self, wish: KeyWish, *, who: Principal) -> str:
        """Make a key and return it; only its keyed hash is kept, so it can never be shown again.

        Raises:
            InvalidInput: an action is none of the role's. NotAllowed: the key would see or do more than `who`.
        """
        self._check(wish, who)
        key_id, text, secret = _make()
        expires = None if wish.valid_days is None else self.clock() + timedelta(days=wish.valid_days)
        write = self._write(key_id, secret, wish, expires, who)
        with self.database.transaction() as tx:
            key_store.save(tx, write, wish.scope, audit=_event(EventType.KEY_CREATED, who, key_id))
        return text

    def rotate(self, key_id: str, *, overlap_days: int, who: Principal) -> str:
        """Make a key like another and return it; the other one ends after some days, 0 for at once.

        Raises:
            NotFound: there is no such active key.
        """
        new_id, text, secret = _make()
        with self.database.transaction() as tx:
            old = key_store.find(tx, key_id)
            if old is None:
                raise NotFound("there is no such active key")
            actions = None if old.row.actions is None else frozenset(Action(name) for name in old.row.actions)
            wish = KeyWish(label=old.row.label, role=Role(old.row.role), actions=actions, scope=old.scope)
            lasted = None if old.row.expires_at is None else old.row.expires_at - old.row.created_at
            expires = None if lasted is None else self.clock() + lasted
            key_store.save(
                tx,
                self._write(new_id, secret, wish, expires, who),
                old.scope,
                audit=_event(EventType.KEY_ROTATED, who, key_id),
            )
            key_store.expire(tx, key_id, self.clock() + timedelta(days=overlap_days))
        self.cache.forget()
        return text

    def every(self) -> list[Key]:
        """Return all keys without their secrets."""
        with self.database.transaction() as tx:
            return key_store.every(tx)

    def revoke(self, key_id: str, *, who: Principal) -> None:
        """Revoke a key; running workers follow within five seconds.

        Raises:
            NotFound: there is no such active key.
        """
        with self.database.transaction() as tx:
            found = key_store.revoke(tx, key_id, audit=_event(EventType.KEY_REVOKED, who, key_id))
        self.cache.forget()
        if not found:
            raise NotFound("there is no such active key")

    def look_up(self, text: str) -> Found:
        """Return whose a key is.

        Raises:
            InvalidKey: it is malformed, unknown, revoked or expired.
        """
        match = _FORM.fullmatch(text)
        if match is None or _checksum(match[2]) != match[3]:
            raise InvalidKey("Invalid API key format", place="X-API-Key")
        with self.database.transaction() as tx:
            key = key_store.find(tx, match[1])
        if not self.fits(key, match[2]) or key is None:
            self._note_refusal(match[1])
            raise InvalidKey("the API key is unknown, revoked or expired", place="X-API-Key")
        self._note_use(key, match[2])
        row = key.row
        actions = None if row.actions is None else frozenset(Action(name) for name in row.actions)
        who = Principal(
            name=f"key:{row.key_id}",
            role=Role(row.role),
            scope=key.scope,
            credential=Credential.API_KEY,
            narrowed=actions,
        )
        return Found(who, row.expires_at)

    def fits(self, key: Key | None, secret: str) -> bool:
        """Tell whether a secret is a key's. Takes as long for an unknown key and whatever the secret."""
        expected = key.row.secret_hash if key is not None else _NOBODY
        fitting = [hmac.compare_digest(expected, one) for one in self.keyring.hashes("key", secret)]
        return any(fitting)

    def _write(self, key_id: str, secret: str, wish: KeyWish, expires: datetime | None, who: Principal) -> KeyWrite:
        actions = None if wish.actions is None else sorted(wish.actions)
        return KeyWrite(key_id, self.keyring.hash("key", secret), wish.label, wish.role, actions, expires, who.name)

    def _check(self, wish: KeyWish, who: Principal) -> None:
        rights = {action for action, roles in RIGHTS.items() if wish.role in roles}
        wanted: Collection[Action] = rights if wish.actions is None else wish.actions
        if not rights.issuperset(wanted):
            raise InvalidInput(f"holds an action that the role {wish.role} does not have", place="actions")
        if not wish.scope.within(who.scope) or not all(who.may(action) for action in wanted):
            raise NotAllowed("a key cannot see or do more than who makes it", place="api key")

    def _note_use(self, key: Key, secret: str) -> None:
        try:
            with self.database.transaction() as tx:
                key_store.note_use(tx, key.row.key_id, self.keyring.hash("key", secret))
        except Unavailable:
            return  # a database that cannot be written to still says whose the key is

    def _note_refusal(self, key_id: str) -> None:
        event = AuditEvent(event_type=EventType.UNAUTHORIZED_ACCESS, actor="anonymous", action="execute",
                           target=f"key:{key_id}", outcome="refused")  # fmt: skip
        try:
            with self.database.transaction() as tx:
                audit_trail.write(tx, event)
        except Unavailable:
            return  # refused all the same: nothing was given out


def _make() -> tuple[str, str, str]:
    """Return a new key's id, its text and its secret."""
    key_id = "".join(secrets.choice(_LETTERS) for _ in range(12))
    secret = secrets.token_hex(32)
    return key_id, f"iit_{key_id}_{secret}{_checksum(secret)}", secret


def _checksum(secret: str) -> str:
    return f"{zlib.crc32(secret.encode()):08x}"


def _event(event_type: EventType, who: Principal, key_id: str) -> AuditEvent:
    return AuditEvent(event_type=event_type, actor=who.name, action="execute", target=f"key:{key_id}")
