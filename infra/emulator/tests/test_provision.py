"""The provision function."""

import boto3
from conftest import assert_writes_its_log, containers_of, docker, kept_log_of


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


def test_its_log_is_written(api, stack):
    api.lease()
    assert_writes_its_log(stack, "Provision", "POST /api/provision")
