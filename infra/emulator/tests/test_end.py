"""The end function, the consumer of the queue of ends."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from conftest import (
    NOTIFY,
    assert_writes_its_log,
    containers_of,
    kept_log_of,
    log_of,
    send,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("no_tick")

# The time to receive a message, start a function and stop a container.
SOON = 10


def over_in(stack, lease, seconds):
    """Moves a lease's end to ``seconds`` from now: real leases last a minute, too long to wait."""
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    millis = str(int(end.timestamp() * 1000))
    boto3.client("dynamodb").update_item(
        TableName=stack["TableName"],
        Key={"pk": {"S": "owner#local"}, "sk": {"S": f"lease#{lease['id']}"}},
        UpdateExpression="SET expiresAt = :end, dueAt = :end",
        ExpressionAttributeValues={":end": {"N": millis}},
    )
    return end.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ended(api, stack, lease):
    """Waits until the function has ended the lease, and returns it."""
    send(stack, "EndQueue", lease, over_in(stack, lease, 2))

    def is_over():
        found = api.lease_of(lease["id"])
        return found["state"] == "ended" and found

    return wait_until(SOON, "the end by the queue", is_over)


def test_a_lease_is_ended_by_its_message(api, stack):
    lease = ended(api, stack, api.lease())
    assert lease["receipt"]["reason"] == "expired", lease
    assert 0 <= lease["receipt"]["overshootMs"] < 2_000, lease
    assert containers_of(lease["id"]) == []


def test_the_log_of_a_lease_is_kept(api, stack):
    lease = ended(api, stack, api.lease())
    assert kept_log_of(stack, lease["id"])


def test_an_end_is_told_at_once(api, stack):
    """The function sends it to the other queue, whose consumer is another function."""
    lease = ended(api, stack, api.lease(**NOTIFY))

    def tried():
        told = {one["event"]: one for one in api.lease_of(lease["id"])["notifications"]}
        return told["lease.ended"].get("lastError")

    assert wait_until(SOON, "an attempt", tried) == "the URL's host has no address"


def test_a_message_for_another_end_is_dropped(api, stack):
    lease = api.lease()
    send(stack, "EndQueue", lease, over_in(stack, lease, 60))
    send(stack, "EndQueue", lease, datetime.now(UTC).isoformat().replace("+00:00", "Z"))
    wait_until(
        SOON,
        "two messages that are dropped",
        lambda: (
            len([line for line in log_of(stack, "End") if lease["id"] in line and "stale" in line])
            >= 2
        ),
    )
    assert api.lease_of(lease["id"])["state"] == "running"


def test_what_fails_each_time_is_put_aside_and_all_is_encrypted(stack):
    """Checks only the queue's settings: the real thing would take half an hour."""
    sqs = boto3.client("sqs")

    def of(queue):
        found = sqs.get_queue_attributes(QueueUrl=stack[f"{queue}Url"], AttributeNames=["All"])
        return found["Attributes"]

    for queue in ("EndQueue", "DeliveryQueue"):
        redrive = json.loads(of(queue)["RedrivePolicy"])
        assert redrive["deadLetterTargetArn"] == of("FailuresQueue")["QueueArn"]
        assert int(redrive["maxReceiveCount"]) == 5
        assert of(queue)["SqsManagedSseEnabled"] == "true"


def test_its_log_is_written(api, stack):
    ended(api, stack, api.lease())
    assert_writes_its_log(stack, "End", "ended a lease")
