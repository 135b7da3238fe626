"""The relay function: sends a log to its viewers, over a real WebSocket and several relays."""

import asyncio
import contextlib
import os
import signal
import time

import websockets
from conftest import assert_failure_arrives, assert_writes_its_log, log_of, wait_until
from watching import COUNTING, next_object, processes_of, viewer, viewers_of

# Longer than three relays with emulator.sh's settings.
LISTEN_SECONDS = 22


def test_a_viewer_has_every_line_once_over_several_relays(api, stack):
    lease = api.lease(command=COUNTING)
    relays_before = len([line for line in log_of(stack, "Relay") if "RelayErrors" in line])

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
    relays = len([line for line in log_of(stack, "Relay") if "RelayErrors" in line])
    assert relays - relays_before >= 3, "the log was not carried on by another relay"
    assert not [line for line in log_of(stack, "Relay") if "keep its place" in line]


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
    wait_until(10, "forgetting the viewer", lambda: not viewers_of(stack, lease))


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


def test_a_relay_that_is_killed_is_replaced_and_no_line_is_lost(api, stack):
    """Nobody knows what a killed relay sent last, so its viewer must reconnect."""
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
            for process in processes_of(stack, "Relay"):
                os.kill(process, signal.SIGKILL)
            # The relay's hold lasts at most ten seconds.
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


def test_an_invocation_that_fails_is_kept(stack):
    assert_failure_arrives(stack, "Relay", {"not": "an event"}, "UnknownEvent")


def test_its_log_is_written(api, stack):
    test_a_viewer_is_told_the_end_and_the_connection_is_closed(api, stack)
    assert_writes_its_log(stack, "Relay", "RelayErrors")
