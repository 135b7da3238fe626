"""What ``infra/hosting/smoke.sh`` reports about a faulty stack.

``emulator.sh smoke`` checks that it succeeds on a good one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

HOSTING = Path(__file__).parents[2] / "hosting"


def run(*command, **variables):
    tools = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", **variables}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_stack_that_is_not_there_is_named():
    done = run(HOSTING / "smoke.sh", "no-such-stack")
    assert done.returncode == 2
    assert "the stack no-such-stack cannot be read" in done.stderr


def test_an_address_where_nobody_answers_is_named(tmp_path):
    file = tmp_path / "stack.json"
    outputs = [{"OutputKey": "ApiUrl", "OutputValue": "http://127.0.0.1:9"}]
    file.write_text(json.dumps({"Stacks": [{"StackName": "it", "Outputs": outputs}]}))
    done = run("node", HOSTING / "smoke.js", "lease", file, AWS_ENDPOINT_URL="")
    assert done.returncode == 1, done.stdout
    assert "http://127.0.0.1:9 cannot be reached: nothing listens there" in done.stdout


@pytest.fixture
def alarm(stack):
    """Sets off an alarm of the stack, and resets it afterwards."""
    name = stack.resource("LateAlarm")
    alarms = boto3.client("cloudwatch")
    [before] = alarms.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    alarms.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="3 were late")
    yield name
    alarms.set_alarm_state(AlarmName=name, StateValue=before["StateValue"], StateReason="over")


def test_an_alarm_that_has_gone_off_fails_it_and_is_explained(alarm, tmp_path):
    names, alarms = tmp_path / "names.json", tmp_path / "alarms.json"
    names.write_text(json.dumps([alarm]))
    alarms.write_text(run("aws", "cloudwatch", "describe-alarms", "--output", "json").stdout)
    done = run("node", HOSTING / "smoke.js", "alarms", names, alarms)
    assert done.returncode == 1, done.stdout
    [line] = [line for line in done.stdout.splitlines() if alarm in line]
    [about] = [
        one for one in json.loads(alarms.read_text())["MetricAlarms"] if one["AlarmName"] == alarm
    ]
    assert line.startswith("FAILED") and "3 were late" in line
    assert about["AlarmDescription"] in line
