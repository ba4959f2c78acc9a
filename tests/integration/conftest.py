"""A service without a model on a database of its own, and a client of it: enough for all that is not prediction."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from iit.api.app import create_app
from iit.bootstrap import Service, assemble
from iit.config import Settings
from iit.domain.access import Role
from iit.services.keys import KeyWish
from iit.store.database import Database
from iit.testing import TESTER
from iit.web.pages import add_pages

SECRET = "0123456789abcdefghijklmnopqrstuv-test"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data_dir=tmp_path_factory.mktemp("data"), secret_key=SECRET)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def service(settings: Settings, database: Database) -> Service:
    return assemble(settings, database)


@pytest.fixture(scope="module")
def app(service: Service) -> FastAPI:
    app = create_app(service)
    add_pages(app)
    return app


@pytest.fixture(scope="module")
def opened_client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(opened_client: TestClient, service: Service) -> TestClient:
    """A client that has asked nothing yet and is logged in nowhere."""
    service.limits.forget()
    opened_client.cookies.clear()
    return opened_client


@pytest.fixture(scope="module")
def key_of(service: Service) -> Callable[[Role], str]:
    made: dict[Role, str] = {}

    def key(role: Role) -> str:
        if role not in made:
            made[role] = service.access.keys.create(KeyWish(label="test", role=role), who=TESTER)
        return made[role]

    return key
