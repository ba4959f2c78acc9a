"""The image serves, is healthy, comes back when it is killed, and stops in order; compose knows it by its names."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.conftest import ROOT, Docker, answers, facts, wait_for

pytestmark = pytest.mark.deploy
PORT = 18123
LIVE = f"http://127.0.0.1:{PORT}/health/live"
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


@pytest.fixture(scope="module")
def container(docker: Docker, image: str) -> Iterator[str]:
    """The image as it is meant to run, on a private PostgreSQL."""
    here = ("--network", "host", "-e", f"PORT={PORT}")
    serve = ("serve", "--host", "127.0.0.1", "--port", str(PORT), "--workers", "2")
    docker("run", "-d", "--name", "iit-ml-service", "--restart", "always", *here, *HARDENED, image, *serve)
    wait_for(lambda: answers(LIVE), seconds=120, what="the service lives")
    yield "iit-ml-service"
    docker("rm", "-f", "iit-ml-service")


def test_it_runs_as_nobody_in_particular(docker: Docker, container: str) -> None:
    assert docker("exec", container, "id", "-u") == "10001"


def test_what_the_guide_asks_of_python_is_there(docker: Docker, container: str) -> None:
    docker("exec", container, "python", "-c", "import psycopg2, joblib, lightgbm")
    assert docker("exec", container, "ls", "-d", "/app/models/") == "/app/models/"
    docker("exec", container, "test", "-x", "/usr/local/bin/iit-ml-service/scripts/daily_maintenance.sh")


def test_both_workers_started_and_nothing_is_an_error(docker: Docker, container: str) -> None:
    told = docker("logs", container)
    assert told.count("Application startup complete") == 2
    assert "Traceback" not in told
    assert '"level": "ERROR"' not in told


def test_a_model_is_trained_and_the_service_becomes_ready(docker: Docker, container: str) -> None:
    docker("exec", container, "iit", "synth", "/tmp/cohort", "--patients", "700", "--seed", "1")
    docker("exec", container, "iit", "import", "/tmp/cohort")
    docker("exec", container, "iit", "train", "--model-version", "v1.0")
    docker("exec", container, "iit", "models", "promote", "v1.0", "--force")
    wait_for(lambda: answers(f"http://127.0.0.1:{PORT}/health/ready"), seconds=30, what="the service is ready")
    docker("exec", container, "python", "-c", "import joblib; joblib.load('/app/models/iit_lightgbm_model.pkl')")


def test_docker_finds_it_healthy(docker: Docker, container: str) -> None:
    def is_healthy() -> bool:
        return facts(docker, container)["State"]["Health"]["Status"] == "healthy"  # type: ignore[index]

    wait_for(is_healthy, seconds=60, what="the container is healthy")


def test_killed_it_comes_back_with_its_data(docker: Docker, container: str) -> None:
    os.kill(facts(docker, container)["State"]["Pid"], signal.SIGKILL)  # type: ignore[index]
    wait_for(lambda: facts(docker, container)["RestartCount"] == 1, seconds=30, what="it was started again")
    took = wait_for(
        lambda: answers(f"http://127.0.0.1:{PORT}/health/ready"), seconds=90, what="the service is ready again"
    )
    print(f"ready {took:.1f} s after the restart")
    assert docker("exec", container, "iit", "models", "list").count("v1.0") >= 1


def test_told_to_stop_it_ends_in_order(docker: Docker, container: str) -> None:
    began = time.monotonic()
    docker("stop", "-t", "45", container)
    assert time.monotonic() - began < 40
    assert facts(docker, container)["State"]["ExitCode"] == 0  # type: ignore[index]


def test_compose_starts_it_under_the_guides_names(docker: Docker, image: str, tmp_path: Path) -> None:
    docker("rm", "-f", "iit-ml-service")
    docker("deploy/docker/make_secrets.sh", program="bash")
    docker("-f", "deploy/docker/docker-compose.yml", "config", "-q", program="docker-compose", IIT_IMAGE=image)
    files = ("--project-directory", "deploy/docker", "-f", str(alone(tmp_path)))

    def compose(*arguments: str) -> str:
        return docker(*files, *arguments, program="docker-compose", IIT_IMAGE=image)

    try:
        compose("up", "-d")
        wait_for(lambda: answers(LIVE), seconds=120, what="the service lives")
        assert "Application startup complete" in compose("logs", "ml_api")
        said = docker("exec", "iit-ml-service", "iit", "users", "list")
        assert "Traceback" not in said
        compose("restart", "-t", "45", "ml_api")
        wait_for(lambda: answers(LIVE), seconds=120, what="the service lives again")
    finally:
        compose("down", "-v", "-t", "45")
    assert docker("ps", "-aq", "--filter", "name=iit-ml-service") == ""


def alone(folder: Path) -> Path:
    """Write our part of the file for compose: no image of others can be fetched here, and no network joins containers.

    The service runs as it says there, but on a private PostgreSQL, and on this machine's own network.
    """
    whole = yaml.safe_load((ROOT / "deploy/docker/docker-compose.yml").read_text())
    ours = whole["services"]["ml_api"]
    for name in ("ports", "depends_on", "build"):
        del ours[name]
    for name in ("IIT_DATABASE_URL_FILE", "IIT_DATABASE_OWNER_URL_FILE", "IIT_REDIS_URL"):
        del ours["environment"][name]
    ours |= {"network_mode": "host", "command": ["serve", "--host", "127.0.0.1", "--port", str(PORT)]}
    ours["environment"]["PORT"] = str(PORT)
    whole["services"] = {"ml_api": ours}
    path = folder / "alone.yml"
    path.write_text(yaml.safe_dump(whole))
    return path
