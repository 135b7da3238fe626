"""Checks that the test of ``sam local`` covers every saved event and every function.

The cases themselves take minutes (`make sam-test`); this finds a missing one at once.
"""

import re
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_parse

REPOSITORY = Path(__file__).parents[3]
CASES = (REPOSITORY / "infra/sam/invocations.py").read_text()
EVENTS = sorted(event.stem for event in (REPOSITORY / "functions/events").glob("*.json"))
RESOURCES = yaml_parse((REPOSITORY / "template.yaml").read_text())["Resources"]
FUNCTIONS = [
    name for name, about in RESOURCES.items() if about["Type"] == "AWS::Serverless::Function"
]


@pytest.mark.parametrize("event", EVENTS)
def test_every_saved_event_is_sent(event):
    assert f'"{event}"' in CASES, f"infra/sam/invocations.py has no case for {event}.json"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_is_invoked(function):
    assert re.search(rf'invoke\(\s*"{function}"', CASES), (
        f"infra/sam/invocations.py has no case for {function}"
    )
