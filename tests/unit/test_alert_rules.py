"""Alerts: figures that exist, severities of the escalation matrix, a page of the runbook each, commands that exist."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from tests.metrics import DECLARED, names_in

from iit.cli.main import app

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = sorted(PROMETHEUS.glob("rules/*.yml"))
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def rules() -> list[dict[str, Any]]:
    return [rule for file in RULES for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_only_for_figures_that_exist(rule: dict[str, Any]) -> None:
    recorded = {one["record"] for one in rules() if "record" in one}
    assert names_in(rule["expr"]) - recorded - {"up"} <= DECLARED


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_severity_and_a_page_of_the_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "high", "medium", "low"}
    assert rule["annotations"]["summary"].endswith(".")
    page, _, place = rule["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^## (\w+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert place == rule["alert"].lower()
    assert rule["alert"] in headings


def test_the_runbook_tells_of_no_alert_that_there_is_not() -> None:
    headings = [one for page in RUNBOOKS for one in re.findall(r"^## (\w+)$", page.read_text(), re.MULTILINE)]
    assert sorted(headings) == sorted(rule["alert"] for rule in ALERTS)


def test_links_within_the_runbook_resolve() -> None:
    text = (ROOT / "docs" / "runbooks" / "alerts.md").read_text()
    headings = {one.lower() for one in re.findall(r"^## (\w+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= headings


def commands() -> list[str]:
    found = set()
    for page in RUNBOOKS:
        text = page.read_text()
        blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
        found |= {line for line in blocks.splitlines() if line.startswith("iit ")}
        found |= {" ".join(one.split()) for one in re.findall(r"`(iit [^`]+)`", text)}
    return sorted(found)


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_runbook_exists(line: str) -> None:
    command: click.Command = app
    context = click.Context(command)
    words = shlex.split(line)[1:]
    while words and hasattr(command, "get_command"):
        found = command.get_command(context, words[0])
        if found is None:
            break
        command, words = found, words[1:]
    if hasattr(command, "get_command"):
        assert not words, f"there is no such command: {line}"
    else:
        assert command.make_parser(context).parse_args(words)[1] == [], f"takes no such words: {line}"


@needs_promtool
def test_each_alert_fires_and_stays_quiet() -> None:
    tests = [str(file) for file in sorted(PROMETHEUS.glob("tests/*.yml"))]
    done = subprocess.run(["promtool", "test", "rules", *tests], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_firing_and_quiet() -> None:
    fires, quiet = set(), set()
    for file in PROMETHEUS.glob("tests/*.yml"):
        for world in yaml.safe_load(file.read_text())["tests"]:
            for one in world["alert_rule_test"]:
                (fires if one["exp_alerts"] else quiet).add(one["alertname"])
    names = {rule["alert"] for rule in ALERTS}
    assert (fires, quiet) == (names, names)


@needs_promtool
def test_prometheus_takes_its_settings() -> None:
    done = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=PROMETHEUS, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
