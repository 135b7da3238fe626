"""The provision function."""

from conftest import assert_writes_its_log, containers_of, docker


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


def test_its_log_is_written(api, stack):
    api.lease()
    assert_writes_its_log(stack, "Provision", "POST /api/provision")
