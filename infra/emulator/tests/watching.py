"""Viewers of logs, for the tests of the two functions that serve them."""

import asyncio
import contextlib
import json
from pathlib import Path

import boto3
import websockets

COUNTING = ["sh", "-c", "n=0; while :; do n=$((n+1)); echo line $n; sleep 0.25; done"]


def viewer(stack, container_id, **parameters):
    query = "".join(f"&{name}={value}" for name, value in parameters.items())
    return websockets.connect(f"{stack['LogsUrl']}?containerId={container_id}{query}", proxy=None)


def viewers_of(stack, lease):
    """The table's items of a log's viewers and of their relay."""
    found = boto3.client("dynamodb").query(
        TableName=stack["TableName"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"viewers#{lease['id']}"}},
        ConsistentRead=True,
    )
    return found["Items"]


def processes_of(stack, function):
    """The emulator's processes of a function."""
    mark = f"AWS_LAMBDA_FUNCTION_NAME={stack.resource(function + 'Function')}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


async def next_object(socket, waiting, seconds=10):
    """The next JSON object; a frame may hold several, one per line."""
    while not waiting:
        waiting.extend((await asyncio.wait_for(socket.recv(), seconds)).splitlines())
    return json.loads(waiting.pop(0))
