"""The small queue and the gate behave as asyncio's queue and event."""

import asyncio
from contextlib import suppress

import pytest

from gateway.uvicorn.message_queue import Gate, MessageQueue


async def next_of(queue: MessageQueue[int]) -> int:
    while queue.empty():
        await queue.arrival()
    return queue.take()


async def test_messages_are_read_in_order_whether_they_came_before_or_after() -> None:
    queue = MessageQueue[int]()
    queue.put_nowait(1)
    queue.put_nowait(2)
    assert not queue.empty()
    assert [await next_of(queue), await next_of(queue)] == [1, 2]
    assert queue.empty()
    reading = asyncio.create_task(next_of(queue))
    await asyncio.sleep(0)
    queue.put_nowait(3)
    queue.put_nowait(4)
    assert [await reading, await next_of(queue)] == [3, 4]


@pytest.mark.parametrize("has_arrived", [False, True])
async def test_a_reader_that_is_cancelled_takes_no_message(has_arrived: bool) -> None:
    queue = MessageQueue[int]()
    reading = asyncio.create_task(next_of(queue))
    await asyncio.sleep(0)
    if has_arrived:
        queue.put_nowait(1)
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    if not has_arrived:
        queue.put_nowait(1)
    assert await next_of(queue) == 1


async def test_a_gate_is_open_at_first_and_lets_all_go_on_when_it_opens() -> None:
    gate = Gate()
    gate.set()
    await gate.wait()
    gate.clear()
    gate.clear()
    waiting = [asyncio.create_task(gate.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [True, False, False]
    gate.set()
    await asyncio.gather(*waiting[1:])
    await gate.wait()
