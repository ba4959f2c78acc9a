"""Starting a command loads what that command needs, and no more."""

import subprocess
import sys

import pytest

from iit.cli.main import _COMMANDS, app

HEAVY = ("numba", "sqlalchemy", "psycopg", "uvicorn", "fastapi", "openpyxl", "lightgbm", "sklearn", "numpy")


@pytest.mark.parametrize("arguments", [["version"], ["config", "check"]], ids=" ".join)
def test_a_small_command_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["iit", *{arguments!r}]
from iit.cli.main import run
try:
    run()
finally:
    loaded = sorted(set({HEAVY!r}) & set(sys.modules))
    assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "AssertionError" not in done.stderr, done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_is_where_the_table_says(name: str) -> None:
    command = app.get_command(None, name)
    assert command.name == name
    assert command.help
