"""`iit db check` looks and changes nothing; `iit db shell` has the rights of the service."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.commands import Command


@pytest.fixture
def iit(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """The command with a private server of its own, which another account may run."""
    with tempfile.TemporaryDirectory(prefix="iit-db-") as folder:
        Path(folder).chmod(0o755)
        yield Command(monkeypatch, capfd, {"IIT_DATA_DIR": folder})


def test_a_schema_that_is_behind_is_told_and_left_alone(iit: Command) -> None:
    for _ in range(2):
        told = iit("db", "check")
        assert told.returncode == 14
        assert "run `iit db upgrade`" in told.stderr
    assert iit("db", "upgrade").returncode == 0
    assert iit("db", "check").stdout == "the schema is up to date\n"
    assert iit("db", "shell", "-Atc", "SELECT current_user").stdout == "ml_service\n"
    assert iit("db", "shell", "-c", "DELETE FROM audit_logs").returncode == 1
    assert iit("db", "shell", "--owner", "-Atc", "SELECT count(*) >= 0 FROM audit_logs").stdout == "t\n"
