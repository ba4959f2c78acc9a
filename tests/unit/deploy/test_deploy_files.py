"""What lies in `deploy/` is whole: commands and settings exist, names agree, manifests are valid, units are shut."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from iit.cli.main import app
from iit.config import Settings, load_settings
from iit.domain.errors import InvalidInput

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
TIMERS = sorted((DEPLOY / "systemd").glob("*.timer"))
BASE = [one for one in sorted((DEPLOY / "k8s" / "base").glob("*.yaml")) if one.name != "kustomization.yaml"]
MOST_EXPOSED = 2.0
INSTALLED = "/usr/local/bin/iit-ml-service/scripts/"


def told(*command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **variables}
    )


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def manifests(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def all_of(kind: str) -> list[dict[str, Any]]:
    return [one for path in BASE for one in manifests(path) if one["kind"] == kind]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in BASE:
        for one in manifests(path):
            spec = one.get("spec", {})
            spec = spec.get("jobTemplate", {}).get("spec", spec)
            if "template" in spec:
                yield one["metadata"]["name"], spec["template"]


def exists(arguments: list[str]) -> bool:
    """Return whether `iit` knows a command, as far as its words before the first option go."""
    found: Any = app
    for word in arguments:
        if word.startswith("-") or not hasattr(found, "get_command"):
            break
        found = found.get_command(None, word)  # type: ignore[arg-type]
        if found is None:
            return False
    return True


def unknown(names: set[str]) -> set[str]:
    problems = set()
    for name in names:
        try:
            load_settings({name: ""})
        except InvalidInput as error:
            if f"{name} is no setting" in str(error):
                problems.add(name)
    return problems


@pytest.mark.parametrize("path", [one for one in DEPLOY.rglob("*") if one.is_file()], ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    names = set(re.findall(r"\bIIT_[A-Z0-9_]+[A-Z0-9]\b", path.read_text()))
    of_compose = {"IIT_IMAGE"}  # read by docker-compose.yml itself
    assert unknown(names - of_compose) == set()


@pytest.mark.parametrize("path", [*UNITS, *sorted((ROOT / "scripts").glob("*.sh"))], ids=lambda path: path.name)
def test_every_command_that_is_run_exists(path: Path) -> None:
    for line in re.findall(r"(?:/usr/local/bin/iit|\brun_iit) ([a-z].*)", path.read_text()):
        assert exists(line.replace(")", " ").split()), line


@pytest.mark.parametrize("path", [*TIMERS, DEPLOY / "cron" / "iit-ml-service"], ids=lambda path: path.name)
def test_every_script_of_a_schedule_exists(path: Path) -> None:
    named = re.findall(r"iit-task@(\w+)\.timer", path.name) or re.findall(rf"{INSTALLED}(\w+)\.sh", path.read_text())
    assert named
    for name in named:
        script = ROOT / "scripts" / f"{name}.sh"
        assert script.is_file(), name
        assert script.stat().st_mode & 0o111


@needs("systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_can_do_little_else(unit: Path) -> None:
    # What all of them may not do is said once, in a folder that systemd reads for every unit that begins with iit-.
    found = told("systemd-analyze", "security", "--offline=true", unit.name, SYSTEMD_UNIT_PATH=f"{unit.parent}:").stdout
    level = float(re.search(r"exposure level for .*: ([0-9.]+)", found)[1])  # type: ignore[index]
    assert level <= MOST_EXPOSED


@needs("systemd-analyze")
@pytest.mark.parametrize("unit", [*UNITS, *TIMERS], ids=lambda path: path.name)
def test_systemd_understands_a_unit(unit: Path, tmp_path: Path) -> None:
    for one in (*UNITS, *TIMERS):
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", one.read_text(), flags=re.M)
        (tmp_path / one.name).write_text(text)
    found = told("systemd-analyze", "verify", str(tmp_path / unit.name.replace("@.", "@daily_maintenance.")))
    assert [line for line in found.stderr.splitlines() if unit.name.partition("@")[0] in line] == []


@needs("systemd-analyze")
@pytest.mark.parametrize("timer", TIMERS, ids=lambda path: path.name)
def test_the_time_of_a_timer_is_one(timer: Path) -> None:
    when = re.search(r"OnCalendar=(.*)", timer.read_text())[1]  # type: ignore[index]
    assert told("systemd-analyze", "calendar", when).returncode == 0


@pytest.mark.parametrize("path", BASE, ids=lambda path: path.name)
def test_manifests_hold_what_kubernetes_knows_and_nothing_else(path: Path) -> None:
    for one in manifests(path):
        kubernetes_validate.validate(one, "1.31", strict=True)


def test_selectors_ports_and_names_agree() -> None:
    (deployment,), (service,) = all_of("Deployment"), all_of("Service")
    name = deployment["metadata"]["name"]
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert name == service["metadata"]["name"] == container["name"] == "iit-ml-service"
    labels = template["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert service["spec"]["selector"].items() <= labels
    assert all_of("PodDisruptionBudget")[0]["spec"]["selector"]["matchLabels"].items() <= labels
    (port,) = container["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert container["args"][container["args"].index("--port") + 1] == str(port["containerPort"])
    assert all_of("HorizontalPodAutoscaler")[0]["spec"]["scaleTargetRef"]["name"] == name
    (scaler,), (budget,) = all_of("HorizontalPodAutoscaler"), all_of("PodDisruptionBudget")
    assert scaler["spec"]["minReplicas"] > budget["spec"]["minAvailable"]


@pytest.mark.parametrize(("name", "template"), list(pods()), ids=lambda one: one if isinstance(one, str) else "")
def test_a_pod_runs_as_nobody_in_particular_and_writes_only_where_it_may(name: str, template: dict[str, Any]) -> None:
    spec = template["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    volumes = {one["name"] for one in spec["volumes"]}
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert {one["name"] for one in container["volumeMounts"]} <= volumes
        assert "memory" in container["resources"]["limits"], name
        assert exists(container.get("args", []))
        for command in container.get("command", []):
            assert (ROOT / "scripts" / command.removeprefix(INSTALLED)).is_file()


def test_connections_of_all_replicas_fit_postgresql() -> None:
    settings = dict(
        one.split("=", 1)
        for one in manifests(DEPLOY / "k8s" / "base" / "kustomization.yaml")[0]["configMapGenerator"][0]["literals"]
    )
    (deployment,) = all_of("Deployment")
    args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    workers = int(args[args.index("--workers") + 1])
    each = int(settings["IIT_DB_POOL_SIZE"]) + int(settings["IIT_DB_MAX_OVERFLOW"])
    most = int(re.search(r"max_connections = (\d+)", (DEPLOY / "postgres" / "postgresql.conf").read_text())[1])  # type: ignore[index]
    usual = deployment["spec"]["replicas"] * workers * each
    assert usual < most, "more replicas than these need pgbouncer"


@needs("kubectl")
@pytest.mark.parametrize("folder", ["base", "overlays/dr-test"])
def test_kustomize_builds_a_folder(folder: str) -> None:
    built = told("kubectl", "kustomize", str(DEPLOY / "k8s" / folder))
    assert built.returncode == 0, built.stderr
    for one in yaml.safe_load_all(built.stdout):
        kubernetes_validate.validate(one, "1.31", strict=True)
    if folder != "base":
        names = {(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(built.stdout)}
        assert ("Service", "dr-test-service") in names
        assert not any(kind == "HorizontalPodAutoscaler" for kind, _ in names)


@needs("kubectl")
@pytest.mark.parametrize(
    ("command", "found"),
    [
        pytest.param(["set", "resources", "--limits=memory=3Gi"], "memory: 3Gi", id="limit of memory"),
        pytest.param(["set", "env", "CIRCUIT_BREAKER_ENABLED=true"], "CIRCUIT_BREAKER_ENABLED", id="circuit breaker"),
    ],
)
def test_the_guides_commands_fit_the_deployment(command: list[str], found: str) -> None:
    path = str(DEPLOY / "k8s" / "base" / "deployment.yaml")
    changed = told("kubectl", *command, "--local", "-f", path, "-o", "yaml")
    assert changed.returncode == 0, changed.stderr
    assert found in changed.stdout


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "docker" / "docker-compose.yml").read_text()))


def test_compose_has_the_names_that_the_guide_uses() -> None:
    services = compose()["services"]
    assert services["ml_api"]["container_name"] == "iit-ml-service"
    assert {"postgres", "redis", "prometheus", "alertmanager", "grafana"} <= set(services)
    assert services["ml_api"]["environment"]["IIT_REDIS_URL"].startswith("redis://redis:")


def test_compose_uses_only_what_it_declares_and_opens_nothing_to_the_network() -> None:
    whole = compose()
    for name, service in whole["services"].items():
        assert set(service.get("secrets", [])) <= set(whole["secrets"]), name
        assert set(service.get("depends_on", [])) <= set(whole["services"]), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in whole["volumes"] or source.startswith("../"), name


def test_the_secrets_of_compose_are_made_once(tmp_path: Path) -> None:
    script = str(DEPLOY / "docker" / "make_secrets.sh")
    assert told("bash", script, str(tmp_path)).returncode == 0
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(made) == set(compose()["secrets"])
    Settings(secret_key=made["secret_key"], database_url=made["database_url"])
    assert told("bash", script, str(tmp_path)).stdout == ""
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == made


def test_nginx_takes_bodies_as_large_as_the_service() -> None:
    text = (DEPLOY / "nginx" / "iit-ml-service.conf").read_text()
    assert f"client_max_body_size {Settings.model_fields['max_body_bytes'].default};" in text


def test_what_the_image_copies_is_sent_to_docker() -> None:
    docker = (DEPLOY / "docker" / "Dockerfile").read_text()
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", docker, re.M):
        for name in line.split():
            assert f"!{name}" in sent, name
            assert (ROOT / name).exists(), name


def test_pgbouncer_knows_both_names_of_the_database() -> None:
    text = (DEPLOY / "pgbouncer" / "pgbouncer.ini").read_text()
    assert re.findall(r"^(\w+) = .*dbname=(\w+)$", text, re.M) == [
        ("iit_ml_service", "iit_ml_service"), ("iit_ml", "iit_ml_service"),
    ]  # fmt: skip


@needs("logrotate")
def test_logrotate_understands_its_rules(tmp_path: Path) -> None:
    rules = (DEPLOY / "logrotate" / "iit-ml-service").read_text()
    mine = tmp_path / "rules"
    mine.write_text(re.sub(r"iit-ml-service iit-ml-service$", "root root", rules, flags=re.M))
    mine.chmod(0o644)
    done = told("logrotate", "-d", "-s", str(tmp_path / "state"), str(mine))
    assert done.returncode == 0, done.stderr
