"""Under a real systemd the unit is active, shut as it says, and its tasks run."""

from collections.abc import Iterator

import pytest

from tests.deploy.conftest import Docker, wait_for

pytestmark = pytest.mark.deploy
# SYS_PTRACE: systemd writes the map of users of a unit that sees nobody's processes (ProtectProc, PrivateUsers).
SYSTEM = (
    "--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--tmpfs", "/run:exec", "--tmpfs", "/tmp",
    "--cgroupns=private", "--network", "host", "--user", "0:0", "--entrypoint", "/sbin/init",
)  # fmt: skip
INSTALL = """
set -e
ln -sf /opt/iit/bin/iit /usr/local/bin/iit
install -d /etc/iit-ml-service
cp -r /deploy/systemd/* /etc/systemd/system/
cp /deploy/logrotate/iit-ml-service /etc/logrotate.d/
chown -R iit-ml-service:iit-ml-service /var/lib/iit-ml-service /var/cache/iit-ml-service
systemctl daemon-reload
systemctl start iit-ml-service || { journalctl --no-pager -n 30 -u iit-ml-service; exit 1; }
"""


@pytest.fixture(scope="module")
def system(docker: Docker, image: str) -> Iterator[str]:
    """A machine with systemd and the service installed as the guide says."""
    docker("create", "--name", "machine", *SYSTEM, image)
    docker("cp", "deploy", "machine:/deploy")
    docker("start", "machine")

    def runs() -> bool:
        return docker("exec", "machine", "sh", "-c", "systemctl is-system-running || true") in ("running", "degraded")

    wait_for(runs, seconds=60, what="systemd runs")
    docker("exec", "machine", "sh", "-c", INSTALL)
    yield "machine"
    docker("rm", "-f", "machine")


def live(docker: Docker, system: str) -> bool:
    probe = "curl -sf http://127.0.0.1:8000/health/live || true"
    return "live" in docker("exec", system, "sh", "-c", probe)


def test_the_unit_is_active_and_answers(docker: Docker, system: str) -> None:
    took = wait_for(lambda: live(docker, system), seconds=120, what="the service lives")
    print(f"live after {took:.1f} s")
    assert docker("exec", system, "systemctl", "is-active", "iit-ml-service") == "active"


def test_it_is_as_shut_as_the_unit_says(docker: Docker, system: str) -> None:
    told = docker("exec", system, "sh", "-c", "systemd-analyze security iit-ml-service | tail -1")
    assert float(told.rpartition(": ")[2].split()[0]) <= 2.0


def test_killed_it_is_started_again(docker: Docker, system: str) -> None:
    before = docker("exec", system, "systemctl", "show", "-p", "MainPID", "--value", "iit-ml-service")
    docker("exec", system, "systemctl", "kill", "-s", "KILL", "iit-ml-service")

    def is_another() -> bool:
        now = docker("exec", system, "systemctl", "show", "-p", "MainPID", "--value", "iit-ml-service")
        return now not in ("0", before)

    wait_for(is_another, seconds=30, what="it was started again")
    wait_for(lambda: live(docker, system), seconds=120, what="the service lives again")


def test_reloaded_it_has_new_workers_and_answers_all_the_while(docker: Docker, system: str) -> None:
    def workers() -> set[str]:
        return set(docker("exec", system, "pgrep", "-f", "spawn_main").split())

    before = workers()
    docker("exec", system, "systemctl", "reload", "iit-ml-service")

    def are_others() -> bool:
        assert live(docker, system)
        now = workers()
        return len(now) == len(before) and not now & before

    wait_for(are_others, seconds=120, what="all workers are new")
    assert docker("exec", system, "systemctl", "is-active", "iit-ml-service") == "active"


def test_daily_maintenance_runs_as_a_task(docker: Docker, system: str) -> None:
    docker("exec", system, "sh", "-c", "systemctl start iit-task@daily_backup iit-task@daily_maintenance")
    for task in ("daily_backup", "daily_maintenance"):
        told = docker("exec", system, "systemctl", "show", "-p", "Result", "--value", f"iit-task@{task}")
        assert told == "success"


def test_the_log_goes_on_after_it_was_rotated(docker: Docker, system: str) -> None:
    docker("exec", system, "/usr/sbin/logrotate", "-f", "/etc/logrotate.d/iit-ml-service")
    docker("exec", system, "systemctl", "restart", "iit-ml-service")
    wait_for(lambda: live(docker, system), seconds=120, what="the service lives")
    assert docker("exec", system, "sh", "-c", "ls /var/log/iit-ml-service").split()[:2] == ["app.log", "app.log.1"]


def test_stopped_it_leaves_nothing_running(docker: Docker, system: str) -> None:
    docker("exec", system, "systemctl", "stop", "iit-ml-service")
    assert docker("exec", system, "sh", "-c", "pgrep -f '[p]ostgres|[i]it serve' || true") == ""
