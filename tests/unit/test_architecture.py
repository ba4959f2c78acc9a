"""House rules that a linter does not know."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "iit"
FILES = sorted(SOURCE.rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_file_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_clock_is_read_in_one_place(path: Path) -> None:
    """`datetime.now`, `date.today` and `time.time` stand in bootstrap only; everyone else is handed the time."""
    read = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "today", "utcnow", "time")
        and isinstance(node.value, ast.Name) and node.value.id in ("datetime", "date", "time")
    }  # fmt: skip
    assert not read or named(path).startswith("bootstrap/")


@pytest.mark.parametrize("path", [one for one in FILES if "store" not in one.parts], ids=named)
def test_sql_is_spoken_in_the_store_only(path: Path) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert not imported & {"sqlalchemy", "psycopg", "alembic"}


@pytest.mark.parametrize("path", [one for one in FILES if one.name != "database.py"], ids=named)
def test_only_the_database_module_commits(path: Path) -> None:
    """Migrations run outside the service's transactions and commit by themselves."""
    calls = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert "commit" not in calls or named(path) in ("store/migrate.py", "store/migrations/env.py")
