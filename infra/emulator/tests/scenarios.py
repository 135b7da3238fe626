"""Separate stacks with leases of one and of two minutes, and with different ways to end them.

By default there are few leases. For many, set ``CONTAINERLEASE_END_LEASES=50`` and pick one of
the tests of test_ends.py with ``-k``.
"""

import os
import threading
import time

import boto3
import stack as stacks
from conftest import Api, containers_of, docker, invoke, log_of, set_queue, set_tick, wait_until

LEASES = int(os.environ.get("CONTAINERLEASE_END_LEASES", "6"))

# Two minutes, two ticks, and the time that a busy machine needs to make the leases.
ENDED_SECONDS = 300
BETWEEN_TICKS = 119


class Scenario:
    """A stack with a number of leases, and the ways to end them."""

    def __init__(self, stack, name, tick, queue):
        self.deployment = f"{stack['Deployment']}-{name}"
        parameters = {
            "Deployment": self.deployment,
            "DockerHost": stack["DockerHost"],
            "DockerCertificateSecret": stack["DockerCertificateSecret"],
            "DeletionProtection": "false",
            "Hosting": "false",
            "Alarms": "false",
            "LeasesPerOwner": str(LEASES),
            "HostCpuMilli": "1000000",
            "HostMemoryMB": "1000000",
        }
        name = f"{stack.name}-{name}"
        self.stack = stacks.deploy(stack["Packaged"], name, parameters, stack["Bucket"])
        set_tick(self.stack, tick)
        set_queue(self.stack, queue)
        self.api = Api(self.stack["ApiUrl"])
        self.leases = [
            self.api.lease(minutes=1 + number % 2, memoryMB=16, cpuMilli=100)["id"]
            for number in range(LEASES)
        ]

    def ended(self):
        """Waits until all leases have ended, each exactly once and correctly; returns them."""

        def all_have():
            found = [self.api.lease_of(lease) for lease in self.leases]
            return all(lease["state"] == "ended" for lease in found) and found

        found = wait_until(ENDED_SECONDS, "the end of all leases", all_have)
        # A function's log arrives after its run, and the reaper's goes on for up to a minute.
        wait_until(70, "word of all ends", lambda: self.ids_that_ended() >= set(self.leases))
        said = self.words_of_ends()
        for lease in found:
            receipt = lease["receipt"]
            assert (receipt["reason"], receipt["attempts"]) == ("expired", 1), lease
            assert receipt["overshootMs"] >= 0, "a lease was ended early"
            assert containers_of(lease["id"]) == []
            ends = [line for line in said if lease["id"] in line]
            assert len(ends) == 1, f"a lease was ended more than once: {ends}"
        late = sorted(lease["receipt"]["overshootMs"] for lease in found)
        p50, p99 = (late[(len(late) * part + 99) // 100 - 1] for part in (50, 99))
        print(f"{len(late)} leases, gone after: p50 {p50} ms, p99 {p99} ms, at most {late[-1]} ms")
        return late

    def words_of_ends(self):
        """The functions' log entries about leases that they ended."""
        logs = (log_of(self.stack, function) for function in ("End", "Cleanup"))
        return [line for log in logs for line in log if "ended a lease" in line]

    def ids_that_ended(self):
        said = "\n".join(self.words_of_ends())
        return {lease for lease in self.leases if lease in said}

    def messages_are_lost(self):
        boto3.client("sqs").purge_queue(QueueUrl=self.stack["EndQueueUrl"])

    def tick_twice(self):
        """Runs the reaper now, and again after the longest time between two ticks."""

        def ticks():
            invoke(self.stack, "Cleanup", {})
            time.sleep(BETWEEN_TICKS)
            invoke(self.stack, "Cleanup", {})

        threading.Thread(target=ticks, daemon=True).start()

    def remove(self):
        for lease in self.leases:
            self.api.delete(lease)
        stacks.delete(self.stack.name)
        mine = f"--filter=label=containerlease.deployment={self.deployment}"
        for network in docker("network", "ls", "--quiet", mine):
            docker("network", "rm", network)


def scenario(stack, name, tick, queue, begin=None):
    """The body of a fixture: the scenario, and its removal."""
    made = Scenario(stack, name, tick, queue)
    if begin:
        begin(made)
    yield made
    made.remove()


def lose_messages_and_tick(made):
    """Loses provision's messages, so that the first of two late ticks must send them all."""
    made.messages_are_lost()
    made.tick_twice()
