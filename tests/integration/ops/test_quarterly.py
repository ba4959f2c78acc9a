"""The quarterly test of recovery as its script does it: restored, checked, served, removed; damage ends it."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sites import a_folder

SCRIPT = Path(__file__).parents[3] / "scripts" / "quarterly_dr_test.sh"


@pytest.fixture(scope="module")
def site() -> Iterator[Path]:
    folder = a_folder()
    iit(folder, "synth", str(folder / "cohort"), "--patients", "300", "--seed", "1")
    iit(folder, "import", str(folder / "cohort"))
    iit(folder, "train", "--model-version", "v1")
    iit(folder, "models", "promote", "v1", "--force")
    for kind in ("full", "models"):
        iit(folder, "backup", "run", "--kind", kind)
    yield folder
    shutil.rmtree(folder)


def iit(site: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "iit", *arguments], check=True, env=_environment(site), stdout=subprocess.DEVNULL
    )


def _environment(site: Path) -> dict[str, str]:
    return {**os.environ, "IIT_DATA_DIR": str(site / "data"), "IIT": str(Path(sys.executable).with_name("iit"))}


def quarterly(site: Path) -> "subprocess.CompletedProcess[str]":
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    return subprocess.run(
        ["bash", str(SCRIPT), "--port", str(port)], check=False, env=_environment(site), capture_output=True, text=True
    )


@pytest.mark.recovery
def test_the_newest_backup_is_served_in_isolation_and_removed(site: Path) -> None:
    told = quarterly(site)
    assert told.returncode == 0, told.stderr
    assert '"self_test":{"status":"ok"' in told.stdout
    assert "the service answers on them" in told.stdout
    assert not list((site / "data" / "namespaces").iterdir())


@pytest.mark.recovery
def test_a_damaged_backup_ends_it_and_nothing_stays(site: Path) -> None:
    (sealed,) = (site / "data" / "backups").glob("*-full/base.tar.gz.sealed")
    whole = sealed.read_bytes()
    sealed.write_bytes(whole[:5000] + bytes([whole[5000] ^ 4]) + whole[5001:])
    told = quarterly(site)
    sealed.write_bytes(whole)
    assert told.returncode == 10
    assert "the quarterly test of recovery failed" in told.stderr
    assert "the service answers" not in told.stdout
    assert not list((site / "data" / "namespaces").iterdir())
