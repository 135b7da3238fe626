"""The exec function."""

from conftest import assert_writes_its_log, containers_of, docker


def execute(api, lease, command, **more):
    body = {"command": command, **more}
    return api.call("POST", f"/api/containers/{lease['id']}/exec", body)


def test_a_command_runs_in_the_container_of_its_lease(api):
    lease = api.lease()
    answer = execute(api, lease, ["sh", "-c", "cat; echo bad >&2; exit 3"], stdin="good")
    assert answer.status == 200, answer
    assert (answer.body["stdout"], answer.body["stderr"]) == ("good", "bad\n")
    assert (answer.body["exitCode"], answer.body["timedOut"]) == (3, False)


def test_a_command_whose_time_is_over_is_gone(api):
    lease = api.lease(command=["sleep", "600"])
    answer = execute(api, lease, ["sh", "-c", "sleep 1001 & sleep 1002"], timeoutSeconds=1)
    assert answer.status == 200, answer
    assert (answer.body["exitCode"], answer.body["timedOut"]) == (None, True)
    assert answer.body["stillRunning"] is False
    [container] = containers_of(lease["id"])
    assert not {"1001", "1002"} & set(docker("top", container))


def test_what_cannot_be_run_is_a_problem(api):
    lease = api.lease()
    answer = execute(api, lease, ["no-such-program"])
    assert (answer.status, answer.problem) == (422, "cannot-run")
    api.delete(lease["id"])
    answer = execute(api, lease, ["true"])
    assert (answer.status, answer.problem) == (409, "lease-over")


def test_its_log_is_written(api, stack):
    execute(api, api.lease(), ["true"])
    assert_writes_its_log(stack, "Exec", "ran a command")
