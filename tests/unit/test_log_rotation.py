"""Several processes write one log file while logrotate moves it away and makes a new one: no line lost or doubled."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from iit.telemetry import configure_logging

WRITER = f"""
import logging, pathlib, sys, time
from iit.telemetry import {configure_logging.__name__}
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
{configure_logging.__name__}(level="INFO", file=folder / "app.log")
n = 0
while not (folder / "stop").exists():
    logging.getLogger("iit.test").info(f"{{name}} {{n}}")
    n += 1
    time.sleep(0.001)
print(n)
"""
NAMES = ("a", "b", "c")
LOGROTATE = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SHIPPED = Path(__file__).parents[2] / "deploy" / "logrotate" / "iit-ml-service"


def events(file: Path) -> list[str]:
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return [json.loads(line)["event"] for line in data.splitlines()]


def wait_for_all(file: Path) -> None:
    """Wait until every process writes into this file."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        told = file.read_bytes() if file.exists() else b""
        if all(f'"{name} '.encode() in told for name in NAMES):
            return
        time.sleep(0.01)
    raise AssertionError("not all processes write into the new file")


def by_logrotate(folder: Path) -> None:
    """Run the real program with the shipped file, for this folder and this account."""
    shipped = SHIPPED.read_text().replace("/var/log/iit-ml-service", str(folder))
    rules = folder / "rules"
    rules.write_text(re.sub(r"^ +su .*\n", "", shipped, flags=re.M).replace(" iit-ml-service iit-ml-service", ""))
    rules.chmod(0o600)
    assert LOGROTATE is not None
    subprocess.run([LOGROTATE, "--force", "--state", folder / "state", rules], check=True, capture_output=True)


def by_hand(folder: Path) -> None:
    """Take the steps of `create`: rename, then make a new file."""
    turned = len(list(folder.glob("app.log.*"))) + 1
    (folder / "app.log").rename(folder / f"app.log.{turned}")
    (folder / "app.log").touch(0o640)


@pytest.mark.parametrize(
    "rotate",
    [
        pytest.param(
            by_logrotate, marks=pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed here")
        ),
        by_hand,
    ],
)
def test_a_rotation_under_way_loses_and_doubles_no_line(tmp_path: Path, rotate: Callable[[Path], None]) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, name, str(tmp_path)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for name in NAMES
    ]  # fmt: skip
    try:
        for _ in range(2):
            wait_for_all(tmp_path / "app.log")
            rotate(tmp_path)
        wait_for_all(tmp_path / "app.log")
    finally:
        (tmp_path / "stop").touch()
        counts = [int(writer.communicate()[0]) for writer in writers]
    files = list(tmp_path.glob("app.log*"))
    assert len(files) >= 3
    found = Counter(event for file in files for event in events(file))
    wanted = Counter(f"{name} {n}" for name, count in zip(NAMES, counts, strict=True) for n in range(count))
    assert found == wanted
