"""Login through an identity provider put together, where one is configured."""

import importlib
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from iit.bootstrap.secrets import secrets_of
from iit.config import Settings
from iit.domain.access import Role
from iit.domain.errors import InvalidToken, Unavailable
from iit.services.access import Access
from iit.services.oidc_claims import rules_in
from iit.services.oidc_provider import Client, Provider
from iit.services.single_sign_on import SingleSignOn

CALLBACK: Final = "/login/oidc/callback"
"""Where the provider sends people back to, below `IIT_PUBLIC_URL`."""

_SECONDS: Final = 5.0
_MOST_BYTES: Final = 500_000
_PLACE: Final = "IIT_OIDC_ISSUER"


class Asked:
    """Asks the provider over HTTP: within five seconds a step, never following it elsewhere, not without end."""

    def get(self, url: str) -> bytes:
        """Return what lies at an address.

        Raises:
            Unavailable: it cannot be had.
        """
        status, told = self._ask("GET", url)
        if status != 200:
            raise Unavailable("the identity provider does not answer as it should", place=_PLACE)
        return told

    def post(self, url: str, form: Mapping[str, str], client: tuple[str, str] | None) -> bytes:
        """Return the answer to a form.

        Raises:
            Unavailable: none can be had. InvalidToken: the provider refuses what the form holds.
        """
        status, told = self._ask("POST", url, data=dict(form), auth=client)
        if 400 <= status < 500:
            raise InvalidToken("the identity provider refused the login", place="code")
        if status != 200:
            raise Unavailable("the identity provider does not answer as it should", place=_PLACE)
        return told

    def _ask(self, method: str, url: str, **options: Any) -> tuple[int, bytes]:
        httpx2 = importlib.import_module("httpx2")  # at first use: it takes longer to load than a small command to run
        told = b""
        try:
            with httpx2.stream(method, url, timeout=_SECONDS, follow_redirects=False, **options) as answer:
                for part in answer.iter_bytes():
                    told += part
                    if len(told) > _MOST_BYTES:
                        raise Unavailable("the identity provider's answer is too large", place=_PLACE)
                return answer.status_code, told
        except (httpx2.HTTPError, httpx2.InvalidURL) as cause:
            raise Unavailable("the identity provider cannot be reached", place=_PLACE) from cause


def with_single_sign_on(access: Access, settings: Settings) -> Access:
    """Return access that also lets people of the configured provider in."""
    issuer, client_id, public_url = settings.oidc_issuer, settings.oidc_client_id, settings.public_url
    if issuer is None or client_id is None or public_url is None:
        return access
    if settings.local_login == "administrators":
        access = access.admitting(frozenset({Role.ADMINISTRATOR}))
    secret = settings.oidc_client_secret
    client = Client(
        issuer=issuer,
        client_id=client_id,
        secret=None if secret is None else secret.get_secret_value(),
        redirect_uri=public_url.rstrip("/") + CALLBACK,
        scopes=settings.oidc_scopes,
        audience=settings.oidc_audience,
    )
    single_sign_on = SingleSignOn(
        database=access.database,
        keyring=access.keyring,
        oldest=lambda: secrets_of(settings).oldest,
        provider=Provider(client, Asked(), lambda: datetime.now(UTC), time.monotonic),
        sessions=access.sessions,
        rules=rules_in(settings.oidc_roles),
        role_claim=settings.oidc_role_claim,
        facility_claim=settings.oidc_facility_claim,
        clock=lambda: datetime.now(UTC),
    )
    return replace(access, single_sign_on=single_sign_on)
