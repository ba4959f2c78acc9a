"""Tokens that an EMR signs: only its own, only for this service, in their time, and each once."""

import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from iit.api.app import create_app
from iit.bootstrap import Service, assemble
from iit.bootstrap.cds import _fetched
from iit.config import Settings, load_settings
from iit.domain.errors import InvalidInput, InvalidToken, Unavailable
from iit.services.emr_tokens import EmrTokens, KeySet
from iit.store.database import Database

URL = "https://iit.example"
ISSUER = "https://emr.example"
PATH = "/cds-services/iit-risk"
ELLIPTIC = ec.generate_private_key(ec.SECP384R1())
OTHER = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
CALL = {"hook": "patient-view", "hookInstance": str(uuid4()), "context": {"patientId": "nobody"}}


def jwk(algorithm: Any, key: Any, kid: str, alg: str) -> dict[str, Any]:
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "alg": alg, "use": "sig"}


KEYS = {"keys": [jwk(ECAlgorithm, ELLIPTIC, "e", "ES384"), jwk(RSAAlgorithm, RSA, "r", "RS256")]}


@pytest.fixture(scope="module")
def trusting(settings: Settings, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Service:
    keys = tmp_path_factory.mktemp("keys") / "jwks.json"
    keys.write_text(json.dumps(KEYS))
    told = {"public_url": URL, "cds_issuer": ISSUER, "cds_keys": str(keys), "cds_origins": "https://emr.example"}
    return assemble(settings.model_copy(update=told), database)


@pytest.fixture(scope="module")
def emr(trusting: Service) -> Iterator[TestClient]:
    with TestClient(create_app(trusting), raise_server_exceptions=False) as client:
        yield client


def a_token(key: Any = ELLIPTIC, alg: str = "ES384", kid: str = "e", **changes: Any) -> str:
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER, "aud": f"{URL}{PATH}", "iat": now, "exp": now + timedelta(minutes=5), "jti": str(uuid4()),
        **changes,
    }  # fmt: skip
    told = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(told, key, algorithm=alg, headers={"kid": kid})


def confused() -> str:
    """Return a token whose signature is an HMAC with the issuer's public key, which everybody knows."""
    _, claims, _ = a_token().split(".")
    header = base64url_encode(json.dumps({"alg": "HS384", "kid": "e"}).encode()).decode()
    secret = ELLIPTIC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = hmac.digest(secret, f"{header}.{claims}".encode(), "sha384")
    return f"{header}.{claims}.{base64url_encode(signature).decode()}"


def status(emr: TestClient, token: str, path: str = PATH) -> int:
    return emr.post(path, json=CALL, headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_token_of_the_emr_opens_the_hooks_once(emr: TestClient) -> None:
    token = a_token()
    assert status(emr, token) == 200
    assert status(emr, token) == 401


@pytest.mark.parametrize("audience", [URL, f"{URL}/", f"{URL}/cds-services", f"{URL}{PATH}", ["x", f"{URL}{PATH}"]])
def test_a_token_is_for_this_service(emr: TestClient, audience: object) -> None:
    assert status(emr, a_token(aud=audience)) == 200


def test_an_rsa_key_will_do(emr: TestClient) -> None:
    assert status(emr, a_token(RSA, "RS256", "r")) == 200


def past(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda: a_token(iss="https://other.example"), id="another issuer"),
        pytest.param(lambda: a_token(aud=f"{URL}/cds-services/other"), id="another service"),
        pytest.param(lambda: a_token(aud="https://other.example"), id="another server"),
        pytest.param(lambda: a_token(OTHER), id="another key"),
        pytest.param(lambda: a_token(kid="unknown"), id="an unknown key"),
        pytest.param(lambda: a_token(RSA, "RS384", "r"), id="another algorithm than the key's"),
        pytest.param(lambda: a_token(exp=past(1), iat=past(3)), id="expired"),
        pytest.param(lambda: a_token(iat=datetime.now(UTC) + timedelta(minutes=2)), id="not yet issued"),
        pytest.param(lambda: a_token(exp=datetime.now(UTC) + timedelta(hours=1)), id="too long a life"),
        *(pytest.param(lambda name=name: a_token(**{name: None}), id=f"without {name}")
          for name in ("iss", "aud", "exp", "iat", "jti")),
        pytest.param(lambda: a_token(jti=""), id="an empty id"),
        pytest.param(lambda: a_token("a" * 40, "HS256"), id="a shared secret"),
        pytest.param(lambda: confused(), id="the public key as a secret"),
        pytest.param(lambda: jwt.encode({"iss": ISSUER}, None, algorithm="none"), id="no signature"),
        pytest.param(lambda: "x.y.z", id="no token"),
    ],
)  # fmt: skip
def test_any_other_token_is_refused(emr: TestClient, token: Callable[[], str]) -> None:
    assert status(emr, token()) == 401


def test_a_token_opens_nothing_else(emr: TestClient) -> None:
    headers = {"Authorization": f"Bearer {a_token(aud=URL)}"}
    for path in ("/api/v1/patients", "/fhir/RiskAssessment"):
        assert emr.get(path, headers=headers).status_code == 401


def test_where_no_emr_is_trusted_its_tokens_are_refused(service: Service) -> None:
    with TestClient(create_app(service), raise_server_exceptions=False) as client:
        assert status(client, a_token()) == 401


def test_only_pages_of_the_emr_may_call_and_only_the_hooks(emr: TestClient) -> None:
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    own = emr.options(PATH, headers={"Origin": "https://emr.example", **ask})
    assert own.headers["access-control-allow-origin"] == "https://emr.example"
    other = emr.options(PATH, headers={"Origin": "https://evil.example", **ask})
    assert "access-control-allow-origin" not in other.headers
    elsewhere = emr.options("/api/v1/patients", headers={"Origin": "https://emr.example", **ask})
    assert "access-control-allow-origin" not in elsewhere.headers
    found = emr.get("/cds-services", headers={"Origin": "https://emr.example"})
    assert found.headers["access-control-allow-origin"] == "https://emr.example"


def test_without_origins_no_page_may_call(service: Service) -> None:
    with TestClient(create_app(service)) as client:
        found = client.get("/cds-services", headers={"Origin": "https://emr.example"})
        assert "access-control-allow-origin" not in found.headers


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_keys_are_kept_fetched_anew_and_used_for_a_day_when_they_cannot_be_had() -> None:
    calls: list[float] = []
    clock = Clock()
    answers: list[bytes | None] = [json.dumps(KEYS).encode()]

    def fetch() -> bytes:
        calls.append(clock.now)
        if answers[0] is None:
            raise Unavailable("away")
        return answers[0]

    keys = KeySet(fetch, clock)
    assert keys.find("e") is not None
    assert keys.find("e") is not None
    assert len(calls) == 1
    for _ in range(20):
        assert keys.find("unknown") is None  # must not make us ask the issuer each time
    assert len(calls) == 1
    clock.now = 11.0
    assert keys.find("unknown") is None
    assert len(calls) == 2
    answers[0] = None
    clock.now = 5_000.0
    assert keys.find("e") is not None
    clock.now = 100_000.0
    with pytest.raises(Unavailable):
        keys.find("e")
    answers[0] = b"<html>"
    clock.now = 100_020.0
    with pytest.raises(Unavailable):
        keys.find("e")


def test_an_address_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        _fetched("https://127.0.0.1:1/jwks")


def test_while_the_keys_are_away_tokens_are_not_judged(trusting: Service) -> None:
    def away() -> bytes:
        raise Unavailable("away")

    tokens = trusting.emr_tokens
    assert isinstance(tokens, EmrTokens)
    with pytest.raises(Unavailable):
        replace(tokens, keys=KeySet(away, Clock())).check(a_token(), PATH)
    with pytest.raises(InvalidToken):
        tokens.check("x" * 9000, PATH)


def test_trust_is_configured_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IIT_CDS_ISSUER", ISSUER)
    with pytest.raises(InvalidInput, match="needed together"):
        load_settings()
    monkeypatch.setenv("IIT_PUBLIC_URL", URL)
    monkeypatch.setenv("IIT_CDS_KEYS", "http://x")
    with pytest.raises(InvalidInput, match="https:// address or a file"):
        load_settings()
    monkeypatch.setenv("IIT_CDS_KEYS", "https://x")
    assert load_settings().cds_issuer == ISSUER
