"""The delete function."""

from conftest import assert_writes_its_log, containers_of, kept_log_of


def test_a_deleted_lease_has_no_container_and_a_receipt(api):
    lease = api.lease()
    answer = api.delete(lease["id"])
    assert answer.status == 200 and answer.body["success"], answer
    assert containers_of(lease["id"]) == []
    ended = api.lease_of(lease["id"])
    assert ended["state"] == "ended"
    assert ended["receipt"]["reason"] == "deleted"


def test_the_log_of_a_deleted_lease_is_kept(api, stack):
    lease = api.lease()
    api.delete(lease["id"])
    assert "purgeAt" in kept_log_of(stack, lease["id"])


def test_its_log_is_written(api, stack):
    api.delete(api.lease()["id"])
    assert_writes_its_log(stack, "Delete", "DELETE /api/containers/")
