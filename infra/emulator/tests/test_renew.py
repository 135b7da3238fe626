"""The renew function, and what happens if its policy lacks a permission."""

import contextlib
import json

import boto3
import pytest
from conftest import NOTIFY, assert_sends, assert_writes_its_log, log_of


def test_a_renewal_gives_a_later_end(api):
    lease = api.lease()
    renewed = api.renew(lease["id"], 30)
    assert renewed.status == 200, renewed
    assert renewed.body["expiryTime"] > lease["expiryTime"]
    assert api.lease_of(lease["id"])["expiryTime"] == renewed.body["expiryTime"]


def test_a_renewal_moves_the_warning(api):
    lease = api.lease(**NOTIFY)
    [before] = api.lease_of(lease["id"])["notifications"]
    assert api.renew(lease["id"], 30).status == 200
    [after] = api.lease_of(lease["id"])["notifications"]
    assert after["nextAttemptAt"] > before["nextAttemptAt"]


@pytest.mark.parametrize("queue", ["EndQueue", "DeliveryQueue"])
def test_a_later_end_is_sent_ahead(api, stack, queue):
    lease = api.lease(minutes=5, **NOTIFY)
    assert_sends(stack, "Renew", lease, queue, lambda: api.renew(lease["id"], 10))


def test_its_log_is_written(api, stack):
    api.renew(api.lease()["id"], 30)
    assert_writes_its_log(stack, "Renew", "answered")


@pytest.mark.parametrize("change", ["taken away", "for other keys"])
def test_what_its_policy_does_not_allow_is_denied(api, stack, change):
    lease = api.lease()
    with changed(stack, "RenewRole", "ChangeALease", change):
        answer = api.renew(lease["id"], 30)
        assert (answer.status, answer.problem) == (503, "store-unavailable")
        # The caller sees no details; the operator sees all.
        assert "dynamodb" not in json.dumps(answer.body).lower()
        assert any("AccessDenied" in line for line in log_of(stack, "Renew"))
        assert api.lease_of(lease["id"])["expiryTime"] == lease["expiryTime"]
    assert api.renew(lease["id"], 30).status == 200


@contextlib.contextmanager
def changed(stack, role, sid, change):
    """Temporarily removes a statement of the role's policy, or limits it to foreign keys."""
    iam, role = boto3.client("iam"), stack.resource(role)
    [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    [statement] = [one for one in document["Statement"] if one["Sid"] == sid]
    others = [one for one in document["Statement"] if one["Sid"] != sid]
    if change == "for other keys":
        keys = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "somebody-else"}}
        others.append({**statement, "Condition": keys})

    def put(statements):
        text = json.dumps({**document, "Statement": statements})
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=text)

    put(others)
    try:
        yield
    finally:
        put(document["Statement"])
