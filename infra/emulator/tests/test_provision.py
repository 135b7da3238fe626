"""The provision function."""

import uuid
from contextlib import contextmanager

import boto3
import pytest
from conftest import (
    NOTIFY,
    assert_writes_its_log,
    containers_of,
    docker,
    held_back,
    kept_log_of,
    log_of,
    told,
    wait_until,
)

ALPINE = {"imageType": "alpine", "durationMinutes": 5}


def test_a_lease_has_its_container_with_its_limits(api, stack):
    lease = api.lease(memoryMB=64)
    [container] = containers_of(lease["id"])
    [memory, deployment] = docker(
        "inspect",
        "--format",
        '{{.HostConfig.Memory}} {{index .Config.Labels "containerlease.deployment"}}',
        container,
    )
    assert int(memory) == 64 * 1024 * 1024
    assert deployment == stack["Deployment"]


def test_what_cannot_be_leased_is_a_problem_with_every_fault(api):
    answer = api.call("POST", "/api/provision", {"imageType": "no-such", "durationMinutes": 0})
    assert (answer.status, answer.problem) == (400, "invalid-request")
    assert {fault["field"] for fault in answer.body["errors"]} == {"imageType", "durationMinutes"}


def test_a_command_that_cannot_run_leaves_no_container(api):
    body = {"imageType": "alpine", "durationMinutes": 1, "command": ["/no/such/program"]}
    answer = api.call("POST", "/api/provision", body)
    assert (answer.status, answer.problem) == (422, "cannot-run")
    assert api.get("/readyz").status == 200


def test_the_log_of_what_could_not_run_is_kept(api, stack):
    body = {"imageType": "alpine", "durationMinutes": 1, "name": "kept for its log"}
    answer = api.call("POST", "/api/provision", {**body, "command": ["/no/such/program"]})
    assert answer.status == 422, answer
    items = boto3.client("dynamodb").scan(
        TableName=stack["TableName"],
        FilterExpression="#name = :name",
        ExpressionAttributeNames={"#name": "name"},
        ExpressionAttributeValues={":name": {"S": body["name"]}},
    )["Items"]
    ids = [item["sk"]["S"].removeprefix("lease#") for item in items]
    assert ids and all(kept_log_of(stack, lease_id) for lease_id in ids)


def test_the_warning_before_an_end_is_on_record(api):
    lease = api.lease(minutes=10, **NOTIFY)
    assert lease["notifySecret"].startswith("whsec_")
    [warning] = api.lease_of(lease["id"])["notifications"]
    assert (warning["event"], warning["state"]) == ("lease.expiring", "pending")
    assert warning["nextAttemptAt"] < lease["expiryTime"]


def test_the_same_key_is_the_same_lease(api):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first, again = [api.call("POST", "/api/provision", ALPINE, key) for _ in range(2)]
    assert (first.status, again.status) == (201, 201), (first, again)
    assert first.body["id"] == again.body["id"]
    other = api.call("POST", "/api/provision", {**ALPINE, "name": "another"}, key)
    assert (other.status, other.problem) == (409, "idempotency-conflict")
    api.delete(first.body["id"])


def test_an_owner_who_holds_all_that_he_may_is_told_until_when(api, stack):
    lease = api.lease()
    with told(stack, "Provision", CONTAINERLEASE_MAX_LEASES="1"):
        answer = api.call("POST", "/api/provision", ALPINE)
    assert (answer.status, answer.problem) == (429, "quota-reached")
    assert answer.body["full"] == ["leases"], answer
    assert answer.body["freesUpAt"], answer
    api.delete(lease["id"])


def test_a_host_that_is_full_is_told_until_when(api, stack):
    lease = api.lease()
    [cpus] = docker("info", "--format={{.NCPU}}")
    with counted_at(stack, "host", "counted", "cpuMilli", int(cpus) * 8000):
        answer = api.call("POST", "/api/provision", {**ALPINE, "cpuMilli": 10})
    assert (answer.status, answer.problem) == (503, "host-full")
    assert answer.body["full"] == ["cpuMilli"], answer
    assert answer.body["freesUpAt"], answer
    api.delete(lease["id"])


@contextmanager
def counted_at(stack, partition, sort, resource, bound):
    """Changes a count as if nothing were left to lease."""
    key = {"pk": {"S": partition}, "sk": {"S": sort}}
    table = {"TableName": stack["TableName"], "Key": key}
    dynamodb = boto3.client("dynamodb")

    def add(amount):
        more = {":more": {"N": str(amount)}}
        dynamodb.update_item(
            **table, UpdateExpression=f"ADD {resource} :more", ExpressionAttributeValues=more
        )

    count = dynamodb.get_item(**table, ConsistentRead=True)["Item"]
    missing = bound - int(count[resource]["N"])
    add(missing)
    try:
        yield
    finally:
        add(-missing)


@pytest.mark.parametrize("queue", ["EndQueue", "DeliveryQueue"])
def test_what_is_due_soon_is_sent_ahead(api, stack, queue):
    before = held_back(stack, queue)
    lease = api.lease(**NOTIFY)
    wait_until(5, f"a message in {queue}", lambda: held_back(stack, queue) > before)
    refused = [line for line in log_of(stack, "Provision") if "could not be sent" in line]
    assert not [line for line in refused if lease["id"] in line], refused


def test_its_log_is_written(api, stack):
    api.lease()
    assert_writes_its_log(stack, "Provision", "POST /api/provision")
