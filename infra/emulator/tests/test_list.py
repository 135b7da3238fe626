"""The list function: the read-only routes."""

import pytest
from conftest import NOTIFY, assert_writes_its_log, wait_until


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/api/images", "/api/me", "/api/containers"]
)
def test_every_route_that_reads_answers(api, path):
    answer = api.get(path)
    assert answer.status == 200, answer


def test_table_and_engine_are_ready(api):
    answer = api.get("/readyz")
    assert answer.body["table"] == {"state": "ok"}, answer
    assert answer.body["engine"] == {"state": "ok"}, answer


def test_a_lease_is_listed_and_found(api):
    lease = api.lease()
    listed = api.get("/api/containers").body["containers"]
    assert lease["id"] in [one["id"] for one in listed]
    assert api.lease_of(lease["id"])["state"] == "running"


def test_a_log_is_read_page_by_page_and_after_the_end(api):
    lease = api.lease(command=["sh", "-c", "seq 1 30; sleep 600"])
    path = f"/api/containers/{lease['id']}/logs"

    def messages(query):
        answer = api.get(f"{path}?{query}")
        assert answer.status == 200, answer
        return [entry["message"] for entry in answer.body["entries"]], answer.body

    everything = [str(number) for number in range(1, 31)]
    wait_until(10, "the log", lambda: messages("limit=100")[0] == everything)
    first, page = messages("limit=20")
    assert (first, page["more"]) == (everything[:20], True)
    assert messages("search=30")[0] == ["30"]
    api.delete(lease["id"])
    rest, last = messages(f"cursor={page['cursor']}")
    assert (rest, last["more"], last["gap"]) == (everything[20:], False, False)
    assert last["state"] == "ended"


def test_what_an_owner_is_told_is_shown_and_the_secret_is_not(api):
    lease = api.lease(**NOTIFY)
    answer = api.get(f"/api/containers/{lease['id']}")
    assert [one["event"] for one in answer.body["notifications"]] == ["lease.expiring"], answer
    assert "whsec_" not in str(answer.body) + str(api.get("/api/containers").body)


def test_the_use_of_a_lease_is_counted(api):
    lease = api.lease(memoryMB=64)
    answer = api.get(f"/api/containers/{lease['id']}/stats")
    assert answer.status == 200, answer
    assert answer.body["memory"]["limitBytes"] == 64 * 1024 * 1024
    assert answer.body["memory"]["usedBytes"] > 0
    assert answer.body["processes"]["count"] > 0


def test_what_has_ended_is_in_the_history(api):
    lease = api.lease(labels={"of": "the history"})
    api.delete(lease["id"])
    query = "state=ended&label=of:the%20history&imageType=alpine&limit=1"
    answer = api.get(f"/api/containers?{query}")
    assert answer.status == 200, answer
    [ended] = answer.body["containers"]
    assert ended["id"] == lease["id"]
    assert ended["receipt"]["reason"] == "deleted"


def test_what_is_not_there_is_a_problem_that_names_the_request(api):
    nobodys = "/api/containers/0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c"
    for path, status, problem in [
        ("/api/containers/not-an-id", 400, "invalid-lease-id"),
        (nobodys, 404, "lease-not-found"),
        ("/no/such/path", 404, "route-not-found"),
        ("/api/containers/a/b", 404, "route-not-found"),
    ]:
        answer = api.get(path)
        assert (answer.status, answer.problem) == (status, problem)
        assert answer.body["requestId"], answer


def test_a_method_that_a_path_does_not_take_is_told_which_it_takes(api):
    lease = "/api/containers/0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c"
    for path in ["/api/provision", f"{lease}/renew", f"{lease}/exec"]:
        answer = api.get(path)
        assert (answer.status, answer.problem) == (405, "method-not-allowed"), answer
        assert answer.headers["allow"] == "POST"


def test_its_log_is_written(api, stack):
    api.get("/healthz")
    assert_writes_its_log(stack, "List", "GET /healthz")
