"""The page that describes the API: all routes, no script, nothing from elsewhere, the same policy as all pages."""

import re

from fastapi import FastAPI
from fastapi.testclient import TestClient


def test_the_reference_shows_every_route(app: FastAPI, client: TestClient) -> None:
    page = client.get("/docs").text
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            assert f"<code>{method.upper()} {path}</code>" in page


def test_the_reference_runs_no_script_and_asks_nobody_else(client: TestClient) -> None:
    answer = client.get("/docs")
    assert "<script" not in answer.text
    assert all(found.startswith("/") for found in re.findall(r'(?:src|href|action)="([^"#][^"]*)"', answer.text))
    assert answer.headers["content-security-policy"] == client.get("/login").headers["content-security-policy"]


def test_the_pages_of_the_framework_are_gone(client: TestClient) -> None:
    assert {client.get(path).status_code for path in ("/redoc", "/docs/oauth2-redirect")} == {404}
