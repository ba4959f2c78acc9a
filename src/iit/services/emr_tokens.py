"""Tokens that an EMR signs for each call of a hook: who issued them, for what, and that each is shown once.

Keys come from the configured place only; what a token's header names (jku, jwk, x5u) is never looked at.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from jwt.utils import base64url_decode

from iit.domain.access import Credential, Principal, Role, Scope
from iit.domain.errors import InvalidToken, TokenExpired, Unavailable
from iit.services.keyring import keyed_hash
from iit.store import seen_tokens as token_store
from iit.store.database import Database

log = logging.getLogger(__name__)

ALGORITHMS: Final = ("ES384", "RS384", "ES256", "RS256", "PS256", "PS384", "ES512", "RS512", "PS512", "EdDSA")
"""Signatures with a key of the issuer's own; never a shared secret, never none."""

_CLAIMS: Final = ("iss", "aud", "exp", "iat", "jti")
_LEEWAY_SECONDS: Final = 10
_LONGEST: Final = timedelta(minutes=15)  # CDS Hooks wants five; clocks and habits differ
_MAX_LENGTH: Final = 8192
_LONGEST_JTI: Final = 256
_FRESH_SECONDS: Final = 600.0
_AGAIN_SECONDS: Final = 10.0  # keys are asked for no more often, whatever keys tokens name
_STALE_SECONDS: Final = 86_400.0


@dataclass(repr=False)
class KeySet:
    """The issuer's public keys by their ids, fetched at first use, kept for ten minutes, used for a day if need be.

    Attributes:
        fetch: returns the set as JSON (RFC 7517); raises `Unavailable`.
        monotonic: seconds that only grow.
        place: which setting says where they are.
    """

    fetch: Callable[[], bytes]
    monotonic: Callable[[], float]
    place: str = "IIT_CDS_KEYS"
    _keys: Mapping[str, jwt.PyJWK] = field(default_factory=dict, init=False, repr=False)
    _fetched_at: float | None = field(default=None, init=False)
    _asked_at: float | None = field(default=None, init=False)

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key of an id; None where the issuer has none.

        Raises:
            Unavailable: the keys cannot be had.
        """
        now = self.monotonic()
        age = None if self._fetched_at is None else now - self._fetched_at
        is_due = age is None or age > _FRESH_SECONDS or kid not in self._keys
        if is_due and (self._asked_at is None or now - self._asked_at > _AGAIN_SECONDS):
            self._asked_at = now
            self._refresh(now)
        if self._fetched_at is None or now - self._fetched_at > _STALE_SECONDS:
            raise Unavailable("the issuer's keys cannot be had", place=self.place)
        return self._keys.get(kid)

    def _refresh(self, now: float) -> None:
        try:
            found = jwt.PyJWKSet.from_json(self.fetch().decode("utf-8"))
        except (Unavailable, jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
            log.warning("the keys of an issuer of tokens cannot be had", extra={"place": self.place})
            return
        self._keys = {key.key_id: key for key in found.keys if key.key_id}
        self._fetched_at = now


@dataclass(frozen=True)
class EmrTokens:
    """Checks tokens of one EMR.

    Attributes:
        database: where tokens that were shown are noted.
        secret: what the notes depend on.
        keys: of the issuer.
        issuer: the only one that is accepted.
        public_url: of this service: a token must be for it, its `/cds-services`, or the very address it is shown to.
        scope: whom the EMR may ask about.
        clock: the present time, aware.
    """

    database: Database
    secret: bytes = field(repr=False)
    keys: KeySet = field(repr=False)
    issuer: str
    public_url: str
    scope: Scope
    clock: Callable[[], datetime]

    @staticmethod
    def is_meant(token: str) -> bool:
        """Return whether a token says that it is signed in a way that only others' are."""
        return is_signed_elsewhere(token)

    def check(self, token: str, path: str) -> Principal:
        """Return who shows a token at a path; the same token is never taken again.

        Raises:
            TokenExpired: it has had its time. InvalidToken: anything else is wrong with it.
            Unavailable: the issuer's keys, or the database, cannot be had.
        """
        claims = self._claims(token, path)
        until = datetime.fromtimestamp(claims["exp"], UTC) + timedelta(seconds=2 * _LEEWAY_SECONDS)
        digest = keyed_hash(self.secret, "emr-token", f"{self.issuer}\0{claims['jti']}")
        with self.database.transaction() as tx:
            is_first = token_store.take(tx, digest, until=until, now=self.clock())
        if not is_first:
            raise _INVALID
        return Principal(name=f"emr:{self.issuer}", role=Role.INTEGRATION, scope=self.scope,
                         credential=Credential.TOKEN)  # fmt: skip

    def _claims(self, token: str, path: str) -> dict[str, Any]:
        claims = verified(token, self.keys, audience=self._audiences(path), issuer=self.issuer, required=_CLAIMS)
        if not _is_short_lived(claims):
            raise _INVALID
        return claims

    def _audiences(self, path: str) -> list[str]:
        base = self.public_url.rstrip("/")
        return [base, f"{base}/", f"{base}/cds-services", f"{base}{path}"]


_INVALID: Final = InvalidToken("Invalid token", place="Authorization")


def is_signed_elsewhere(token: str) -> bool:
    """Return whether a token says that it is signed in a way that ours never are."""
    try:
        return jwt.get_unverified_header(token[: _MAX_LENGTH + 1]).get("alg") in ALGORITHMS
    except (jwt.PyJWTError, ValueError, TypeError):
        return False


def verified(
    token: str, keys: KeySet, *, audience: Sequence[str], issuer: str, required: Sequence[str]
) -> dict[str, Any]:
    """Return the claims of a token that an issuer signed with a key of its own, for this, and that is in its time.

    Raises:
        TokenExpired: it has had its time. InvalidToken: anything else is wrong with it.
        Unavailable: the issuer's keys cannot be had.
    """
    try:
        if len(token) > _MAX_LENGTH:
            raise jwt.InvalidTokenError
        header = jwt.get_unverified_header(token)
        key = keys.find(str(header.get("kid")))
        if key is None or "crit" in header or header.get("alg") != key.algorithm_name:
            raise jwt.InvalidTokenError
        claims = jwt.decode(
            token, key, algorithms=list(ALGORITHMS), audience=list(audience), issuer=issuer, leeway=_LEEWAY_SECONDS,
            options={"require": list(required), "enforce_minimum_key_length": True},
        )  # fmt: skip
        for part in token.split(".")[:2]:
            json.loads(base64url_decode(part), object_pairs_hook=_unique)
    except jwt.ExpiredSignatureError:
        raise TokenExpired("Token expired", place="Authorization") from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise _INVALID from None
    return claims


def _is_short_lived(claims: Mapping[str, Any]) -> bool:
    """Tell whether a token has a usable id and lives no longer than it should."""
    jti, until, since = claims["jti"], claims["exp"], claims["iat"]
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        return False
    whole = isinstance(until, int) and isinstance(since, int)
    return whole and until - since <= _LONGEST.total_seconds()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says a name twice: two readers could take it for two things."""
    if len(dict(pairs)) != len(pairs):
        raise jwt.InvalidTokenError
    return dict(pairs)
