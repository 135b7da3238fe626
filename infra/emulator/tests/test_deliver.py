"""The deliver function, the consumer of the queue of notifications."""

import pytest
from conftest import NOTIFY, assert_writes_its_log, send, wait_until

pytestmark = pytest.mark.usefixtures("no_tick")

SOON = 15


def test_what_is_due_is_told_and_what_cannot_be_is_tried_again(api, stack):
    lease = api.lease(**NOTIFY)
    api.delete(lease["id"])

    def ended():
        told = {one["event"]: one for one in api.lease_of(lease["id"])["notifications"]}
        return told["lease.ended"]

    send(stack, "DeliveryQueue", lease, ended()["nextAttemptAt"])
    told = wait_until(SOON, "an attempt", lambda: ended().get("lastError") and ended())
    assert told["state"] == "pending", told
    assert told["lastError"] == "the URL's host has no address"
    assert told["attempts"] == 1


def test_its_log_is_written(api, stack):
    test_what_is_due_is_told_and_what_cannot_be_is_tried_again(api, stack)
    assert_writes_its_log(stack, "Deliver", "DeliveryFailures")
