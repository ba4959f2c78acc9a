"""A release holds the whole package, and of the lock what the machine it goes to may need."""

import importlib.util
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def release() -> ModuleType:
    """The script that makes releases."""
    found = importlib.util.spec_from_file_location("make_release", ROOT / "scripts" / "make_release.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_wheel_holds_every_file_of_the_package(release: ModuleType, tmp_path: Path) -> None:
    wheel = release.build_wheel(tmp_path)
    tracked = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "src/iit"], capture_output=True, text=True, check=True
    ).stdout.split()  # fmt: skip
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name.removeprefix("src/") for name in tracked} - held == set()


def test_of_one_commit_the_wheel_is_the_same_to_the_byte(release: ModuleType, tmp_path: Path) -> None:
    first, second = (release.build_wheel(tmp_path / name).read_bytes() for name in ("first", "second"))
    assert first == second


@pytest.mark.parametrize(("python", "numpy"), [("3.11", "2.4"), ("3.13", "2.5")])
def test_what_any_patch_of_a_python_needs_is_there_once(release: ModuleType, python: str, numpy: str) -> None:
    lines = [line for line in release.locked_for(python).splitlines() if not line.startswith((" ", "#"))]
    names = [line.partition("==")[0] for line in lines if line]
    assert len(names) == len(set(names))
    assert "colorama" not in names, "it is for Windows"
    assert ("async-timeout" in names) == (python == "3.11"), "the first patches of 3.11 need it"
    assert any(line.startswith(f"numpy=={numpy}") for line in lines)


def test_every_line_of_the_lock_keeps_its_hashes(release: ModuleType) -> None:
    text = release.locked_for("3.11")
    assert text.count("==") <= text.count("--hash=sha256:")
    assert " ; " not in text
