"""An OpenID Connect provider on a socket of its own, with keys of its own, that can be told to misbehave."""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT, SECRET = "iit", "the secret of the tests' client"


@dataclass
class TestProvider:
    """Gives out codes as if somebody had logged in, and checks what a provider must check."""

    __test__ = False

    claims: dict[str, Any] = field(default_factory=dict)
    forge: Callable[[dict[str, Any]], str] | None = None
    document: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    kid: str = "first"
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.calls.append(self.path)
                found = {"/.well-known/openid-configuration": provider.discovery, "/keys": provider.keys}.get(self.path)
                self.answer(404, {}) if found is None else self.answer(200, found())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.calls.append(self.path)
                form = {name: values[0] for name, values in parse_qs(body).items()}
                told = provider.token(form, self.headers.get("Authorization", ""))
                self.answer(400 if told is None else 200, told or {"error": "invalid_grant"})

            def answer(self, status: int, told: dict[str, Any]) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(told).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True, **self.document,
        }  # fmt: skip

    def keys(self) -> dict[str, Any]:
        told = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**told, "kid": self.kid, "alg": "RS256", "use": "sig"}]}

    def log_in(self, url: str) -> dict[str, str]:
        """Return what the browser brings back from the address it was sent to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (CLIENT, "code", "S256")
        code = uuid4().hex
        self._codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        asked = self._codes.pop(form.get("code", ""), None)
        client = b64decode(authorization.removeprefix("Basic ")).decode()
        if asked is None or unquote(client) != f"{CLIENT}:{SECRET}" or form["redirect_uri"] != asked["redirect_uri"]:
            return None
        proof = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if proof != asked["code_challenge"]:
            return None
        claims = self.standard(CLIENT) | {"nonce": asked["nonce"]} | self.claims
        told = {name: value for name, value in claims.items() if value is not None}
        return {"token_type": "Bearer", "access_token": "x", "id_token": (self.forge or self.sign)(told)}

    def standard(self, audience: str) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {"iss": self.issuer, "aud": audience, "sub": "subject-1", "groups": ["nurses"],
                "iat": int(now.timestamp()), "exp": int((now + timedelta(minutes=5)).timestamp())}  # fmt: skip

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.kid})

    def turn_key(self) -> None:
        """Sign with a new key from now on, and forget the old one."""
        self.key, self.kid = rsa.generate_private_key(65537, 2048), uuid4().hex
