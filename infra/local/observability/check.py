"""Checks alerts.yaml and dashboard.json: see check.sh."""

import json
import re
import sys
from pathlib import Path

import promql_parser
import yaml

HERE = Path(__file__).parent

# Values for Grafana's own variables.
VARIABLES = {"$__rate_interval": "5m"}
DURATION = re.compile(r"(\d+[smhd])+")
SEVERITIES = {"warning", "critical"}


def faults_of_alerts(rules):
    """Yields what Prometheus would refuse, and what an operator would miss in an alert."""
    names = [rule.get("alert") for rule in rules]
    if len(set(names)) != len(names) or None in names:
        yield "a rule has no name of its own"
    for rule in rules:
        name = rule.get("alert")
        unknown = set(rule) - {"alert", "expr", "for", "labels", "annotations"}
        if unknown:
            yield f"{name}: Prometheus knows no {sorted(unknown)}"
        if not DURATION.fullmatch(rule.get("for", "0s")):
            yield f"{name}: {rule['for']} is no duration"
        if rule.get("labels", {}).get("severity") not in SEVERITIES:
            yield f"{name}: its severity is none of {sorted(SEVERITIES)}"
        for said in ("summary", "description"):
            if not rule.get("annotations", {}).get(said):
                yield f"{name}: it has no {said}"
        yield from faults_of_expression(name, rule.get("expr", ""))


def faults_of_dashboard(panels):
    """Yields panels that show nothing, or that overlap."""
    taken = {}
    for panel in panels:
        title, at = panel["title"], panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                if taken.setdefault((x, y), title) != title:
                    yield f"{title} lies over {taken[x, y]}"
        if panel["type"] != "row" and not panel.get("targets"):
            yield f"{title} shows nothing"
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            yield from faults_of_expression(title, expression)


def faults_of_expression(name, expression):
    try:
        promql_parser.parse(expression)
    except ValueError as error:
        yield f"{name}: {error}: {expression}"


groups = yaml.safe_load((HERE / "alerts.yaml").read_text())["groups"]
rules = [rule for group in groups for rule in group["rules"]]
panels = json.loads((HERE / "dashboard.json").read_text())["panels"]
faults = [*faults_of_alerts(rules), *faults_of_dashboard(panels)]
for fault in faults:
    print(f"check.py: {fault}", file=sys.stderr)
sys.exit(1 if faults or not rules or not panels else 0)
