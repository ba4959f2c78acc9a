"""Access and refresh tokens: what is taken, and the many forms of what is not."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from tests.documents import a_document, encoded
from tests.integration.conftest import PASSWORD, SECRET

from iit.bootstrap import Service
from iit.domain.access import Role, Scope
from iit.services.keyring import Keyring
from iit.testing import TESTER

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def ada(service: Service) -> str:
    service.access.users.save("ada", PASSWORD, Role.VIEWER, who=TESTER)
    return "ada"


def log_in(client: TestClient, name: str = "ada") -> dict[str, Any]:
    answer = client.post("/api/v1/auth/token", data={"username": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def asked_with(client: TestClient, token: str) -> tuple[int, str | None, str | None]:
    answer = client.get("/api/v1/models", headers={"Authorization": f"Bearer {token}"})
    told = answer.json()
    return answer.status_code, told.get("type"), told.get("detail")


INVALID = (401, "urn:iit:problem:invalid_token", "Invalid token")
EXPIRED = (401, "urn:iit:problem:token_expired", "Token expired")


def test_a_login_gets_a_token_that_opens_what_the_role_may(client: TestClient, ada: str) -> None:
    pair = log_in(client)
    assert (pair["token_type"], pair["expires_in"]) == ("bearer", 900)
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert client.get("/api/v1/models", headers=headers).status_code == 200
    assert client.get("/api/v1/api-keys", headers=headers).status_code == 403


def test_the_token_says_nothing_but_whose_it_is(client: TestClient, ada: str) -> None:
    claims = jwt.decode(log_in(client)["access_token"], options={"verify_signature": False})
    assert set(claims) == {"iss", "aud", "typ", "sub", "jti", "fam", "iat", "exp"}
    assert claims["exp"] - claims["iat"] == 900


def test_a_wrong_password_gets_no_token(client: TestClient, ada: str) -> None:
    for name in ("ada", "nobody"):
        answer = client.post("/api/v1/auth/token", data={"username": name, "password": "wrong"})
        assert (answer.status_code, answer.json()["detail"]) == (401, "the name or the password is wrong")


def test_a_name_that_cannot_be_one_is_refused_as_input(client: TestClient, ada: str) -> None:
    answer = client.post("/api/v1/auth/token", data={"username": "a\0da", "password": PASSWORD})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:iit:problem:invalid_input")


def test_a_refresh_token_is_exchanged_once(client: TestClient, ada: str) -> None:
    first = log_in(client)
    second = client.post("/api/v1/auth/refresh", data={"refresh_token": first["refresh_token"]}).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert asked_with(client, second["access_token"])[0] == 200


def test_using_a_refresh_token_twice_ends_its_whole_family(client: TestClient, service: Service, ada: str) -> None:
    first, other = log_in(client), log_in(client)
    second = client.post("/api/v1/auth/refresh", data={"refresh_token": first["refresh_token"]}).json()
    stolen = client.post("/api/v1/auth/refresh", data={"refresh_token": first["refresh_token"]})
    assert (stolen.status_code, stolen.json()["detail"]) == (401, "Invalid token")
    assert client.post("/api/v1/auth/refresh", data={"refresh_token": second["refresh_token"]}).status_code == 401
    for one in (first, second):
        assert asked_with(client, one["access_token"]) == INVALID
    assert asked_with(client, other["access_token"])[0] == 200
    with service.database.transaction() as tx:
        found = tx.execute(text("SELECT outcome FROM audit_logs WHERE event_type = 'refresh_token_reused'")).scalars()
        assert set(found) == {"refused"}


def test_logging_out_ends_the_login(client: TestClient, ada: str) -> None:
    pair = log_in(client)
    assert asked_with(client, pair["access_token"])[0] == 200
    assert client.post("/api/v1/auth/logout", data={"refresh_token": pair["refresh_token"]}).status_code == 204
    assert asked_with(client, pair["access_token"]) == INVALID
    assert client.post("/api/v1/auth/refresh", data={"refresh_token": pair["refresh_token"]}).status_code == 401
    assert client.post("/api/v1/auth/logout", data={"refresh_token": "never was one"}).status_code == 204


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda users: users.disable("ada", who=TESTER), id="disabled"),
        pytest.param(lambda users: users.save("ada", PASSWORD + "!", "viewer", who=TESTER), id="a new password"),
    ],
)
def test_tokens_end_with_their_user(
    client: TestClient, service: Service, ada: str, change: Callable[[Any], None]
) -> None:
    pair = log_in(client)
    change(service.access.users)
    assert asked_with(client, pair["access_token"]) == INVALID
    assert client.post("/api/v1/auth/refresh", data={"refresh_token": pair["refresh_token"]}).status_code == 401


def test_a_change_of_scope_counts_for_tokens_already_given(client: TestClient, service: Service, ada: str) -> None:
    service.intake.take_one(encoded(a_document("elsewhere")), who=TESTER)
    pair = log_in(client)
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert len(client.get("/api/v1/patients", headers=headers).json()["patients"]) == 1
    service.access.users.set_scope("ada", Scope(facilities=frozenset({"X"})), who=TESTER)
    assert client.get("/api/v1/patients", headers=headers).json()["patients"] == []
    with service.database.transaction() as tx:
        held = tx.execute(text("SELECT kind, place FROM facility_access WHERE holder = 'user:ada'")).all()
    assert [tuple(one) for one in held] == [("facility", "X")]


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_of(family: str, **changes: object) -> dict[str, object]:
    claims = {
        "iss": "iit-ml-service", "aud": "iit-ml-service/api", "typ": "access", "sub": "ada", "jti": uuid4().hex,
        "fam": family, "iat": int(NOW.timestamp()), "exp": int((NOW + timedelta(minutes=15)).timestamp()), **changes,
    }  # fmt: skip
    return {name: value for name, value in claims.items() if value is not None}


KEYRING = Keyring((SECRET.encode(),))
KID = KEYRING.signing_kid
KEY = KEYRING.signing_keys[KID]
HEADER = {"alg": "HS256", "typ": "at+jwt", "kid": KID}


def signed(header: object, claims: object, key: bytes = KEY, digest: str = "sha256") -> str:
    body = f"{part(header)}.{part(claims)}"
    return f"{body}.{part(hmac.new(key, body.encode(), getattr(hashlib, digest)).digest())}"


@pytest.fixture
def family(client: TestClient, ada: str) -> str:
    told = jwt.decode(log_in(client)["access_token"], options={"verify_signature": False})
    return str(told["fam"])


def test_a_token_made_by_hand_as_the_service_makes_it_is_taken(client: TestClient, family: str) -> None:
    """Without this the corpus below would prove nothing."""
    assert asked_with(client, signed(HEADER, claims_of(family)))[0] == 200


def at(**delta: float) -> int:
    return int((NOW + timedelta(**delta)).timestamp())


FORGED_CLAIMS: dict[str, dict[str, object]] = {
    "no exp": {"exp": None},
    "no iat": {"iat": None},
    "no jti": {"jti": None},
    "no sub": {"sub": None},
    "no aud": {"aud": None},
    "no iss": {"iss": None},
    "no typ": {"typ": None},
    "no family": {"fam": None},
    "nbf in the future": {"nbf": at(hours=1)},
    "iat in the future": {"iat": at(hours=1)},
    "another audience": {"aud": "elsewhere"},
    "a list of audiences": {"aud": ["iit-ml-service/api", "elsewhere"]},
    "another issuer": {"iss": "elsewhere"},
    "a list of issuers": {"iss": ["iit-ml-service"]},
    "a refresh token": {"typ": "refresh"},
    "another user": {"sub": "nobody"},
    "a number as user": {"sub": 1},
    "exp as text": {"exp": "9999999999"},
    "exp without end": {"exp": 1e308},
    "exp not a number": {"exp": float("nan")},
    "an unknown family": {"fam": str(uuid4())},
    "no uuid as family": {"fam": "' OR 1=1 --"},
}


@pytest.mark.parametrize("changes", FORGED_CLAIMS.values(), ids=FORGED_CLAIMS)
def test_claims_that_are_not_as_issued_are_refused(client: TestClient, family: str, changes: dict[str, object]) -> None:
    assert asked_with(client, signed(HEADER, claims_of(family, **changes))) == INVALID


@pytest.mark.parametrize("ago", [pytest.param(11, id="past the leeway"), pytest.param(86_400, id="yesterday")])
def test_an_expired_token_is_called_so(client: TestClient, family: str, ago: int) -> None:
    past = int(datetime.now(UTC).timestamp()) - ago
    assert asked_with(client, signed(HEADER, claims_of(family, exp=past))) == EXPIRED


FORGED_HEADERS: dict[str, dict[str, object]] = {
    "alg none": {"alg": "none"},
    "alg NONE": {"alg": "NONE"},
    "alg nOnE": {"alg": "nOnE"},
    "no alg": {"alg": None},
    "alg HS512": {"alg": "HS512"},
    "alg RS256": {"alg": "RS256"},
    "alg as a list": {"alg": ["HS256"]},
    "no kid": {"kid": None},
    "kid as a path": {"kid": "../../../../dev/null"},
    "kid as SQL": {"kid": "x' UNION SELECT 'k' --"},
    "kid as a URL": {"kid": "https://evil.example/key"},
    "kid as a list": {"kid": [KID]},
    "an unknown kid": {"kid": "0" * 12},
    "another typ": {"typ": "JWT"},
    "critical extensions": {"crit": ["b64"], "b64": False},
}


@pytest.mark.parametrize("changes", FORGED_HEADERS.values(), ids=FORGED_HEADERS)
def test_headers_that_are_not_as_issued_are_refused(
    client: TestClient, family: str, changes: dict[str, object]
) -> None:
    header = {name: value for name, value in {**HEADER, **changes}.items() if value is not None}
    for token in (signed(header, claims_of(family)), signed(header, claims_of(family)).rpartition(".")[0] + "."):
        assert asked_with(client, token) == INVALID


def test_keys_that_a_token_brings_along_are_never_used(client: TestClient, family: str) -> None:
    own = b"k" * 32
    for extra in (
        {"jwk": {"kty": "oct", "k": part(own), "kid": KID, "alg": "HS256"}},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/x"},
    ):
        assert asked_with(client, signed({**HEADER, **extra}, claims_of(family), own)) == INVALID


@pytest.mark.parametrize(
    ("key", "digest"),
    [
        pytest.param(b"", "sha256", id="an empty key"),
        pytest.param(SECRET.encode(), "sha256", id="the secret itself"),
        pytest.param(KEY, "sha512", id="another hash"),
        pytest.param(KID.encode(), "sha256", id="the name of the key"),
    ],
)
def test_signatures_of_other_keys_are_refused(client: TestClient, family: str, key: bytes, digest: str) -> None:
    assert asked_with(client, signed(HEADER, claims_of(family), key, digest)) == INVALID


def test_malformed_tokens_are_refused(client: TestClient, family: str) -> None:
    good = signed(HEADER, claims_of(family))
    head, body, signature = good.split(".")
    doubled = json.dumps(claims_of(family))[:-1] + ', "sub": "ada"}'
    nested = b'{"a":' * 50_000
    for token in (
        "a", "..", "a.b.c", f"{head}.{body}", f"{good}.x", f".{body}.{signature}", f"{head}..{signature}",
        good[:-4] + "AAAA", f"{good}=", signed(HEADER, doubled.encode()), signed(HEADER, b"[]"), signed(HEADER, b"1"),
        signed(b'{"alg":"HS256","alg":"HS256","typ":"at+jwt","kid":"' + KID.encode() + b'"}', claims_of(family)),
        signed(HEADER, nested), signed(HEADER, claims_of(family, pad="x" * 65_536)), "x" * 65_536,
    ):  # fmt: skip
        assert asked_with(client, token) == INVALID, token[:60]


def test_an_access_token_cannot_be_refreshed_nor_a_refresh_token_shown(client: TestClient, ada: str) -> None:
    pair = log_in(client)
    assert client.post("/api/v1/auth/refresh", data={"refresh_token": pair["access_token"]}).status_code in (401, 422)
    assert asked_with(client, pair["refresh_token"]) == INVALID


def test_no_bearer_at_all_asks_for_one(client: TestClient) -> None:
    answer = client.get("/api/v1/models")
    assert answer.json()["type"] == "urn:iit:problem:not_authenticated"
    assert "Bearer" in answer.headers["www-authenticate"]
