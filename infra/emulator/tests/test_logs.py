"""The logs function, over a real WebSocket and several relays."""

import asyncio
import contextlib
import json
import os
import signal
import time
from pathlib import Path

import boto3
import pytest
import websockets
from conftest import assert_failure_arrives, assert_writes_its_log, log_of, wait_until

COUNTING = ["sh", "-c", "n=0; while :; do n=$((n+1)); echo line $n; sleep 0.25; done"]

# Longer than three relays as emulator.sh deploys them.
LISTEN_SECONDS = 22


def viewer(stack, container_id, **parameters):
    query = "".join(f"&{name}={value}" for name, value in parameters.items())
    return websockets.connect(f"{stack['LogsUrl']}?containerId={container_id}{query}", proxy=None)


def viewers_of(stack, lease):
    """What the table holds of a log's viewers: theirs, and their relay's, items."""
    found = boto3.client("dynamodb").query(
        TableName=stack["TableName"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"viewers#{lease['id']}"}},
        ConsistentRead=True,
    )
    return found["Items"]


def processes_of(stack, function):
    """The processes that the emulator runs of a function."""
    mark = f"AWS_LAMBDA_FUNCTION_NAME={stack.resource(function + 'Function')}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


async def next_object(socket, waiting, seconds=10):
    """The next JSON object; a frame may hold several, one a line."""
    while not waiting:
        waiting.extend((await asyncio.wait_for(socket.recv(), seconds)).splitlines())
    return json.loads(waiting.pop(0))


def test_a_viewer_hears_of_a_log_at_once(api, stack):
    """The first viewer too, and those who come to a warm function, where a relay has lines
    before ``$connect`` is over."""
    lease = api.lease(command=["sh", "-c", "echo here; sleep 600"])

    async def hear():
        async with viewer(stack, lease["id"]) as socket:
            return await next_object(socket, [])

    for _ in range(4):
        heard = asyncio.run(hear())
        assert {"timestamp", "level", "message", "stream", "cursor"} <= heard.keys()
        assert heard["message"] == "here"


def test_a_viewer_has_every_line_once_over_several_relays(api, stack):
    lease = api.lease(command=COUNTING)
    relays_before = len([line for line in log_of(stack, "Logs") if "RelayErrors" in line])

    async def listen():
        numbers, waiting, pongs = [], [], 0
        began = time.monotonic()
        async with viewer(stack, lease["id"]) as socket:
            await socket.send("ping")
            while time.monotonic() - began < LISTEN_SECONDS:
                entry = await next_object(socket, waiting)
                if "event" in entry:
                    pongs += entry["event"] == "pong"
                else:
                    numbers.append(int(entry["message"].removeprefix("line ")))
        return numbers, pongs

    numbers, pongs = asyncio.run(listen())
    assert numbers == list(range(1, len(numbers) + 1)), f"lines are lost or doubled: {numbers}"
    assert len(numbers) > 3 * LISTEN_SECONDS, "lines are late"
    assert pongs == 1
    relays = len([line for line in log_of(stack, "Logs") if "RelayErrors" in line])
    assert relays - relays_before >= 3, "the log was not carried on by another relay"


def test_a_viewer_is_told_the_end_and_the_connection_is_closed(api, stack):
    lease = api.lease(command=COUNTING)

    async def see_it_end():
        last, waiting = {}, []
        async with viewer(stack, lease["id"]) as socket:
            await next_object(socket, waiting)
            await asyncio.to_thread(api.delete, lease["id"])
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    last = await next_object(socket, waiting)
        return last

    last = asyncio.run(see_it_end())
    assert last["event"] == "ended"
    assert last["receipt"]["reason"] == "deleted"


def test_a_viewer_who_comes_after_the_end_has_what_was_kept(api, stack):
    lease = api.lease(command=["sh", "-c", "echo here; sleep 600"])
    time.sleep(1)
    api.delete(lease["id"])

    async def hear():
        waiting = []
        async with viewer(stack, lease["id"]) as socket:
            return [await next_object(socket, waiting) for _ in range(2)]

    line, end = asyncio.run(hear())
    assert (line["message"], end["event"]) == ("here", "ended")


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


def test_a_relay_that_is_killed_is_replaced_and_no_line_is_lost(api, stack):
    """What a killed relay sent last is not known: its viewer is told to connect again."""
    lease = api.lease(command=COUNTING)

    async def listen(socket, waiting, numbers, seconds):
        cursor, last = None, {}
        began = time.monotonic()
        with contextlib.suppress(websockets.ConnectionClosed, TimeoutError):
            while time.monotonic() - began < seconds:
                last = await next_object(socket, waiting, seconds)
                if "event" not in last:
                    cursor = last["cursor"]
                    numbers.append(int(last["message"].removeprefix("line ")))
        return cursor, last

    async def watch():
        numbers, waiting = [], []
        async with viewer(stack, lease["id"]) as socket:
            cursor, _ = await listen(socket, waiting, numbers, 2)
            for process in processes_of(stack, "Logs"):
                os.kill(process, signal.SIGKILL)
            # The hold of the relay lasts for ten seconds at most.
            later, _ = await listen(socket, waiting, numbers, 11)
            await socket.send("ping")
            _, last = await listen(socket, waiting, numbers, 10)
        async with viewer(stack, lease["id"], cursor=later or cursor) as socket:
            await listen(socket, [], numbers, 5)
        return numbers, last

    numbers, last = asyncio.run(watch())
    assert (last["event"], last["code"]) == ("closing", 1012)
    assert numbers == list(range(1, len(numbers) + 1)), f"lines are lost or doubled: {numbers}"
    assert len(numbers) > 60


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


def test_an_invocation_that_fails_is_kept(stack):
    assert_failure_arrives(stack, "Logs", {"not": "an event"}, "UnknownEvent")


def test_its_log_is_written(api, stack):
    test_a_viewer_hears_of_a_log_at_once(api, stack)
    assert_writes_its_log(stack, "Logs", "RelayErrors")
