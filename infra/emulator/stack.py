"""Deploys a packaged template as a stack on the emulator, and deletes it again.

usage: stack.py FILE NAME [PARAMETER=VALUE …]

FILE is a template that emulator.sh has packaged. The environment has its bucket as BUCKET, and
the AWS settings. Prints the stack's outputs, one NAME=VALUE per line, with the emulator's URLs
in place of AWS's.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import boto3

EXECUTE_API = re.compile(r"(https|wss)://([a-z0-9]+)\.execute-api\.[a-z0-9.-]+")
FAILED = ("CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED")


class NotDeployed(Exception):
    """A stack could not be deployed; the message says why, resource by resource."""


class Stack:
    """A deployed stack: its name, and its outputs by name."""

    def __init__(self, name, outputs):
        self.name = name
        self.outputs = outputs

    def __getitem__(self, output):
        return self.outputs[output]

    def resource(self, logical_id):
        """The physical id of one of its resources."""
        found = boto3.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return found["StackResourceDetail"]["PhysicalResourceId"]


def deploy(file, name, parameters, bucket):
    """Creates the stack from the template in ``file``, or updates it."""
    # The command in the virtual environment of this Python.
    aws = Path(sys.executable).parent / "aws"
    done = subprocess.run(
        [aws, "cloudformation", "deploy", "--stack-name", name, "--template-file", file]
        + ["--s3-bucket", bucket, "--capabilities", "CAPABILITY_IAM"]
        + ["--no-fail-on-empty-changeset", "--parameter-overrides"]
        + [f"{key}={value}" for key, value in parameters.items()],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise NotDeployed("\n".join([done.stderr.strip(), *reasons(name)]))
    return Stack(name, outputs(name))


def delete(name):
    """Deletes the stack and waits until it is gone."""
    stacks = boto3.client("cloudformation")
    stacks.delete_stack(StackName=name)
    waiter = stacks.get_waiter("stack_delete_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def outputs(name):
    [stack] = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return {one["OutputKey"]: of_here(one["OutputValue"]) for one in stack.get("Outputs", [])}


def of_here(url):
    """The emulator's URL for an execute-api URL; other values unchanged."""
    here = os.environ["AWS_ENDPOINT_URL"]
    plain = {"https": here, "wss": re.sub(r"^http", "ws", here)}
    return EXECUTE_API.sub(lambda found: f"{plain[found[1]]}/_aws/execute-api/{found[2]}", url)


def reasons(name):
    stacks = boto3.client("cloudformation")
    try:
        events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    except stacks.exceptions.ClientError:
        return []
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason is given')}"
        for event in events
        if event["ResourceStatus"] in FAILED
    ]


if __name__ == "__main__":
    file, name, *settings = sys.argv[1:]
    given = dict(setting.split("=", 1) for setting in settings)
    try:
        stack = deploy(file, name, given, os.environ["BUCKET"])
    except NotDeployed as error:
        sys.exit(f"deploying failed: {error}")
    for key, value in stack.outputs.items():
        print(f"{key}={value}")
