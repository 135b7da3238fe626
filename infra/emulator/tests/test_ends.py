"""Leases end on time with only the queue, only the tick, both, and ticks 119 s apart, which
EventBridge Scheduler permits."""

import pytest

# The promised lateness of an end, in milliseconds.
PROMISED = 2_000


@pytest.mark.waits("by_the_queue")
def test_without_a_tick_leases_end_on_time_by_the_queue(by_the_queue):
    assert by_the_queue.ended()[-1] <= PROMISED


@pytest.mark.waits("by_the_tick")
def test_without_the_queue_leases_end_by_the_next_tick(by_the_tick):
    late = by_the_tick.ended()
    assert late[-1] <= 60_000 + 5_000, "a lease has outlived a whole tick"


@pytest.mark.waits("by_both")
def test_with_queue_and_tick_leases_end_on_time_and_once(by_both):
    assert by_both.ended()[-1] <= PROMISED


@pytest.mark.waits("with_late_ticks")
def test_with_ticks_119_seconds_apart_leases_end_on_time(with_late_ticks):
    assert with_late_ticks.ended()[-1] <= PROMISED
