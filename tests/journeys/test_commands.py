"""The command line as a user types it, on a private server of its own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import pytest

from tests.commands import Command
from tests.documents import a_document, encoded
from tests.hl7_messages import a_message, a_person


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="iit-commands-"))
    folder.chmod(0o755)
    yield folder
    rmtree(folder)


@pytest.fixture
def iit(data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys, {"IIT_DATA_DIR": str(data_dir)})


def test_import_counts_and_rejects(iit: Command, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(encoded(a_document("cli")))
    (tmp_path / "bad.json").write_text('{"messageData": {"demographics": {"firstName": "CANARY"}}}')
    errors = tmp_path / "rejected.ndjson"
    told = iit("import", str(tmp_path), "--errors", str(errors), "--json")
    assert told.returncode == 0, told.stderr
    summary = json.loads(told.stdout)
    assert (summary["read"], summary["added"], summary["rejected"]) == (2, 1, 1)
    assert "CANARY" not in told.stdout + told.stderr
    (line,) = errors.read_text().splitlines()
    assert json.loads(line)["place"].endswith("bad.json")
    assert errors.stat().st_mode & 0o777 == 0o600
    again = json.loads(iit("import", str(tmp_path / "good.json"), "--json").stdout)
    assert (again["added"], again["unchanged"]) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(["import", "/nowhere/at/all"], 11, "no such file or folder", id="a missing file"),
        pytest.param(["import", "/etc/hostname"], 10, "every document was rejected", id="a file of another type"),
        pytest.param(["train", "--model-version", "../x"], 10, "model version", id="a version that is a path"),
        pytest.param(["train", "--model-version", "v1"], 10, "training data", id="too little data"),
        pytest.param(["score"], 14, "no model is in service", id="no model"),
        pytest.param(["score", "--as-of", "01/02/2024"], 10, "YYYY-MM-DD", id="a day written another way"),
        pytest.param(["models", "rollback"], 13, "no previous model", id="nothing to return to"),
        pytest.param(["models", "show", "v9"], 11, "there is no model v9", id="an unknown model"),
        pytest.param(["drift"], 11, "no model is in service", id="nothing to watch"),
        pytest.param(["drift", "--since", "soon"], 10, "must be 1d to", id="a span written another way"),
        pytest.param(["outcomes", "resolve", "--as-of", "2999-01-01"], 10, "future", id="a day ahead"),
        pytest.param(["models", "shadow"], 10, "give a version", id="neither a shadow nor none"),
        pytest.param(["models", "shadow", "v9"], 11, "there is no model v9", id="an unknown shadow"),
        pytest.param(["models", "compare"], 11, "no two models", id="nothing to compare"),
        pytest.param(["synth", "/nowhere", "--shift", "weather"], 10, "must be one of supply", id="an unknown shift"),
        pytest.param(["users", "set", "x", "--role", "king", "--password", "0123456789abc"], 10, "role", id="a role"),
    ],
)
def test_errors_are_one_line_with_the_exit_code_of_their_kind(
    iit: Command, arguments: list[str], code: int, words: str
) -> None:
    told = iit(*arguments)
    assert told.returncode == code, told.stderr
    assert words in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1
    assert "Traceback" not in told.stderr


def test_all_wrong_settings_are_named_at_once(iit: Command) -> None:
    told = iit("config", "check", IIT_DB_POOL_SIZ="5", IIT_LOG_LEVEL="LOUD", IIT_SECRET_KEY="CANARY")
    assert told.returncode == 10
    for words in ("IIT_DB_POOL_SIZ is no setting (did you mean IIT_DB_POOL_SIZE?)", "IIT_LOG_LEVEL", "IIT_SECRET_KEY"):
        assert words in told.stderr
    assert "CANARY" not in told.stderr


def test_keys_are_made_listed_and_revoked(iit: Command) -> None:
    key = iit("keys", "create", "--label", "our EMR").stdout.strip()
    key_id = key.split("_")[1]
    assert key_id in iit("keys", "list").stdout
    assert iit("keys", "revoke", key_id).returncode == 0
    assert "revoked" in iit("keys", "list").stdout
    assert iit("keys", "revoke", key_id).returncode == 11


def test_users_are_scoped_listed_and_disabled(iit: Command) -> None:
    told = iit("users", "set", "ada", "--role", "clinician", "--password", "correct horse battery", "--facility", "A1")
    assert told.stdout == "ada may log in as clinician and sees A1\n"
    assert iit("users", "scope", "ada", "--state", "Oyo").stdout == "ada sees Oyo\n"
    assert iit("users", "disable", "ada").returncode == 0
    (line,) = [one for one in iit("users", "list").stdout.splitlines() if one.startswith("ada")]
    assert "disabled" in line
    assert iit("users", "scope", "nobody").returncode == 11


def test_keys_are_narrowed_and_rotated(iit: Command) -> None:
    key = iit("keys", "create", "--label", "narrow", "--action", "models:read", "--facility", "A1").stdout.strip()
    new = iit("keys", "rotate", key.split("_")[1], "--overlap-days", "1").stdout.strip()
    lines = [one for one in iit("keys", "list").stdout.splitlines() if one.endswith("narrow")]
    assert len(lines) == 2
    assert all("integration (models:read), sees A1" in one for one in lines)
    assert new.startswith("iit_")
    assert new != key


def test_addresses_are_blocked_and_the_service_locked(iit: Command) -> None:
    assert iit("access", "block", "203.0.113.9/24", "--reason", "scan").stdout == "203.0.113.0/24 is blocked\n"
    assert iit("access", "lock", "--reason", "a stolen key").returncode == 0
    told = iit("access", "blocked").stdout
    assert "203.0.113.0/24" in told
    assert "the service is locked: a stolen key" in told
    assert iit("access", "unlock").returncode == 0
    assert iit("access", "unlock").returncode == 13
    assert iit("access", "unblock", "203.0.113.0/24").returncode == 0
    assert iit("access", "blocked").stdout == ""
    assert iit("access", "block", "suspicious_ip").returncode == 10


def test_the_secret_is_rotated(iit: Command, data_dir: Path) -> None:
    assert iit("access", "rotate-secret").stdout.startswith("2 secrets are accepted")
    assert len((data_dir / "secret_key").read_text().split()) == 2
    assert iit("access", "rotate-secret", "--forget").stdout.startswith("1 secrets are accepted")
    # The trail sealed under the former secret is still verified.
    assert iit("audit", "verify").returncode == 0


def test_the_secret_file_is_private(data_dir: Path) -> None:
    assert (data_dir / "secret_key").stat().st_mode & 0o777 == 0o600


def test_synth_writes_the_same_twice(iit: Command, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert iit("synth", str(tmp_path / name), "--patients", "5", "--seed", "9").returncode == 0
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 7
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)
    assert iit("synth", str(tmp_path / "a")).returncode == 13


def test_the_command_runs_as_a_program(data_dir: Path) -> None:
    environment = {**os.environ, "IIT_DATA_DIR": str(data_dir)}
    told = subprocess.run(
        [sys.executable, "-m", "iit", "models", "show", "v9"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (told.returncode, told.stderr) == (11, "iit: model: there is no model v9\n")


def test_messages_are_sent_listened_to_and_worked_on(iit: Command, data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "one.hl7").write_bytes(a_message(a_person("CLI-1"), "PV1|1|O", kind="ADT^A04", control_id="S1"))
    (tmp_path / "bad.hl7").write_bytes(a_message(control_id="S2"))
    with listening(data_dir) as (process, port):
        told = iit("hl7", "send", str(tmp_path / "one.hl7"), "--port", port)
        assert (told.returncode, told.stdout) == (0, "1 AA\n"), told.stderr
        again = iit("hl7", "send", str(tmp_path / "one.hl7"), str(tmp_path / "bad.hl7"), "--port", port)
        assert again.returncode == 10
        assert "AE S2 the segment is missing" in again.stdout
        assert "1 AA, 1 AE" in again.stdout
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    listed = json.loads(iit("inbox", "list", "--json").stdout)
    assert (listed["n_waiting"], [one["state"] for one in listed["messages"]]) == (1, ["waiting"])
    number = str(listed["messages"][0]["id"])
    assert "PID|1||CLI-1" in iit("inbox", "show", number).stdout
    assert iit("inbox", "work").stdout == "1 done, 0 to be tried again, 0 dead\n"
    assert "done" in iit("inbox", "list").stdout
    assert "PID" not in iit("inbox", "show", number).stdout
    assert iit("inbox", "retry", "--all").stdout == "0 messages wait again\n"
    assert iit("inbox", "retry").returncode == 10
    assert iit("inbox", "discard", number).returncode == 11
    assert iit("inbox", "show", "999").returncode == 11


@contextmanager
def listening(data_dir: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run the listener as its users do, without work so that what it stored can be seen."""
    command = [sys.executable, "-m", "iit", "hl7", "listen", "--port", "0", "--no-work"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("IIT_")}
    with subprocess.Popen(
        command, env={**environ, "IIT_DATA_DIR": str(data_dir)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield process, line.strip().rpartition(":")[2]
        finally:
            process.kill()


def test_a_listener_needs_a_key_with_its_certificate(iit: Command, tmp_path: Path) -> None:
    assert iit("hl7", "listen", "--tls-certificate", str(tmp_path / "c.pem")).returncode == 10


@pytest.mark.parametrize(
    ("name", "value"),
    [("IIT_HL7_SENDERS", "nonsense"), ("IIT_HL7_FACILITIES", "/nowhere.csv"), ("IIT_HL7_CODES", "/nowhere.csv")],
)
def test_wrong_settings_of_messages_stop_the_start(iit: Command, name: str, value: str) -> None:
    told = iit("inbox", "list", **{name: value})
    assert told.returncode == 10
    assert "Traceback" not in told.stderr


def test_files_of_messages_are_imported(iit: Command, tmp_path: Path) -> None:
    (tmp_path / "two.hl7").write_bytes(
        a_message(a_person("CLI-2"), "PV1|1|O", kind="ADT^A04", control_id="I1") + a_message(control_id="I2")
    )
    (tmp_path / "other.pdf").write_bytes(b"%PDF")
    errors = tmp_path / "rejected.ndjson"
    told = iit("import", str(tmp_path), "--source", "hl7", "--errors", str(errors), "--json")
    summary = json.loads(told.stdout)
    assert (summary["read"], summary["taken"], summary["rejected"]) == (2, 1, 1)
    assert summary["rejections"] == [{"place": f"{tmp_path}/two.hl7:2", "reason": "the segment is missing"}]
    assert json.loads(errors.read_text())["document"].startswith("MSH|")
    assert errors.stat().st_mode & 0o777 == 0o600
    again = iit("import", str(tmp_path), "--source", "hl7")
    assert again.stdout.startswith("2 read, 1 taken, 0 merged, 1 rejected")
