"""The scripts of the operators' guide hand over to the command; `isolate.sh` closes both families and can be undone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"
HANDED_OVER = {
    "backup_models.sh": "backup run --kind models",
    "restore_backup.sh": "restore",
    "emergency_restore.sh": "restore",
    "test_backup_restore.sh": "restore --rehearse",
    "validate_data_integrity.sh": "integrity check",
    "daily_maintenance.sh": "maintenance daily",
    "weekly_cleanup.sh": "maintenance weekly",
    "monthly_report.sh": "maintenance monthly",
    "notify_emergency.sh": "page",
    "retrain_model.py": "models retrain",
}


def run(name: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable] if name.endswith(".py") else ["bash"]
    return subprocess.run(
        [*command, str(SCRIPTS / name), *arguments], capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture
def echo(tmp_path: Path) -> str:
    """A command that says what it was asked and ends with 7."""
    path = tmp_path / "iit"
    path.write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 7\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", HANDED_OVER)
def test_a_script_becomes_the_command_with_all_arguments(name: str, echo: str) -> None:
    told = run(name, "--a", "b c", IIT=echo)
    assert told.stdout == HANDED_OVER[name].replace(" ", "|") + "|--a|b c|"
    assert told.returncode == 7


def test_an_emergency_has_a_summary_where_none_is_given(echo: str) -> None:
    told = run("notify_emergency.sh", "--dry-run", IIT=echo)
    assert told.stdout == "page|IIT ML Service Critical Failure|--dry-run|"


def test_the_quarterly_test_says_what_it_would_restore(echo: str) -> None:
    told = run("quarterly_dr_test.sh", "--backup-date", "2024-01-01", "--dry-run", IIT=echo)
    assert told.stdout == "restore|--namespace|dr-test|--backup-date|2024-01-01|--dry-run|"
    assert told.returncode == 7
    assert run("quarterly_dr_test.sh", "--bakcup-date", IIT=echo).returncode == 10


@pytest.mark.parametrize("name", [*HANDED_OVER, "isolate.sh", "quarterly_dr_test.sh"])
def test_scripts_can_be_run(name: str) -> None:
    assert os.access(SCRIPTS / name, os.X_OK)


def test_isolation_closes_both_families_and_keeps_what_is_asked() -> None:
    told = run("isolate.sh", "--dry-run", "--keep-ssh", "192.0.2.7", "--keep-ssh", "2001:db8::/32")
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    for tables in ("iptables", "ip6tables"):
        mine = [line for line in lines if line.startswith(f"{tables} ")]
        drop = mine.index(f"{tables} -w -A IIT_ISOLATE -j DROP")
        hooks = [mine.index(f"{tables} -w -I {hook} 1 -j IIT_ISOLATE") for hook in ("INPUT", "OUTPUT", "FORWARD")]
        assert drop < min(hooks), "a chain that is not whole must not be hung in"
    assert [line.split()[0] for line in lines if "192.0.2.7" in line] == ["iptables"] * 2
    assert [line.split()[0] for line in lines if "2001:db8::/32" in line] == ["ip6tables"] * 2
    assert not any(" -F" in line or " -P " in line for line in lines), "rules of others stay"


@pytest.mark.parametrize("address", ["", "x; reboot", "$(id)", "--yes", "10.0.0.1/999999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    assert run("isolate.sh", "--dry-run", "--keep-ssh", address).returncode == 10


def test_isolation_asks_first() -> None:
    told = run("isolate.sh")
    assert told.returncode in (10, 12, 14)
    assert told.stdout == ""


def test_isolation_can_be_undone() -> None:
    lines = run("isolate.sh", "--undo", "--dry-run").stdout.splitlines()
    assert [line for line in lines if line.endswith("-X IIT_ISOLATE")] == [
        "iptables -w -X IIT_ISOLATE",
        "ip6tables -w -X IIT_ISOLATE",
    ]
