"""Shared parts of the checks of functions in containers: the runner, and the engine."""

import subprocess
import time
from datetime import datetime
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
EVENTS = REPOSITORY / "functions/events"


class Failed(Exception):
    """A check has failed."""


def expect(condition, what):
    if not condition:
        raise Failed(what)


def parsed_time(text):
    return datetime.fromisoformat(text)


def wait_until(seconds, what, happened):
    """Waits until ``happened`` returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = happened()
        if result:
            return result
        time.sleep(0.2)
    raise Failed(f"{what} has not happened within {seconds} s")


class Checks:
    """Runs checks and counts them; a failed check does not stop the others."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, what, check):
        try:
            figures = check()
        except Exception as error:
            self.failed += 1
            print(f"FAILED  {what}: {type(error).__name__}: {error}", flush=True)
        else:
            self.passed += 1
            print(f"ok  {what}{f' ({figures})' if figures else ''}", flush=True)


def docker(*arguments):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    expect(done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def container_of(lease_id, deployment, *flags):
    labels = {"lease": lease_id, "deployment": deployment}
    filters = [f"--filter=label=containerlease.{name}={value}" for name, value in labels.items()]
    return docker("ps", "--quiet", *flags, *filters).split()
