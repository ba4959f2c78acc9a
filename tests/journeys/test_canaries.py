"""No value of a person comes out: canaries in every personal field, through success and every kind of error."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg import sql

from iit.domain.errors import InvalidInput
from iit.ingest.sources import documents
from iit.store.embedded.cluster import ClusterUrls
from iit.testing import TESTER
from tests.commands import Command
from tests.conftest import libpq
from tests.documents import CANARIES, a_document, encoded, uuid_of
from tests.journeys.conftest import Running
from tests.log_setup import logged

NAME = CANARIES["firstName"]


@pytest.fixture(autouse=True)
def log(tmp_path: Path) -> Iterator[Path]:
    """All that is logged at the most talkative level."""
    with logged(tmp_path / "service.log", level="DEBUG") as file:
        yield file


@pytest.fixture
def owner(cluster: ClusterUrls, running: Running) -> Iterator[psycopg.Connection]:
    url = libpq(cluster.owner_url).replace("/iit_ml_service?", "/journeys?")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@contextmanager
def broken(owner: psycopg.Connection, table: str, column: str) -> Iterator[None]:
    """Have a table that a request needs lack a column for a while."""
    names = {"table": sql.Identifier(table), "column": sql.Identifier(column), "other": sql.Identifier("broken")}
    owner.execute(sql.SQL("ALTER TABLE {table} RENAME COLUMN {column} TO {other}").format(**names))
    yield
    owner.execute(sql.SQL("ALTER TABLE {table} RENAME COLUMN {other} TO {column}").format(**names))


def assert_silent(told: str) -> None:
    """No canary, nor any row or statement that PostgreSQL quotes."""
    found = [name for name, canary in CANARIES.items() if canary in told]
    assert found == []
    for words in ("Failing row", "DETAIL", "[parameters", "INSERT INTO"):
        assert words not in told


def a_bad_document() -> bytes:
    document = a_document("bad")
    document["messageData"]["demographics"]["birthdate"] = CANARIES["lastName"]
    document["messageData"]["obs"][0]["obsDatetime"] = CANARIES["phoneNumber"]
    document["messageData"][CANARIES["identifier"]] = CANARIES["template"]
    return encoded(document)


def test_answers_of_every_kind_tell_no_value(api: TestClient, log: Path) -> None:
    good = encoded(a_document("canary", days=("2024-01-10", "2024-02-09")))
    answers = [
        (201, api.post("/api/v1/patients", content=good)),
        (200, api.post("/api/v1/predictions", content=good)),
        (200, api.get(f"/api/v1/patients/{uuid_of(a_document('canary'))}")),
        (200, api.get(f"/api/v1/patients/{uuid_of(a_document('canary'))}/timeline")),
        (200, api.get("/api/v1/patients")),
        (200, api.get("/metrics")),
        (422, api.post("/api/v1/patients", content=a_bad_document())),
        (422, api.post("/api/v1/predictions", content=a_bad_document())),
        (422, api.post("/api/v1/predictions", json={"features": {NAME: 1}})),
        (422, api.post("/api/v1/predictions", json={"features": {"age": NAME}})),
        (422, api.post("/api/v1/predictions", json={"patient_uuid": "x", "as_of": NAME})),
        (422, api.post("/api/v1/predictions", params={"explain": NAME}, content=good)),
        (422, api.get(f"/api/v1/predictions/{NAME}")),
        (422, api.get("/api/v1/patients", params={"band": NAME})),
        (422, api.get("/api/v1/patients", params={"cursor": NAME})),
        (404, api.post("/api/v1/predictions", json={"patient_uuid": NAME})),
        (404, api.get(f"/api/v1/patients/{NAME}")),
        (404, api.get(f"/{NAME}")),
        (405, api.delete(f"/api/v1/patients/{NAME}")),
        (
            409,
            api.post(
                "/api/v1/predictions", json={"patient_uuid": uuid_of(a_document("canary")), "as_of": "2024-01-01"}
            ),
        ),
        (401, api.get("/api/v1/patients", headers={"X-API-Key": NAME})),
    ]
    for place, (status, answer) in enumerate(answers):
        assert answer.status_code == status, f"answer {place}: {answer.text[:200]}"
        assert_silent(answer.text + repr(answer.headers))
    assert_silent(api.get("/metrics").text)
    assert_silent(log.read_text())


@pytest.mark.parametrize(
    ("table", "column"), [("predictions", "warnings"), ("events", "known_at"), ("audit_logs", "purpose")]
)
def test_a_broken_table_is_told_of_by_its_place(
    api: TestClient, owner: psycopg.Connection, log: Path, table: str, column: str
) -> None:
    document = a_document(f"canary {table}", days=("2024-01-10", "2024-03-09"))
    with broken(owner, table, column):
        kept = api.post("/api/v1/patients", content=encoded(document))
        scored = api.post("/api/v1/predictions", content=encoded(document))
    assert 500 in (kept.status_code, scored.status_code)
    assert_silent(kept.text + scored.text)
    told = log.read_text()
    assert "Traceback" in told
    assert "42703" in told  # PostgreSQL's code of an undefined column
    assert_silent(told)


def test_a_row_that_the_database_refuses_is_not_quoted(api: TestClient, owner: psycopg.Connection, log: Path) -> None:
    owner.execute("ALTER TABLE events ADD CONSTRAINT odd CHECK (numeric_value IS DISTINCT FROM 30) NOT VALID")
    answer = api.post("/api/v1/patients", content=encoded(a_document("refused")))
    owner.execute("ALTER TABLE events DROP CONSTRAINT odd")
    assert answer.status_code == 500
    assert uuid_of(a_document("refused")) not in log.read_text()
    assert_silent(answer.text + log.read_text())


def test_commands_tell_no_value(
    running: Running, cluster: ClusterUrls, owner: psycopg.Connection, log: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "good.json").write_bytes(encoded(a_document("canary by command")))
    (tmp_path / "bad.json").write_bytes(a_bad_document())
    (tmp_path / "broken.json").write_bytes(encoded(a_document("canary to a broken table")))
    settings = {
        "IIT_DATABASE_URL": cluster.app_url.replace("/iit_ml_service?", "/journeys?"),
        "IIT_DATABASE_OWNER_URL": cluster.owner_url.replace("/iit_ml_service?", "/journeys?"),
        "IIT_DATA_DIR": str(running.service.settings.data_dir),
        "IIT_SECRET_KEY": "0123456789abcdefghijklmnopqrstuv-test",
    }
    iit = Command(monkeypatch, capsys, settings)
    told = [
        iit("import", str(tmp_path / "good.json"), str(tmp_path / "bad.json")),
        iit("train", "--model-version", f"../{NAME}"),
    ]
    with broken(owner, "events", "known_at"):
        told.append(iit("import", str(tmp_path / "broken.json")))
    assert [one.returncode for one in told] == [0, 10, 1]
    assert "this is a bug of the service" in told[2].stderr
    for one in told:
        assert_silent(one.stdout + one.stderr)
    assert_silent(log.read_text())


def test_objects_in_memory_show_no_value(running: Running, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(encoded(a_document("canary in memory")))
    service = running.service
    held = [*documents([tmp_path])]
    record, summary = service.intake.take_one(held[0].data, who=TESTER)
    with pytest.raises(InvalidInput) as refused:
        service.intake.take_one(a_bad_document(), who=TESTER)
    held += [
        record,
        summary,
        refused.value,
        service.patients.page(facility=None, band=None, cursor=None, limit=5, who=TESTER),
    ]
    ours = [one for one in gc.get_objects() if str(type(one).__module__).startswith("iit.")]
    assert len(ours) > len(held)
    for one in ours:
        assert not [canary for canary in CANARIES.values() if canary in repr(one)], type(one)


def test_the_database_the_trail_and_the_models_hold_no_value(running: Running, owner: psycopg.Connection) -> None:
    tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert len(tables) > 10
    for (table,) in tables:
        # Columns of bytes are shown as hexadecimal.
        told = owner.execute(
            sql.SQL("SELECT count(*) FROM {} t WHERE t::text LIKE '%%CANARY%%' OR t::text LIKE %s").format(
                sql.Identifier(table)
            ),
            [f"%{b'CANARY'.hex()}%"],
        ).fetchone()
        assert told == (0,), table
    files = [path for path in running.service.settings.data_dir.rglob("*") if path.is_file()]
    assert any(path.name == "bundle.json" for path in files)
    assert not [path for path in files if b"CANARY" in path.read_bytes()]
    assert "CANARY" not in json.dumps(running.training.evaluation, default=str)
