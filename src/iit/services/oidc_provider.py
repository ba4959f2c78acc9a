"""An OpenID Connect provider: where it is asked, and what it signed.

The provider's own word (discovery) says where its parts are, but only under its own name; keys come from there only.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit

from iit.domain.errors import InvalidToken, Unavailable
from iit.services.emr_tokens import KeySet, verified

_FRESH_SECONDS: Final = 3600.0
_OLDEST_ID_TOKEN: Final = timedelta(minutes=10)
_PLACE: Final = "IIT_OIDC_ISSUER"


class Http(Protocol):
    """Asks a provider: in bounded time, without following it elsewhere, and not without end."""

    def get(self, url: str) -> bytes:
        """Return what lies at an address. Raises `Unavailable`."""

    def post(self, url: str, form: Mapping[str, str], client: tuple[str, str] | None) -> bytes:
        """Return the answer to a form. Raises `Unavailable`, or `InvalidToken` where the form is refused."""


class Endpoints(NamedTuple):
    """Where the provider's parts are."""

    authorization: str
    token: str
    keys: str
    names_itself: bool

    def __repr__(self) -> str:
        return "Endpoints()"


@dataclass(frozen=True, kw_only=True, repr=False)
class Client:
    """What was agreed with the provider.

    Attributes:
        issuer: the provider.
        client_id: our name there.
        secret: ours there; None for a public client.
        redirect_uri: where it sends people back to.
        scopes: what is asked for.
        audience: `aud` of access tokens that are for this service; None takes none.
    """

    issuer: str
    client_id: str
    secret: str | None = field(repr=False)
    redirect_uri: str
    scopes: str
    audience: str | None


@dataclass(repr=False)
class Provider:
    """Speaks with the provider.

    Attributes:
        client: what was agreed.
        http: asks it.
        clock: the present time, aware.
        monotonic: seconds that only grow.
    """

    client: Client
    http: Http
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    _endpoints: Endpoints | None = field(default=None, init=False)
    _read_at: float = field(default=0.0, init=False)
    _keys: KeySet = field(init=False)

    def __post_init__(self) -> None:
        self._keys = KeySet(lambda: self.http.get(self.endpoints().keys), self.monotonic, _PLACE)

    def endpoints(self) -> Endpoints:
        """Return where its parts are, as it said within the last hour.

        Raises:
            Unavailable: it does not say, or speaks for another.
        """
        now = self.monotonic()
        if self._endpoints is None or now - self._read_at > _FRESH_SECONDS:
            self._endpoints = self._discovered()
            self._read_at = now
        return self._endpoints

    def login_url(self, *, state: str, nonce: str, challenge: str) -> str:
        """Return where somebody is sent to log in (authorization code with PKCE)."""
        query = {
            "response_type": "code", "client_id": self.client.client_id, "redirect_uri": self.client.redirect_uri,
            "scope": self.client.scopes, "state": state, "nonce": nonce, "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        address = self.endpoints().authorization
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(query)}"

    def exchange(self, code: str, verifier: str) -> Mapping[str, Any]:
        """Return the claims of the ID token that a code stands for, without regard to the nonce.

        Raises:
            InvalidToken: the provider refuses the code, or what it gave is not for us. Unavailable: it cannot be had.
        """
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.client.redirect_uri,
            "client_id": self.client.client_id, "code_verifier": verifier,
        }  # fmt: skip
        secret = self.client.secret
        told = self.http.post(self.endpoints().token, form, None if secret is None else (self.client.client_id, secret))
        try:
            token = json.loads(told)["id_token"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InvalidToken("Invalid token", place="id_token") from None
        return self._id_claims(token)

    def access_claims(self, token: str) -> Mapping[str, Any]:
        """Return the claims of an access token for this service.

        Raises:
            TokenExpired, InvalidToken: it is not good. Unavailable: the provider's keys cannot be had.
        """
        if self.client.audience is None:
            raise InvalidToken("Invalid token", place="Authorization")
        audience, issuer = self.client.audience, self.client.issuer
        claims = verified(token, self._keys, audience=[audience], issuer=issuer, required=("iss", "aud", "exp", "sub"))
        if not isinstance(claims["exp"], int) or "nonce" in claims:  # what has a nonce is an ID token
            raise InvalidToken("Invalid token", place="Authorization")
        return claims

    def _id_claims(self, token: object) -> Mapping[str, Any]:
        """Check an ID token (OpenID Connect Core 3.1.3.7)."""
        if not isinstance(token, str):
            raise InvalidToken("Invalid token", place="id_token")
        own, issuer = self.client.client_id, self.client.issuer
        required = ("iss", "aud", "exp", "iat", "sub", "nonce")
        claims = verified(token, self._keys, audience=[own], issuer=issuer, required=required)
        is_for_many = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        azp = claims.get("azp")
        old = not isinstance(claims["iat"], int) or (
            self.clock() - datetime.fromtimestamp(claims["iat"], UTC) > _OLDEST_ID_TOKEN
        )
        if old or (azp is not None and azp != own) or (azp is None and is_for_many):
            raise InvalidToken("Invalid token", place="id_token")
        return claims

    def _discovered(self) -> Endpoints:
        issuer = self.client.issuer
        told = self.http.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            document = json.loads(told)
            found = Endpoints(
                _safe(document["authorization_endpoint"], issuer),
                _safe(document["token_endpoint"], issuer),
                _safe(document["jwks_uri"], issuer),
                document.get("authorization_response_iss_parameter_supported") is True,
            )
            speaks_for = document["issuer"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
            raise Unavailable("the identity provider's discovery document is not usable", place=_PLACE) from cause
        if speaks_for != issuer:
            raise Unavailable("the identity provider speaks for another issuer", place=_PLACE)
        return found


def _safe(url: Any, issuer: str) -> str:
    """Return an address of the provider; without TLS only where the issuer itself is, on this machine."""
    scheme = urlsplit(url).scheme
    if not isinstance(url, str) or scheme not in {"https", urlsplit(issuer).scheme}:
        raise ValueError
    return url
