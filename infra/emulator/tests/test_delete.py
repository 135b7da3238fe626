"""The delete function."""

from conftest import NOTIFY, assert_writes_its_log, containers_of, kept_log_of


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


def test_the_end_of_a_deleted_lease_is_to_be_told_and_its_warning_not_any_more(api):
    lease = api.lease(**NOTIFY)
    api.delete(lease["id"])
    told = {one["event"]: one for one in api.lease_of(lease["id"])["notifications"]}
    assert told["lease.ended"]["state"] == "pending", told
    assert told["lease.expiring"]["state"] == "dropped", told
