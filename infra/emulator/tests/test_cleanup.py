"""The cleanup function: the schedule, and the reaper's reconciliation."""

import json
import time

import boto3
import pytest
from conftest import (
    NOTIFY,
    assert_failure_arrives,
    assert_sends,
    assert_writes_its_log,
    containers_of,
    docker,
    invoke,
    invoke_and_go_on,
    kept_log_of,
    log_of,
    told,
    wait_until,
)

# A tick each minute, plus its run and the emulator's own delay.
SCHEDULE_SECONDS = 150
# The reaper's grace for a container without a lease, plus some seconds.
ORPHAN_SECONDS = 63


def reap(stack):
    """Runs the reaper now and returns its report."""
    report = invoke(stack, "Cleanup", {})
    assert "errorType" not in report, report
    return report


def test_a_run_sees_leases_and_containers(api, stack):
    api.lease()
    report = reap(stack)
    assert report["engineUnseen"] is False, report


def test_a_lease_whose_container_has_vanished_is_ended_as_lost(api, stack):
    lease = api.lease()
    docker("rm", "--force", *containers_of(lease["id"]))
    reap(stack)
    ended = api.lease_of(lease["id"])
    assert ended["state"] == "ended", ended
    assert ended["receipt"]["reason"] == "lost"


def test_the_log_of_a_program_that_ended_is_kept(api, stack):
    lease = api.lease(command=["sh", "-c", "echo its last words; sleep 1; exit 3"])
    wait_until(10, "the end of the program", lambda: exited(lease["id"]))
    reap(stack)
    ended = api.lease_of(lease["id"])
    assert ended["receipt"]["lastLines"] == ["its last words"], ended
    assert kept_log_of(stack, lease["id"])


def test_an_end_is_told_and_what_cannot_be_delivered_is_tried_again(api, stack):
    lease = api.lease(**NOTIFY)
    docker("rm", "--force", *containers_of(lease["id"]))
    # The run would also wait for the next attempts.
    invoke_and_go_on(stack, "Cleanup", {})

    def tried():
        told = {one["event"]: one for one in api.lease_of(lease["id"])["notifications"]}
        return told if told.get("lease.ended", {}).get("lastError") else None

    told = wait_until(30, "an attempt to tell of the end", tried)
    assert told["lease.expiring"]["state"] == "dropped", told
    assert told["lease.ended"]["state"] == "pending", told
    assert told["lease.ended"]["lastError"] == "the URL's host has no address", told


def exited(lease_id):
    return docker(
        "ps",
        "--all",
        "--quiet",
        "--filter=status=exited",
        f"--filter=label=containerlease.lease={lease_id}",
    )


@pytest.mark.parametrize("queue", ["EndQueue", "DeliveryQueue"])
def test_a_run_sends_ahead_what_is_due_soon(api, stack, no_tick, queue):
    lease = api.lease(**NOTIFY)
    # As if there had been no run yet, so that this one must send everything.
    mark = {"pk": {"S": "reaper"}, "sk": {"S": "sent"}}
    boto3.client("dynamodb").delete_item(TableName=stack["TableName"], Key=mark)
    assert_sends(stack, "Cleanup", lease, queue, lambda: reap(stack))


def test_a_run_leaves_metrics_in_its_log(stack):
    reap(stack)
    assert_writes_its_log(stack, "Cleanup", '"CloudWatchMetrics"')
    metrics = [json.loads(line) for line in log_of(stack, "Cleanup") if "CloudWatchMetrics" in line]
    assert metrics[-1]["Ticks"] == 1
    assert metrics[-1]["Deployment"] == stack["Deployment"]
    assert metrics[-1]["CertificateDaysLeft"] > 0


def test_an_invocation_that_fails_is_kept(stack):
    """With another table's name, which its policy does not allow, it fails."""
    with told(stack, "Cleanup", CONTAINERLEASE_TABLE="no-such-table"):
        assert_failure_arrives(stack, "Cleanup", {}, "Denied")
    reap(stack)


@pytest.mark.waits("short_leases")
def test_the_schedule_ends_leases_on_time(api, short_leases):
    def ended():
        found = [api.lease_of(lease["id"]) for lease in short_leases]
        return all(lease["state"] == "ended" for lease in found) and found

    for lease in wait_until(SCHEDULE_SECONDS, "the end by the schedule", ended):
        assert lease["receipt"]["reason"] == "expired", lease
        assert lease["receipt"]["overshootMs"] >= 0, "a lease was ended early"
        assert containers_of(lease["id"]) == []


@pytest.mark.waits("orphan")
def test_a_container_without_a_lease_is_removed_and_forgotten(stack, orphan):
    container, made = orphan

    def is_there():
        return bool(docker("ps", "--quiet", "--no-trunc", f"--filter=id={container}"))

    time.sleep(max(0, made + ORPHAN_SECONDS - time.monotonic()))
    reap(stack)
    time.sleep(1.5)
    reap(stack)
    assert not is_there(), "a container without a lease was not removed"
    reap(stack)
    found = boto3.client("dynamodb").query(
        TableName=stack["TableName"],
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": {"S": "reaper"}, ":sk": {"S": "sighting#"}},
    )
    assert found["Items"] == [], "a sighting was not forgotten"
