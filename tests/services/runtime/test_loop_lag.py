"""A blocked event loop is measured."""

import asyncio

import pytest

from services.runtime import loop_lag
from services.runtime.loop_lag import LoopLag
from tests.support.waiting import until


async def test_a_loop_that_was_blocked_for_a_tenth_of_a_second_counts_once_in_its_bucket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = asyncio.get_running_loop().time
    held_s = 0.0
    monkeypatch.setattr(loop_lag, "perf_counter", lambda: clock() + held_s)
    lag = LoopLag()
    await lag.start()
    # The clock advances by this much, and no timer is called in the meantime.
    held_s = 0.1
    await until(lambda: dict(lag.durations.buckets())["+Inf"] >= 3)
    await lag.stop()
    buckets = dict(lag.durations.buckets())
    assert buckets["0.25"] - buckets["0.05"] == 1
    assert lag.durations.sum_s >= 0.1
