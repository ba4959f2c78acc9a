"""LightGBM loads where the system has no OpenMP."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from iit.domain.errors import Unavailable
from iit.model import openmp


def test_the_bundled_library_takes_the_wanted_name(tmp_path: Path) -> None:
    copy = openmp.renamed_copy(openmp._bundled(), tmp_path)
    assert copy.name == "libgomp.so.1"
    assert copy.stat().st_size == openmp._bundled().stat().st_size
    assert openmp.renamed_copy(openmp._bundled(), tmp_path) == copy
    assert ctypes.CDLL(str(copy)).omp_get_max_threads() >= 1


def test_the_loader_takes_the_copy_for_the_systems(tmp_path: Path) -> None:
    """In a process of its own: once the copy is in memory, asking for libgomp.so.1 finds it, not the system's file."""
    code = (
        "import ctypes; from pathlib import Path; from iit.model import openmp\n"
        f"copy = openmp.renamed_copy(openmp._bundled(), Path({str(tmp_path)!r}))\n"
        "ctypes.CDLL(str(copy), mode=ctypes.RTLD_GLOBAL); ctypes.CDLL('libgomp.so.1')\n"
        "import lightgbm\n"
        "print(len({line.split()[-1] for line in open('/proc/self/maps') if 'libgomp.so' in line}))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "1\n"


def test_another_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.so"
    other.write_bytes(b"nothing of the kind")
    with pytest.raises(Unavailable):
        openmp.renamed_copy(other, tmp_path)
