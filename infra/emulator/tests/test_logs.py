"""The logs function, over a real WebSocket and several relays."""

import asyncio
import contextlib
import json
import time

import pytest
import websockets
from conftest import assert_failure_arrives, assert_writes_its_log, log_of

COUNTING = ["sh", "-c", "n=0; while :; do n=$((n+1)); echo line $n; sleep 0.25; done"]

# Longer than three relays as emulator.sh deploys them.
LISTEN_SECONDS = 22


def viewer(stack, container_id):
    return websockets.connect(f"{stack['LogsUrl']}?containerId={container_id}", proxy=None)


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
