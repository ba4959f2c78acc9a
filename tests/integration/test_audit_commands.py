"""`iit audit` and `iit privacy` as an officer types them."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from tests.commands import Command, settings_at
from tests.conftest import libpq
from tests.documents import a_document, encoded, uuid_of

from iit.store.embedded.cluster import ClusterUrls

DOCUMENT = a_document("a person of the commands")
UUID = uuid_of(DOCUMENT)
YESTERDAY, TOMORROW = ((datetime.now(UTC) + timedelta(days=days)).date().isoformat() for days in (-1, 2))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "document.json").write_bytes(encoded(DOCUMENT))
    return folder


@pytest.fixture
def iit(
    database_urls: ClusterUrls, data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return Command(monkeypatch, capsys, settings_at(database_urls, data_dir))


def test_a_sound_trail_is_told_and_anchored(iit: Command, data_dir: Path) -> None:
    assert iit("import", str(data_dir / "document.json")).returncode == 0
    told = iit("audit", "verify")
    assert told.returncode == 0, told.stderr
    assert "the trail is sound" in told.stdout
    *_, line = (data_dir / "audit" / "anchors.jsonl").read_text().splitlines()
    verdict = json.loads(iit("audit", "verify", "--from", YESTERDAY, "--json").stdout)
    assert (verdict["sound"], verdict["last_seq"]) == (True, json.loads(line)["seq"])


def test_the_newest_rows_are_shown_first(iit: Command) -> None:
    rows = json.loads(iit("audit", "search", "--json").stdout)
    assert [row["seq"] for row in rows] == sorted((row["seq"] for row in rows), reverse=True)
    assert {(row["address"], row["purpose"]) for row in rows} == {("local", "operations")}
    assert all(row["actor"].startswith("cli:") for row in rows)
    (found,) = json.loads(iit("audit", "search", "--target", f"patient:{UUID}", "--json").stdout)
    assert found["event_type"] == "records_imported"
    assert "records_imported" in iit("audit", "search", "--type", "records_imported").stdout
    assert not json.loads(iit("audit", "search", "--type", "login_failure", "--json").stdout)


def test_those_whom_an_incident_affects_are_listed(iit: Command, tmp_path: Path) -> None:
    out = tmp_path / "affected.csv"
    told = iit("audit", "affected", "--from", YESTERDAY, "--to", TOMORROW, "--out", str(out))
    assert told.stdout == "1 patients affected\n"
    assert [row["patient_uuid"] for row in csv.DictReader(out.read_text().splitlines())] == [UUID]
    assert iit("audit", "affected", "--from", TOMORROW).stdout == "0 patients affected\n"
    assert UUID in iit("audit", "affected").stdout


@pytest.mark.parametrize("ending", ["ndjson", "csv"])
def test_an_export_can_be_read_back(iit: Command, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"trail.{ending}"
    assert iit("audit", "export", "--out", str(out)).returncode == 0
    assert out.stat().st_mode & 0o777 == 0o600
    lines = out.read_text().splitlines()
    rows = [json.loads(line) for line in lines] if ending == "ndjson" else list(csv.DictReader(lines))
    assert [int(row["seq"]) for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["event_type"] == "audit_exported"


def test_an_export_runs_nothing_in_a_spreadsheet(iit: Command, database_urls: ClusterUrls, tmp_path: Path) -> None:
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as owner:
        owner.execute("CREATE TABLE kept AS SELECT target FROM audit_logs WHERE seq = 1")
        owner.execute("UPDATE audit_logs SET target = '=cmd()' WHERE seq = 1")
        out = tmp_path / "trail.csv"
        iit("audit", "export", "--out", str(out))
        owner.execute("UPDATE audit_logs SET target = (SELECT target FROM kept) WHERE seq = 1")
    assert next(csv.DictReader(out.read_text().splitlines()))["target"] == "'=cmd()"


def test_a_changed_row_is_told_with_its_number(iit: Command, database_urls: ClusterUrls) -> None:
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as owner:
        owner.execute("UPDATE audit_logs SET actor = actor || 'x' WHERE seq = 2")
        told = iit("audit", "verify")
        machine = iit("audit", "verify", "--json")
        owner.execute("UPDATE audit_logs SET actor = left(actor, -1) WHERE seq = 2")
    assert told.returncode == machine.returncode == 13
    assert "row 2: changed after it was written" in told.stdout
    assert json.loads(machine.stdout)["findings"][0]["seq"] == 2
    assert iit("audit", "verify").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(["audit", "export", "--out", "trail.xml"], 10, ".ndjson or .csv", id="another ending"),
        pytest.param(["audit", "search", "--from", "yesterday"], 10, "YYYY-MM-DD", id="a day in words"),
        pytest.param(["audit", "search", "--from", "2026-01-01Tnoon"], 10, "YYYY-MM-DDTHH:MM", id="a moment in words"),
        pytest.param(["privacy", "erase", "nobody", "--yes"], 11, "nothing is kept", id="nobody"),
        pytest.param(["privacy", "erase", UUID], 10, "add --yes", id="erasure without yes"),
        pytest.param(["privacy", "readmit", UUID, "--yes"], 11, "no such person was erased", id="nobody was erased"),
        pytest.param(["privacy", "readmit", UUID], 10, "add --yes", id="readmission without yes"),
    ],
)
def test_errors_are_one_line(iit: Command, arguments: list[str], code: int, words: str) -> None:
    told = iit(*arguments)
    assert told.returncode == code, told.stderr
    assert words in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


def test_a_person_is_given_out_and_erased(iit: Command, data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "person.json"
    assert iit("privacy", "export", UUID, "--out", str(out)).returncode == 0
    assert json.loads(out.read_text())["patients"][0]["patient_uuid"] == UUID
    assert out.stat().st_mode & 0o777 == 0o600
    assert "1 removed from patients" in iit("privacy", "erase", UUID, "--yes").stdout
    again = json.loads(iit("import", str(data_dir / "document.json"), "--json").stdout)
    assert (again["read"], again["added"], again["erased"]) == (1, 0, 1)
    assert iit("privacy", "readmit", UUID, "--yes").returncode == 0
    assert json.loads(iit("import", str(data_dir / "document.json"), "--json").stdout)["added"] == 1


def test_retention_tells_first_and_removes_on_yes(iit: Command) -> None:
    told = iit("privacy", "retention", "--predictions-days", "365", "--dry-run")
    assert told.stdout == "0 predictions older than 365 days would be removed (add --yes)\n"
    assert "were removed" in iit("privacy", "retention", "--predictions-days", "365", "--yes").stdout


def test_the_trail_is_sound_after_all_this(iit: Command) -> None:
    iit("audit", "search")
    assert iit("audit", "anchor").stdout.startswith("anchored at row")
    assert "not grown" in iit("audit", "anchor").stdout
    assert iit("audit", "verify").returncode == 0
