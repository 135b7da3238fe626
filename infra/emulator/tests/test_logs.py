"""The logs function: the WebSocket API's routes, over a real WebSocket."""

import asyncio
import json
import time

import boto3
import pytest
import websockets
from conftest import LEASE_OF_NOBODY, assert_writes_its_log, log_of, wait_until
from watching import COUNTING, next_object, viewer, viewers_of


def test_a_viewer_hears_of_a_log_at_once(api, stack):
    """Both the first viewer and viewers of a warm function, where a relay has lines before
    ``$connect`` returns."""
    lease = api.lease(command=["sh", "-c", "echo here; sleep 600"])

    async def hear():
        async with viewer(stack, lease["id"]) as socket:
            return await next_object(socket, [])

    for _ in range(4):
        heard = asyncio.run(hear())
        assert {"timestamp", "level", "message", "stream", "cursor"} <= heard.keys()
        assert heard["message"] == "here"


def test_viewers_of_one_log_share_a_relay_and_are_forgotten_when_they_leave(api, stack):
    lease = api.lease(command=COUNTING)

    async def watch():
        async with viewer(stack, lease["id"]) as first, viewer(stack, lease["id"]) as second:
            firsts, seconds = [], []
            for _ in range(8):
                firsts.append((await next_object(first, firsts_waiting))["message"])
                seconds.append((await next_object(second, seconds_waiting))["message"])
            return firsts, seconds, viewers_of(stack, lease)

    firsts_waiting, seconds_waiting = [], []
    firsts, seconds, items = asyncio.run(watch())
    assert firsts == seconds == [f"line {n}" for n in range(1, 9)]
    served_by = {item["servedBy"]["S"] for item in items if "servedBy" in item}
    assert len(items) == 3 and len(served_by) == 1, items
    wait_until(10, "forgetting the viewers", lambda: not viewers_of(stack, lease))
    # The relay would forget them too, but later.
    time.sleep(1)
    assert not [line for line in log_of(stack, "Logs") if "removing a viewer" in line]


def test_a_viewer_begins_with_the_last_lines_and_may_pause(api, stack):
    lease = api.lease(command=COUNTING)
    time.sleep(3)

    async def watch():
        numbers, waiting, said = [], [], []
        async with viewer(stack, lease["id"], tail=2) as socket:
            paused = False
            while len(numbers) < 12:
                entry = await next_object(socket, waiting)
                if "event" in entry:
                    said.append(entry["event"])
                    if entry["event"] == "paused":
                        await asyncio.sleep(2)
                        await socket.send("resume")
                    continue
                numbers.append(int(entry["message"].removeprefix("line ")))
                if len(numbers) == 4 and not paused:
                    paused = True
                    await socket.send("pause")
        return numbers, said

    numbers, said = asyncio.run(watch())
    assert numbers[0] > 4, "the view began with the first line"
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert [event for event in said if event != "heartbeat"] == ["paused", "resumed"]


@pytest.mark.parametrize("container_id", ["0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c", "not-an-id", ""])
def test_a_connection_for_no_lease_is_refused(stack, container_id):
    async def connect():
        async with viewer(stack, container_id):
            pass

    with pytest.raises(websockets.InvalidStatus):
        asyncio.run(connect())


def test_a_message_that_is_none_is_answered_and_nothing_is_closed(api, stack):
    lease = api.lease(command=["sh", "-c", "echo here; sleep 600"])

    async def speak():
        async with viewer(stack, lease["id"]) as socket:
            await next_object(socket, [])
            await socket.send("what is this?")
            refused = await next_object(socket, [])
            await socket.send(json.dumps({"action": "ping"}))
            return refused, await next_object(socket, [])

    refused, answered = asyncio.run(speak())
    assert refused["event"] == "error"
    assert answered["event"] == "pong"


def test_its_log_is_written(api, stack):
    test_a_viewer_hears_of_a_log_at_once(api, stack)
    assert_writes_its_log(stack, "Logs", "answered")


def test_a_viewer_of_one_log_too_many_is_refused(api, stack):
    """All relay slots are in use; the limit keeps logs from starving the functions that end
    leases."""
    lease = api.lease(command=COUNTING)
    functions, name = boto3.client("lambda"), stack.resource("LogsFunction")
    settings = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

    def bound_to(settings):
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": settings}
        )
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)

    async def watch():
        async with viewer(stack, lease["id"]) as socket:
            return await next_object(socket, [])

    table = {"TableName": stack["TableName"]}
    place = {"pk": {"S": "relays"}, "sk": {"S": "place#0000"}}
    held = {"lease": {"S": LEASE_OF_NOBODY}, "heldUntil": {"N": str(int(time.time() + 60) * 1000)}}
    boto3.client("dynamodb").put_item(**table, Item={**place, **held})
    bound_to({**settings, "CONTAINERLEASE_MAX_RELAYS": "1"})
    try:
        with pytest.raises(websockets.InvalidStatus):
            asyncio.run(watch())
    finally:
        bound_to(settings)
        boto3.client("dynamodb").delete_item(**table, Key=place)
    assert asyncio.run(watch())["message"]
