"""The table, as the template describes it."""

import boto3
import pytest
from conftest import wait_until

TTL_SECONDS = 180


@pytest.mark.waits("purgeable")
def test_its_ttl_purges_a_record(stack, purgeable):
    dynamodb = boto3.client("dynamodb")
    table = stack["TableName"]
    wait_until(
        TTL_SECONDS,
        "the purge by TTL",
        lambda: (
            "Item" not in dynamodb.get_item(TableName=table, Key=purgeable, ConsistentRead=True)
        ),
    )


def test_it_can_be_restored_and_has_its_ttl(stack):
    dynamodb = boto3.client("dynamodb")
    ttl = dynamodb.describe_time_to_live(TableName=stack["TableName"])
    assert ttl["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "purgeAt",
    }
    backups = dynamodb.describe_continuous_backups(TableName=stack["TableName"])
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
