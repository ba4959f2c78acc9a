"""Login through an identity provider: from the first step to a session, and the provider's access tokens at the API.

Nothing is kept between the steps but a random handle in the browser: state, nonce and PKCE verifier are keyed hashes of
it, so that none fits another browser, another target or another day.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

from iit.domain.access import Credential, Principal, Role, Scope
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import InvalidInput, InvalidToken, NotAllowed, NotAuthenticated, ServiceError
from iit.services.credentials import Found
from iit.services.keyring import Keyring, keyed_hash
from iit.services.oidc_claims import ClaimRule, rights_of
from iit.services.oidc_provider import Provider
from iit.services.sessions import Sessions
from iit.services.users import SINGLE_SIGN_ON
from iit.store import audit as audit_trail
from iit.store import seen_tokens as token_store
from iit.store import users as user_store
from iit.store.database import Database

STEP: Final = timedelta(minutes=10)
"""How long somebody may take to log in at the provider."""

_MOST_CHARACTERS: Final = 4096


class Begun(NamedTuple):
    """The first step: where the browser goes, and what it keeps meanwhile."""

    url: str
    kept: str

    def __repr__(self) -> str:
        return "Begun()"


class Returned(NamedTuple):
    """What the browser brings back: its own, and the provider's."""

    kept: str
    state: str
    code: str
    issuer: str | None

    def __repr__(self) -> str:
        return "Returned()"


class Person(NamedTuple):
    """Whom the provider named."""

    user_name: str
    subject: str
    role: Role
    scope: Scope

    def __repr__(self) -> str:
        return "Person()"


@dataclass(frozen=True, kw_only=True)
class SingleSignOn:
    """Lets people of one provider in.

    Attributes:
        database: where users and sessions are.
        keyring: what state, nonce and verifier depend on.
        oldest: the secret of the first start: by it somebody is recognised after any rotation.
        provider: who vouches for people.
        sessions: opened for them.
        rules: what they are here for.
        role_claim: which claim names their groups.
        facility_claim: which claim names their facilities.
        clock: the present time, aware.
    """

    database: Database
    keyring: Keyring
    oldest: Callable[[], bytes]
    provider: Provider
    sessions: Sessions
    rules: Sequence[ClaimRule]
    role_claim: str
    facility_claim: str
    clock: Callable[[], datetime]

    def begin(self, target: str) -> Begun:
        """Begin a login that leads to a page of ours.

        Raises:
            Unavailable: the provider cannot be had.
        """
        until = int((self.clock() + STEP).timestamp())
        kept = f"{secrets.token_urlsafe(32)}.{until}.{_packed(target.encode())}"
        challenge = _packed(sha256(self._verifier(kept).encode()).digest())
        url = self.provider.login_url(state=self._state(kept), nonce=self._nonce(kept), challenge=challenge)
        return Begun(url, kept)

    def finish(self, returned: Returned, address: str) -> tuple[str, str]:
        """Return the token of a new session, and the page it was begun for.

        Raises:
            NotAuthenticated: something does not fit together. NotAllowed: the provider's person is nobody here.
            Unavailable: the provider or the database cannot be had.
        """
        try:
            target = self._own(returned)
            claims = self.provider.exchange(returned.code, self._verifier(returned.kept))
            if not hmac.compare_digest(str(claims["nonce"]).encode(), self._nonce(returned.kept).encode()):
                raise InvalidToken("Invalid token", place="id_token")
            person = self._person(claims)
            return self._open(person, address), target
        except (NotAuthenticated, NotAllowed, InvalidInput) as refusal:
            self._note_failure(refusal, address)
            raise

    def look_up(self, token: str) -> Found:
        """Return whose an access token of the provider is.

        Raises:
            TokenExpired, InvalidToken: it is not good. NotAllowed: it is nobody's here. Unavailable: no keys.
        """
        claims = self.provider.access_claims(token)
        person = self._person(claims)
        with self.database.transaction() as tx:
            is_disabled = user_store.is_disabled(tx, person.user_name)
        if is_disabled:
            raise InvalidToken("Invalid token", place="Authorization")
        who = Principal(name=f"user:{person.user_name}", role=person.role, scope=person.scope,
                        credential=Credential.TOKEN)  # fmt: skip
        return Found(who, datetime.fromtimestamp(claims["exp"], UTC))

    def _own(self, returned: Returned) -> str:
        """Check that this browser began this login, in its time, and comes back once; return its page."""
        handle, _, rest = returned.kept.partition(".")
        until, _, target = rest.partition(".")
        fits = hmac.compare_digest(self._state(returned.kept).encode(), returned.state.encode("utf-8", "replace"))
        if len(returned.kept) > _MOST_CHARACTERS or not handle or not until.isdigit() or not fits:
            raise NotAuthenticated("the login was not begun in this browser: begin anew", place="state")
        ends = datetime.fromtimestamp(int(until), UTC)
        if self.clock() > ends:
            raise NotAuthenticated("the login took too long: begin anew", place="state")
        self._check_issuer(returned.issuer)
        with self.database.transaction() as tx:
            digest = self.keyring.hash("oidc handle", handle)
            is_first = token_store.take(tx, digest, until=ends, now=self.clock())
        if not is_first:
            raise NotAuthenticated("the login was finished before: begin anew", place="state")
        return urlsafe_b64decode(target + "=" * (-len(target) % 4)).decode()

    def _check_issuer(self, told: str | None) -> None:
        """Refuse an answer of another provider (RFC 9207)."""
        if told is None and not self.provider.endpoints().names_itself:
            return
        if told != self.provider.client.issuer:
            raise NotAuthenticated("the answer is another provider's", place="iss")

    def _person(self, claims: Mapping[str, Any]) -> Person:
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject:
            raise InvalidToken("Invalid token", place="sub")
        role, scope = rights_of(
            claims, self.rules, role_claim=self.role_claim, facility_claim=self.facility_claim
        )  # fmt: skip
        digest = keyed_hash(self.oldest(), "oidc subject", f"{self.provider.client.issuer}\0{subject}")
        return Person(f"{SINGLE_SIGN_ON}{digest[:10].hex()}", subject, role, scope)

    def _open(self, person: Person, address: str) -> str:
        name = f"user:{person.user_name}"
        saved = AuditEvent(event_type=EventType.USER_SAVED, actor="service", action="update", target=name,
                           detail={"role": person.role, "subject": person.subject})  # fmt: skip
        with self.database.transaction() as tx:
            if not user_store.save_external(tx, person.user_name, person.role, person.scope, audit=saved):
                raise NotAllowed("this user is disabled here", place="login")
        return self.sessions.open_for(person.user_name, {"address": address, "provider": "oidc"})

    def _note_failure(self, refusal: ServiceError, address: str) -> None:
        event = AuditEvent(event_type=EventType.LOGIN_FAILURE, actor="anonymous", action="execute", target="login",
                           outcome="refused", detail={"address": address, "why": refusal.reason})  # fmt: skip
        with self.database.transaction() as tx:
            audit_trail.write(tx, event)

    def _state(self, kept: str) -> str:
        return self.keyring.hash("oidc state", kept).hex()

    def _nonce(self, kept: str) -> str:
        return self.keyring.hash("oidc nonce", kept).hex()

    def _verifier(self, kept: str) -> str:
        return self.keyring.hash("oidc verifier", kept).hex()


def _packed(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
