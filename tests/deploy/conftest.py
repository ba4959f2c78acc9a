"""A Docker engine of the tests' own, and the image built on a base made here: no registry of images is asked.

Needs root, the packages of `NEEDED`, and the registries of Debian and Python.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = "python3,python3-venv,ca-certificates,systemd,systemd-sysv,dbus,logrotate,curl,procps"
NEEDED = ("dockerd", "docker-compose", "mmdebstrap", "nginx", "pgbouncer", "logrotate")

Docker = Callable[..., str]


def wait_for(act: Callable[[], bool], *, seconds: float, what: str) -> float:
    """Return after how many seconds something became true."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if act():
            return time.monotonic() - began
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}")


def answers(url: str) -> bool:
    """Return whether a URL answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """What runs `docker` with the engine of these tests, and returns what it says."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    assert not missing, f"to test deployment, install {', '.join(missing)}"
    folder = Path(tempfile.mkdtemp(prefix="iit-docker-"))
    socket = f"unix://{folder}/docker.sock"
    engine = subprocess.Popen(
        ["dockerd", "--bridge=none", "--iptables=false", "--data-root", folder / "data", "--exec-root", folder / "run",
         "--pidfile", folder / "pid", "-H", socket],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    environment = {**os.environ, "DOCKER_HOST": socket, "DOCKER_BUILDKIT": "0", "COMPOSE_PROJECT_NAME": "iit"}

    def run(*arguments: str | Path, program: str = "docker", seconds: int = 900, **variables: str) -> str:
        done = subprocess.run(
            [program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=seconds,
            env=environment | variables, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 0, f"{program} {arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return (done.stdout + done.stderr).strip()

    def is_up() -> bool:
        return subprocess.run(["docker", "version"], env=environment, capture_output=True, check=False).returncode == 0

    try:
        wait_for(is_up, seconds=30, what="the engine is up")
        yield run
        for container in run("ps", "-aq").split():
            run("rm", "-f", container)
    finally:
        engine.send_signal(signal.SIGTERM)
        engine.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def image(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The service's image on a Debian that is made here, with this machine's way to Python's registry."""
    folder = tmp_path_factory.mktemp("base")
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", folder / "base.tar"],
        check=True, timeout=600,
    )  # fmt: skip
    docker("import", folder / "base.tar", "iit-plain")
    (folder / "base.tar").unlink()
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder / "authorities.crt")
    here = [Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf"]
    configured = [line for path in here if path.is_file() for line in path.read_text().splitlines()]
    kept = [line for line in configured if line.startswith(("index-url", "extra-index-url", "trusted-host", "proxy"))]
    (folder / "pip.conf").write_text("\n".join(["[global]", *kept, ""]))
    (folder / "Dockerfile").write_text(
        "FROM iit-plain\nCOPY pip.conf /etc/pip.conf\nCOPY authorities.crt /etc/ssl/certs/ca-certificates.crt\n"
        "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DEFAULT_TIMEOUT=180\n"
    )
    docker("build", "-t", "iit-base", folder)
    docker("build", "--network", "host", "--build-arg", "BASE_IMAGE=iit-base", "-f", "deploy/docker/Dockerfile",
           "-t", "iit-ml-service", ".")  # fmt: skip
    return "iit-ml-service"


def facts(docker: Docker, container: str) -> dict[str, object]:
    """Return what Docker knows of a container."""
    return dict(json.loads(docker("inspect", container))[0])
