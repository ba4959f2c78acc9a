"""A Docker engine of the tests' own, and the image built on a base made here: no registry of images is asked.

Needs root, the packages of `NEEDED`, and the registries of Debian and Python. With `DOCKER_HOST` that engine is used
instead, and what it built in the run before is not built again.
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
from contextlib import contextmanager, nullcontext
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


@contextmanager
def an_engine(folder: Path) -> Iterator[str]:
    """Run an engine in a folder and yield its address."""
    socket = f"unix://{folder}/docker.sock"
    engine = subprocess.Popen(
        ["dockerd", "--bridge=none", "--iptables=false", "--data-root", folder / "data", "--exec-root", folder / "run",
         "--pidfile", folder / "pid", "-H", socket],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def is_up() -> bool:
        return subprocess.run(["docker", "-H", socket, "version"], capture_output=True, check=False).returncode == 0

    try:
        wait_for(is_up, seconds=60, what="the engine is up")
        yield socket
    finally:
        engine.send_signal(signal.SIGTERM)
        engine.wait(60)


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """What runs `docker` with the engine of these tests, and returns what it says."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    assert not missing, f"to test deployment, install {', '.join(missing)}"
    folder = Path(tempfile.mkdtemp(prefix="iit-docker-"))
    given = os.environ.get("DOCKER_HOST")
    with nullcontext(given) if given else an_engine(folder) as address:
        environment = {**os.environ, "DOCKER_HOST": address, "DOCKER_BUILDKIT": "0", "COMPOSE_PROJECT_NAME": "iit"}
        yield commands(environment)
    shutil.rmtree(folder, ignore_errors=True)


def commands(environment: dict[str, str]) -> Docker:
    """Return what runs Docker's programs in an environment."""

    def run(*arguments: str | Path, program: str = "docker", seconds: int = 900, **variables: str) -> str:
        done = subprocess.run(
            [program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=seconds,
            env=environment | variables, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 0, f"{program} {arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return (done.stdout + done.stderr).strip()

    return run


@pytest.fixture(scope="session")
def image(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The service's image on a Debian that is made here, with this machine's way to Python's registry."""
    if "iit-base" not in docker("images", "--format", "{{.Repository}}").split():
        make_base(docker, tmp_path_factory.mktemp("base"))
    docker("build", "--network", "host", "--build-arg", "BASE_IMAGE=iit-base", "-f", "deploy/docker/Dockerfile",
           "-t", "iit-ml-service", ".")  # fmt: skip
    return "iit-ml-service"


def make_base(docker: Docker, folder: Path) -> None:
    """Make a Debian with systemd from its packages, as the image `iit-base`."""
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


def facts(docker: Docker, container: str) -> dict[str, object]:
    """Return what Docker knows of a container."""
    return dict(json.loads(docker("inspect", container))[0])
