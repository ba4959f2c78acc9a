"""Login through an identity provider: who comes in, as what, and which attacks do not."""

import hmac
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient
from jwt.utils import base64url_encode
from pydantic import SecretStr
from sqlalchemy import text
from tests.integration.conftest import PASSWORD
from tests.integration.oidc_provider import CLIENT, SECRET, TestProvider

from iit.api.app import create_app
from iit.bootstrap import Service, assemble
from iit.config import Settings, load_settings
from iit.domain.access import EVERYTHING, Role, Scope
from iit.domain.errors import InvalidInput, NotAllowed, NotAuthenticated
from iit.services.logins import Origin
from iit.services.oidc_claims import rights_of, rules_in
from iit.store.database import Database
from iit.testing import TESTER
from iit.web.pages import add_pages
from iit.web.rules import own_path

URL, API = "https://iit.example", "https://iit.example/api"
ROLES = "admins=administrator, nurses=case_manager@F1+F2, visitors=viewer@claim, programs=integration"
AS_SECRET = "HS256"


@pytest.fixture
def provider() -> Iterator[TestProvider]:
    running = TestProvider()
    yield running
    running.stop()


@pytest.fixture
def trusting(settings: Settings, database: Database, provider: TestProvider) -> Service:
    told = {
        "public_url": URL, "oidc_issuer": provider.issuer, "oidc_client_id": CLIENT, "oidc_roles": ROLES,
        "oidc_audience": API, "local_login": "administrators",
        "oidc_client_secret": SecretStr(SECRET),
    }  # fmt: skip
    return assemble(settings.model_copy(update=told), database)


@pytest.fixture
def browser(trusting: Service) -> Iterator[TestClient]:
    app = create_app(trusting)
    add_pages(app)
    with TestClient(app, base_url=URL, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def sent(browser: TestClient, target: str = "/") -> str:
    return browser.get("/login/oidc", params={"next": target}).headers["location"]


def back(browser: TestClient, brought: dict[str, str]) -> Any:
    return browser.get("/login/oidc/callback", params=brought)


def test_whom_the_provider_names_has_a_session_with_role_and_facilities(
    browser: TestClient, provider: TestProvider, trusting: Service
) -> None:
    assert "/login/oidc?next=" in browser.get("/login").text
    answer = back(browser, provider.log_in(sent(browser, "/?top=5")))
    assert answer.status_code == 200
    assert 'content="0; url=/?top=5"' in answer.text
    assert "samesite=strict" in answer.headers.get_list("set-cookie")[0].lower()
    assert browser.get("/").status_code == 200
    who = next(user for user in trusting.access.users.every() if user.row.user_name.startswith("sso-"))
    assert (who.row.role, who.scope) == (Role.CASE_MANAGER, Scope(facilities=frozenset({"F1", "F2"})))


def test_rights_follow_the_provider_at_each_login(
    browser: TestClient, provider: TestProvider, trusting: Service
) -> None:
    subject = uuid4().hex
    names = []
    for groups in (["nurses"], ["admins", "nurses"]):
        provider.claims = {"sub": subject, "groups": groups}
        assert back(browser, provider.log_in(sent(browser))).status_code == 200
        with trusting.database.transaction() as tx:
            names.append(tx.execute(text("SELECT user_name, role FROM users ORDER BY last_login_at DESC NULLS LAST, "
                                         "created_at DESC LIMIT 1")).one())  # fmt: skip
    assert names[1].role == "administrator"


def test_who_is_disabled_here_stays_out_whatever_the_provider_says(
    browser: TestClient, provider: TestProvider, trusting: Service
) -> None:
    provider.claims = {"sub": uuid4().hex}
    known = {user.row.user_name for user in trusting.access.users.every()}
    assert back(browser, provider.log_in(sent(browser))).status_code == 200
    (name,) = {user.row.user_name for user in trusting.access.users.every()} - known
    trusting.access.users.disable(name, who=TESTER)
    assert browser.get("/").status_code == 303
    assert back(browser, provider.log_in(sent(browser))).status_code == 403
    token = provider.sign(provider.standard(API) | provider.claims)
    assert api(browser, token) == 401


def test_a_user_of_the_provider_has_no_password(trusting: Service, browser: TestClient, provider: TestProvider) -> None:
    back(browser, provider.log_in(sent(browser)))
    name = next(u.row.user_name for u in trusting.access.users.every() if u.row.user_name.startswith("sso-"))
    for guess in ("", "none", PASSWORD):
        with pytest.raises(NotAuthenticated):
            trusting.access.sessions.open(name, guess, Origin(uuid4().hex))
    with pytest.raises(InvalidInput):
        trusting.access.users.save(name, PASSWORD, Role.VIEWER, who=TESTER)


def test_only_administrators_come_in_by_a_password_kept_here(trusting: Service) -> None:
    for role in (Role.ADMINISTRATOR, Role.CASE_MANAGER):
        trusting.access.users.save(f"local.{role.value[:4]}", PASSWORD, role, who=TESTER)
    assert trusting.access.sessions.open("local.admi", PASSWORD, Origin("192.0.2.1"))
    for enter in (trusting.access.sessions.open, trusting.access.tokens.issue):
        with pytest.raises(NotAuthenticated, match="name or the password"):
            enter("local.case", PASSWORD, Origin("192.0.2.2"))


def test_tokens_of_others_end_when_passwords_are_switched_off(service: Service, trusting: Service) -> None:
    service.access.users.save("before", PASSWORD, Role.VIEWER, who=TESTER)
    pair = service.access.tokens.issue("before", PASSWORD, Origin("192.0.2.3"))
    for use in (trusting.access.tokens.look_up, trusting.access.tokens.refresh):
        with pytest.raises(NotAuthenticated):
            use(pair.access_token if use == trusting.access.tokens.look_up else pair.refresh_token)


# What an attacker may try at the way back


def test_a_state_counts_once_in_the_browser_that_began(browser: TestClient, provider: TestProvider) -> None:
    brought = provider.log_in(sent(browser))
    kept = browser.cookies["iit_oidc"]
    assert back(browser, brought).status_code == 200
    again = provider.log_in(f"{provider.issuer}/authorize?client_id=iit&response_type=code&code_challenge_method=S256"
                            f"&state={brought['state']}")  # fmt: skip
    browser.cookies.set("iit_oidc", kept, domain="iit.example", path="/login/oidc")
    assert back(browser, again).status_code == 401


def test_without_the_cookie_or_with_another_one_nobody_comes_in(browser: TestClient, provider: TestProvider) -> None:
    victims = provider.log_in(sent(browser))
    sent(browser)  # another login begun: the state is that of the one before
    assert back(browser, victims).status_code == 401
    browser.cookies.clear()
    assert back(browser, provider.log_in(sent(browser)) | {"state": "0" * 64}).status_code == 401
    browser.cookies.clear()
    assert back(browser, victims).status_code == 401
    assert not {"iit_session"} & set(browser.cookies)


def test_a_code_of_another_login_does_not_fit(browser: TestClient, provider: TestProvider) -> None:
    attackers = provider.log_in(sent(browser))
    browser.cookies.clear()
    own = provider.log_in(sent(browser))
    assert back(browser, own | {"code": attackers["code"]}).status_code == 401  # PKCE


@pytest.mark.parametrize("issuer", ["https://other.example", "", None])
def test_an_answer_of_another_provider_is_refused(
    browser: TestClient, provider: TestProvider, issuer: str | None
) -> None:
    brought = provider.log_in(sent(browser))
    calls = provider.calls.count("/token")
    told = {name: value for name, value in (brought | {"iss": issuer}).items() if value is not None}  # type: ignore[operator]
    assert back(browser, told).status_code == 401
    assert provider.calls.count("/token") == calls, "the code went nowhere"


def test_a_step_that_took_too_long_is_refused(browser: TestClient, provider: TestProvider) -> None:

    brought = provider.log_in(sent(browser))
    kept = browser.cookies["iit_oidc"].strip('"').split(".")
    browser.cookies.clear()
    browser.cookies.set("iit_oidc", ".".join([kept[0], "99999999999", kept[2]]), domain="iit.example")
    assert back(browser, brought).status_code == 401, "the time is part of the state"


def none_at_all(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, algorithm="none", headers={"kid": "first"})


def with_the_public_key(provider: TestProvider) -> Callable[[dict[str, Any]], str]:
    def forged(claims: dict[str, Any]) -> str:
        secret = provider.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        both = ({"alg": "HS256", "kid": "first"}, claims)
        parts = [base64url_encode(json.dumps(one).encode()).decode() for one in both]
        signature = hmac.digest(secret, ".".join(parts).encode(), "sha256")
        return ".".join([*parts, base64url_encode(signature).decode()])

    return forged


def with_another_key(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, rsa.generate_private_key(65537, 2048), algorithm="RS256", headers={"kid": "first"})


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"nonce": "0" * 64}, id="another nonce"),
        pytest.param({"nonce": None}, id="no nonce"),
        pytest.param({"iss": "https://other.example"}, id="another issuer"),
        pytest.param({"aud": "other"}, id="for another client"),
        pytest.param({"aud": [CLIENT, "other"]}, id="for many, without azp"),
        pytest.param({"azp": "other"}, id="given to another client"),
        pytest.param({"exp": 1_700_000_000}, id="expired"),
        pytest.param({"exp": None}, id="without end"),
        pytest.param({"iat": 1_700_000_000}, id="of long ago"),
        pytest.param({"iat": 4_000_000_000}, id="of the future"),
        pytest.param({"sub": ""}, id="of nobody"),
        pytest.param({"sub": 7}, id="of a number"),
    ],
)
def test_an_id_token_that_is_not_for_this_login_is_refused(
    browser: TestClient, provider: TestProvider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    assert back(browser, provider.log_in(sent(browser))).status_code == 401
    assert "iit_session" not in browser.cookies


@pytest.mark.parametrize("forge", [none_at_all, with_another_key, AS_SECRET])
def test_an_id_token_the_provider_did_not_sign_is_refused(
    browser: TestClient, provider: TestProvider, forge: Any
) -> None:
    provider.forge = with_the_public_key(provider) if forge == AS_SECRET else forge
    assert back(browser, provider.log_in(sent(browser))).status_code == 401


@pytest.mark.parametrize("groups", [[], ["others"], "nurse", None, {"nurses": 1}, [["nurses"]]])
def test_nobody_is_anything_unless_a_rule_says_so(browser: TestClient, provider: TestProvider, groups: object) -> None:
    provider.claims = {"groups": groups}
    assert back(browser, provider.log_in(sent(browser))).status_code == 403


def test_a_provider_that_speaks_for_another_is_not_believed(browser: TestClient, provider: TestProvider) -> None:
    provider.document = {"issuer": "https://other.example"}
    assert browser.get("/login/oidc").status_code == 503


def test_a_failure_is_on_the_trail(browser: TestClient, provider: TestProvider, trusting: Service) -> None:
    provider.claims = {"nonce": "0" * 64}
    back(browser, provider.log_in(sent(browser)))
    with trusting.database.transaction() as tx:
        row = tx.execute(text("SELECT event_type, outcome FROM audit_logs ORDER BY seq DESC LIMIT 1")).one()
    assert tuple(row) == ("login_failure", "refused")


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"])
def test_a_login_leads_nowhere_else(browser: TestClient, provider: TestProvider, target: str) -> None:
    assert own_path(target) == "/"
    page = back(browser, provider.log_in(sent(browser, target))).text
    assert re.search(r'content="0; url=([^"]*)"', page).group(1) == "/"  # type: ignore[union-attr]


# The provider's tokens at the API


def api(client: TestClient, token: str) -> int:
    return client.get("/api/v1/patients", headers={"Authorization": f"Bearer {token}"}).status_code


def test_an_access_token_for_this_api_opens_it(browser: TestClient, provider: TestProvider) -> None:
    assert api(browser, provider.sign(provider.standard(API))) == 200
    provider.turn_key()
    assert api(browser, provider.sign(provider.standard(API) | {"groups": ["others"]})) in (401, 403)


@pytest.mark.parametrize(
    "claims", [{"aud": "https://other.example"}, {"aud": CLIENT}, {"nonce": "x"}, {"iss": "https://other.example"},
               {"exp": 1_700_000_000}, {"exp": None}, {"sub": None}],
)  # fmt: skip
def test_any_other_token_of_the_provider_is_refused(
    browser: TestClient, provider: TestProvider, claims: dict[str, Any]
) -> None:
    told = {name: value for name, value in (provider.standard(API) | claims).items() if value is not None}
    assert api(browser, provider.sign(told)) == 401


def test_a_new_key_is_fetched_when_a_token_names_it(trusting: Service, provider: TestProvider) -> None:
    now = [0.0]
    sso = trusting.access.single_sign_on
    assert sso is not None
    sso.provider._keys.monotonic = lambda: now[0]
    sso.look_up(provider.sign(provider.standard(API)))
    old = provider.sign(provider.standard(API))
    provider.turn_key()
    with pytest.raises(NotAuthenticated):  # keys were asked for within ten seconds
        sso.look_up(provider.sign(provider.standard(API)))
    now[0] = 11.0
    sso.look_up(provider.sign(provider.standard(API)))
    with pytest.raises(NotAuthenticated):
        sso.look_up(old)
    assert provider.calls.count("/keys") == 2


# The rules


def test_the_first_rule_that_fits_counts() -> None:
    def judged(claims: dict[str, Any]) -> object:
        return rights_of(claims, rules_in(ROLES), role_claim="realm_access.roles", facility_claim="sites")

    assert judged({"realm_access": {"roles": ["nurses", "admins"]}}) == (Role.ADMINISTRATOR, EVERYTHING)
    visitor = {"realm_access": {"roles": ["visitors"]}}
    assert judged(visitor | {"sites": ["F9"]}) == (Role.VIEWER, Scope(facilities=frozenset({"F9"})))
    with pytest.raises(NotAllowed):
        judged(visitor)


@pytest.mark.parametrize(
    "changes",
    [
        {"IIT_OIDC_ROLES": "admins"}, {"IIT_OIDC_ROLES": "admins=king"}, {"IIT_OIDC_ROLES": "admins=viewer@"},
        {"IIT_OIDC_ROLES": ""}, {"IIT_OIDC_ISSUER": "http://idp.example"}, {"IIT_OIDC_AUDIENCE": CLIENT},
    ],
)  # fmt: skip
def test_settings_that_would_let_the_wrong_ones_in_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    whole = {"IIT_PUBLIC_URL": URL, "IIT_OIDC_ISSUER": "https://idp.example", "IIT_OIDC_CLIENT_ID": CLIENT,
             "IIT_OIDC_ROLES": ROLES}  # fmt: skip
    for name, value in whole.items():
        monkeypatch.setenv(name, value)
    assert load_settings().oidc_issuer
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput):
        load_settings()
