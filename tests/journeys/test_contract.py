"""The API does what its description says, whatever it is sent: no 5xx and no answer of another form.

`IIT_CONTRACT_CASES=400` sends that many requests to each route instead of a few; `make test-contract` does.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_asgi
from schemathesis.python.asgi import ASGIClient
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from iit.api.app import add_routes, create_app
from tests.journeys.conftest import Running


@schemathesis.serializer("application/hl7-v2")
def as_text(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """Return a generated body as it is sent."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


CASES = int(os.environ.get("IIT_CONTRACT_CASES", "8"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def described() -> list[tuple[str, str, GenerationMode]]:
    """Return each route with requests as described and, where they can be otherwise, with such."""
    app = FastAPI()
    add_routes(app)
    found = []
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            found.append((path, method, GenerationMode.POSITIVE))
            if operation.get("parameters") or "requestBody" in operation:
                found.append((path, method, GenerationMode.NEGATIVE))
    return found


@dataclass(frozen=True)
class Described:
    """What the application says of itself, and one open connection to it."""

    schema: BaseSchema
    client: ASGIClient


@pytest.fixture(scope="module")
def api_described(running: Running) -> Iterator[Described]:
    limitless = {"rate_limit_per_minute": 0, "rate_limit_strangers_per_minute": 0}
    app = create_app(replace(running.service, settings=running.service.settings.model_copy(update=limitless)))
    with ASGIClient(app) as client:
        yield Described(from_asgi("/openapi.json", app), client)


@pytest.mark.parametrize(("path", "method", "mode"), described())
def test_every_answer_is_as_described(
    api_described: Described, running: Running, path: str, method: str, mode: GenerationMode
) -> None:
    @settings(
        max_examples=CASES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=api_described.schema[path][method].as_strategy(generation_mode=mode))
    def send(case: Case) -> None:
        case.call_and_validate(session=api_described.client, headers={"X-API-Key": running.key}, checks=CHECKS)

    send()
