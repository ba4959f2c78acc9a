"""The examples of docs/connect/fhir.md, run as they stand there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from iit.api.app import create_app
from iit.bootstrap import Service
from iit.domain.access import Role
from iit.services.keys import KeyWish
from iit.testing import TESTER

PAGE = Path(__file__).parents[2] / "docs" / "connect" / "fhir.md"


def examples() -> Iterator[list[str]]:
    """Yield the words of each command."""
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.S | re.M):
        lexer = shlex.shlex(block.replace("\\\n", " ").replace("\\$", "$"), posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters = True, ""
        command: list[str] = []
        for word in lexer:
            if word == "curl" and command:
                yield command
                command = []
            command.append(word)
        yield command


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service), raise_server_exceptions=False) as opened:
        yield opened


def test_every_example_does_what_the_page_says(client: TestClient, service: Service) -> None:
    key = service.access.keys.create(KeyWish(label="our EMR", role=Role.INTEGRATION), who=TESTER)
    told = []
    for command in examples():
        words = iter(command[1:])
        method, url, headers, body = "", "", {}, None
        for word in words:
            if word == "-X":
                method = next(words)
            elif word == "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value.replace("$KEY", key)
            elif word == "-d":
                body = next(words)
            elif word != "-s":
                url = word.replace("$URL", "")
        answer = client.request(method or ("POST" if body else "GET"), url, headers=headers, content=body)
        told.append((answer.status_code, url.partition("?")[0]))
        statuses = [one.get("response", {}).get("status", "2") for one in answer.json().get("entry", [])]
        assert all(one.startswith("2") for one in statuses), answer.text
    assert len(told) == 9
    assert [one for one in told if one[0] >= 300] == []
    assert told[1] == (201, "/fhir/Observation")
    everything = client.get("/fhir/Patient/5d0f0a34-3d0b-4c0e-8f43-2f7c6b1f0a11/$everything",
                            headers={"X-API-Key": key}).json()  # fmt: skip
    kinds = {one["resource"]["resourceType"] for one in everything["entry"]}
    assert kinds == {"Patient", "MedicationDispense", "Observation"}
