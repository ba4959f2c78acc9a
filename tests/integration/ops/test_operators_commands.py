"""The operators' commands as they are typed, on a private server of their own."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.commands import Command
from tests.documents import a_document, encoded
from tests.sites import a_folder


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    folder = a_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def iit(data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys, {"IIT_DATA_DIR": str(data_dir / "data")})


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "one.json").write_bytes(encoded(a_document("ops")))
    return folder


def test_before_the_first_backup_commands_say_what_is_missing(iit: Command) -> None:
    for arguments in (["backup", "list"], ["backup", "verify"], ["restore", "--rehearse"]):
        code, _, err = iit(*arguments)
        assert code == 11
        assert "there is no key file" in err


def test_a_backup_is_made_listed_verified_and_rehearsed(iit: Command, documents: Path, data_dir: Path) -> None:
    assert iit("import", str(documents))[0] == 0
    code, out, err = iit("backup", "run", "--kind", "full", "--json")
    assert code == 0, err
    made = json.loads(out)
    assert made["rows"]["patients"] == 1
    assert re.fullmatch(r"[1-9]\d*:[0-9a-f]{64}", made["audit_anchor"])
    assert json.loads(iit("backup", "list", "--json")[1])[0]["backup_id"] == made["backup_id"]
    assert f"{made['backup_id']}: whole" in iit("backup", "verify")[1]
    code, out, err = iit("restore", "--rehearse", "--json")
    (kept,) = (data_dir / "data" / "reports").glob("rehearsal-*.html")
    assert "all of it is right" in kept.read_text()
    assert code == 0, err
    assert json.loads(out)["findings"] == []
    assert not list((data_dir / "data" / "namespaces").iterdir())


def test_a_flipped_byte_fails_verification_and_rehearsal(iit: Command, data_dir: Path) -> None:
    (folder,) = (data_dir / "data" / "backups").iterdir()
    path = folder / "base.tar.gz.sealed"
    whole = path.read_bytes()
    path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 4]) + whole[5001:])
    try:
        assert iit("backup", "verify")[0] == 10
        assert iit("restore", "--rehearse")[0] == 10
    finally:
        path.write_bytes(whole)
    assert iit("backup", "verify")[0] == 0


def test_another_key_is_refused(iit: Command, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("ab" * 32)
    code, out, _ = iit("backup", "verify", IIT_BACKUP_KEY_FILE=str(tmp_path / "key"))
    assert code == 10
    assert "was sealed with the key" in out


def test_an_emergency_restore_asks_first_then_replaces_and_keeps_the_old(iit: Command, data_dir: Path) -> None:
    code, _, err = iit("restore", "--backup-only")
    assert (code, "give --yes" in err) == (10, True)
    assert iit("restore", "--backup-only", "--dry-run")[0] == 0
    code, out, err = iit("restore", "--backup-only", "--yes")
    assert code == 0, err
    assert "data before" in out
    assert list((data_dir / "data" / "postgres").glob("data.before-*"))
    assert iit("integrity", "check", "--json")[1].strip() == "[]"


def test_a_dump_is_loaded_and_exchanged(iit: Command) -> None:
    assert iit("backup", "run", "--kind", "logical")[0] == 0
    code, out, err = iit("restore", "--logical", "--yes")
    assert code == 0, err
    assert "the database before is iit_ml_service_before_" in out
    assert iit("integrity", "check")[0] == 0


def test_a_shortened_trail_is_a_finding_of_the_integrity_check(iit: Command, data_dir: Path) -> None:
    path = data_dir / "data" / "audit" / "anchors.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"}") - 4] + b'0"}\n')
    code, out, _ = iit("integrity", "check", "--json")
    path.write_bytes(whole)
    assert (code, [one["check"] for one in json.loads(out)]) == (10, ["audit chain"])
    assert iit("integrity", "check")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["restore", "--point-in-time", "2999-01-01 00:00:00", "--yes"], 10, "lies in the future"),
        (["restore", "--point-in-time", "2001-01-01 00:00:00", "--yes"], 11, "the oldest moment is"),
        (["restore", "--point-in-time", "soon", "--yes"], 10, "must be written as"),
        (["restore", "--yes"], 11, "no log is kept"),
        (["restore", "--namespace", "../x", "--backup-date", "2024-01-01"], 10, "namespace"),
        (["restore", "--namespace", "dr-test", "--backup-date", "2999-01-01"], 10, "lies in the future"),
        (["restore", "--namespace", "dr-test", "--backup-date", "2001-01-01"], 11, "there is no backup of 2001-01-01"),
        (["restore", "--namespace", "dr-test", "--remove"], 10, "there is none"),
        (["restore", "--models", "--yes"], 11, "no backup of kind models"),
        (["backup", "run", "--kind", "models"], 11, "there are no models"),
        (["backup", "run", "--kind", "weekly"], 10, "must be one of"),
        (["backup", "receive-wal"], 10, "IIT_WAL_COPY_DIR"),
        (["page", "x"], 10, "IIT_PAGERDUTY_ROUTING_KEY"),
        (["page"], 10, "say what is wrong"),
    ],
)
def test_wrong_wishes_end_with_the_exit_code_of_their_kind(
    iit: Command, arguments: list[str], code: int, words: str
) -> None:
    told, _, err = iit(*arguments)
    assert told == code, err
    assert words in err
    assert "Traceback" not in err


def test_a_point_in_time_is_told_in_both_zones(iit: Command) -> None:
    _, _, err = iit("restore", "--point-in-time", "2024-01-01 14:30:00", "--dry-run")
    assert "2024-01-01 14:30:00 Africa/Lagos, which is 2024-01-01 13:30:00 UTC" in err


def test_maintenance_runs_and_every_task_leaves_a_row(iit: Command, data_dir: Path) -> None:
    assert iit("maintenance", "daily")[0] == 0
    assert iit("maintenance", "weekly")[0] == 0
    code, out, _ = iit("maintenance", "monthly")
    assert code == 0
    page, pdf = (Path(line).read_bytes() for line in out.splitlines())
    assert page.startswith(b"<!doctype html>")
    assert pdf.startswith(b"%PDF-")
    assert iit("maintenance", "daily", IIT_DISK_WARN_PERCENT="0.001")[0] == 14
    for kind in ("monthly", "performance", "quality", "capacity"):
        code, out, err = iit("report", kind)
        assert (code, out[:14]) == (0, "IIT ML Service"), err
        code, out, _ = iit("report", kind, "--out", str(data_dir / "reports" / f"{kind}.html"))
        assert (code, Path(out.strip()).read_bytes()[:15]) == (0, b"<!doctype html>")
    assert iit("report", "monthly", "--month", "June")[0] == 10


def test_dry_runs_change_nothing(iit: Command, data_dir: Path) -> None:
    before = sorted(path.name for path in (data_dir / "data").rglob("*") if "postgres" not in path.parts)
    for arguments in (
        ["backup", "run"], ["backup", "prune"], ["restore", "--rehearse"], ["restore", "--logical"],
        ["maintenance", "daily"], ["maintenance", "weekly"], ["maintenance", "monthly"], ["integrity", "check"],
        ["page", "x"],
    ):  # fmt: skip
        code, _, err = iit(*arguments, "--dry-run")
        assert code == 0, err
    assert sorted(path.name for path in (data_dir / "data").rglob("*") if "postgres" not in path.parts) == before
