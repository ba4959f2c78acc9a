"""Every picture of the dashboards asks for figures and labels that `/metrics` tells."""

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.metrics import DECLARED, LABELS, names_in

DEPLOY = Path(__file__).parents[2] / "deploy"
QUERIES = [
    pytest.param(target["expr"], target["legendFormat"], id=f"{file.stem}: {panel['title']} {target['refId']}")
    for file in sorted(DEPLOY.glob("grafana/dashboards/*.json"))
    for panel in json.loads(file.read_text())["panels"]
    for target in panel["targets"]
]
RECORDED = set(re.findall(r"record: (\S+)", (DEPLOY / "prometheus" / "rules" / "iit.yml").read_text()))


@pytest.mark.parametrize(("query", "legend"), QUERIES)
def test_a_picture_asks_for_what_there_is(query: str, legend: str) -> None:
    names = names_in(query)
    assert names
    assert names - RECORDED - {"up"} <= DECLARED
    known = {"le", "job", "instance"} | {label for name in names for label in LABELS.get(name, ())}
    asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query))
    asked |= {one.strip() for group in re.findall(r"by \(([^)]*)\)", query) for one in group.split(",")}
    asked |= set(re.findall(r"\{\{(\w+)\}\}", legend))
    assert asked <= known


def test_dashboards_find_their_data() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    uids = {one["uid"] for one in sources}
    for file in DEPLOY.glob("grafana/dashboards/*.json"):
        assert {panel["datasource"]["uid"] for panel in json.loads(file.read_text())["panels"]} <= uids
