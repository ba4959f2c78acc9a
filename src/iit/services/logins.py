"""Names and passwords, and how often one may be wrong.

Each address may guess a name a few times, then waits longer and longer; so does a known device by itself. A wrong guess
from elsewhere never keeps a known device, a known address or an open session out.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from iit.domain.access import Role
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import NotAuthenticated, RateLimited
from iit.services.keyring import Keyring
from iit.store import audit as audit_trail
from iit.store import logins as login_store
from iit.store import users as user_store
from iit.store.database import Database, Transaction
from iit.store.logins import Attempts
from iit.store.users import NO_PASSWORD, User
from iit.telemetry import logins_total

FREE_GUESSES: Final = 5
"""Wrong passwords for one name, from one address, before the first wait."""

_FREE_FROM_ADDRESS: Final = 50  # a whole clinic may stand behind one address
_LONGEST_WAIT: Final = timedelta(minutes=15)
_FORGOTTEN_AFTER: Final = timedelta(hours=1)
_KNOWN_FOR: Final = timedelta(days=30)


class Origin(NamedTuple):
    """Where a login comes from: the address and, from a browser that logged in before, the token of the device."""

    address: str
    device: str | None = None


@dataclass(frozen=True)
class Logins:
    """Checks names and passwords.

    Attributes:
        database: where users and attempts are.
        keyring: what device tokens and buckets depend on.
        clock: the present time, aware.
        admitted: the roles whose passwords count; None is all.
    """

    database: Database
    keyring: Keyring
    clock: Callable[[], datetime]
    admitted: frozenset[Role] | None = None
    _hasher: PasswordHasher = field(default_factory=PasswordHasher, repr=False)
    _dummy: str = field(default_factory=lambda: PasswordHasher().hash(secrets.token_hex(16)), repr=False)

    def check(self, user_name: str, password: str, origin: Origin) -> User:
        """Return the user whose name and password these are.

        Raises:
            NotAuthenticated: wrong name or password. RateLimited: too many were wrong; both are on the audit trail.
        """
        buckets, is_last = self._count_first(user_name, origin)
        with self.database.transaction() as tx:
            user = user_store.find(tx, user_name)
        if not self._fits(user, password) or user is None or not self.admits(user):
            logins_total.labels("wrong").inc()
            self._note_failure(user, origin, "wrong name or password", locks=is_last)
            raise NotAuthenticated("the name or the password is wrong")
        row = user.row
        stronger = self._hasher.check_needs_rehash(row.password_hash)
        with self.database.transaction() as tx:
            login_store.succeeded(tx, buckets[0], buckets[1:])
            user_store.note_login(tx, row.user_name, self._hasher.hash(password) if stronger else row.password_hash)
        logins_total.labels("ok").inc()
        return user

    def admits(self, user: User) -> bool:
        """Tell whether somebody may be in: by a password that counts, or because the identity provider vouches."""
        return user.row.password_hash == NO_PASSWORD or self.admitted is None or Role(user.row.role) in self.admitted

    def device_token(self, user_name: str) -> str:
        """Return a token by which the browser of a user is known again."""
        nonce = secrets.token_hex(16)
        return f"{nonce}.{self.keyring.hash('device', f'{user_name}:{nonce}').hex()}"

    def _count_first(self, user_name: str, origin: Origin) -> tuple[list[bytes], bool]:
        """Count the attempt as wrong before looking, so that many at once gain nothing; refuse it if it is too soon.

        Returns:
            The buckets it counts in, and whether it is the last free one of any.
        """
        now = self.clock()
        with self.database.transaction() as tx:
            buckets = self._buckets(tx, user_name, origin, now)
            free = (FREE_GUESSES, _FREE_FROM_ADDRESS)
            states = [login_store.state(tx, bucket) for bucket in buckets]
            wait = max(_wait(state, n, now) for state, n in zip(states, free, strict=False))
            if wait <= timedelta(0):
                for bucket in buckets:
                    login_store.failed(tx, bucket, now, forgotten_after=_FORGOTTEN_AFTER)
        if wait > timedelta(0):
            logins_total.labels("too_many").inc()
            self._note_failure(None, origin, "too many attempts")
            seconds = int(wait.total_seconds()) + 1
            raise RateLimited("too many wrong passwords: wait", place="login", retry_after_seconds=seconds)
        return buckets, any(_is_last_free(state, n, now) for state, n in zip(states, free, strict=False))

    def _buckets(self, tx: Transaction, user_name: str, origin: Origin, now: datetime) -> list[bytes]:
        """Return the buckets that an attempt counts in: of the device or of address and name first."""
        if origin.device is not None and self._is_device_of(user_name, origin.device):
            return [self.keyring.hash("device bucket", origin.device)]
        pair = self.keyring.hash("login bucket", f"{neighbourhood(origin.address)}\0{user_name}")
        known = login_store.state(tx, pair).last_success_at
        if known is not None and now - known < _KNOWN_FOR:
            return [pair]
        return [pair, self.keyring.hash("login bucket", neighbourhood(origin.address))]

    def _is_device_of(self, user_name: str, device: str) -> bool:
        nonce, _, told = device.partition(".")
        shown = told.encode("utf-8", "replace")
        hashes = self.keyring.hashes("device", f"{user_name}:{nonce}")
        return any(hmac.compare_digest(one.hex().encode(), shown) for one in hashes)

    def _fits(self, user: User | None, password: str) -> bool:
        # A fixed hash keeps the time of an unknown name like that of a wrong password.
        has_one = user is not None and user.row.password_hash != NO_PASSWORD
        try:
            self._hasher.verify(self._dummy if user is None or not has_one else user.row.password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
        return has_one

    def _note_failure(self, user: User | None, origin: Origin, why: str, *, locks: bool = False) -> None:
        # A name that is nobody's is not written: it may be a password typed into the wrong field.
        target = "login" if user is None else f"user:{user.row.user_name}"
        event = AuditEvent(event_type=EventType.LOGIN_FAILURE, actor="anonymous", action="execute", target=target,
                           outcome="refused", detail={"address": origin.address, "why": why})  # fmt: skip
        with self.database.transaction() as tx:
            audit_trail.write(tx, event)
            if locks:
                audit_trail.write(tx, replace(event, event_type=EventType.ACCOUNT_LOCKED))


def neighbourhood(address: str) -> str:
    """Return what attempts are counted by: the address, of IPv6 its network of 64 bits, which is one subscriber's."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address) or found.ipv4_mapped is not None:
        return str(found)
    return str(ip_network((found, 64), strict=False))


def _wait(state: Attempts, free: int, now: datetime) -> timedelta:
    """Return how long to wait until the next attempt: doubling from one second after the free ones."""
    over = state.failures - free
    if over < 0 or state.last_failure_at is None or now - state.last_failure_at > _FORGOTTEN_AFTER:
        return timedelta(0)
    pause = min(timedelta(seconds=2.0 ** min(over, 10)), _LONGEST_WAIT)
    return state.last_failure_at + pause - now


def _is_last_free(state: Attempts, free: int, now: datetime) -> bool:
    """Tell whether the attempt after these, if it is wrong, is the one from which on there are waits."""
    is_forgotten = state.last_failure_at is None or now - state.last_failure_at > _FORGOTTEN_AFTER
    return not is_forgotten and state.failures + 1 == free
