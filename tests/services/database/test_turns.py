"""The line before the connections of a database."""

import asyncio

from services.database.turns import Turns
from tests.support.waiting import until


async def test_there_is_room_for_as_many_who_wait_as_for_those_who_go_on() -> None:
    turns, ends, ended = Turns(2), [asyncio.Event() for _ in range(5)], list[int]()

    async def use(number: int) -> None:
        async with turns:
            await ends[number].wait()
        ended.append(number)

    assert turns.room == 2
    using = [asyncio.create_task(use(number)) for number in range(5)]
    await until(lambda: turns.room == 0)
    ends[0].set()
    ends[1].set()
    await until(lambda: sorted(ended) == [0, 1])
    assert turns.room == 1
    # One of those who wait is given up.
    using[4].cancel()
    await until(lambda: turns.room == 2)
    for event in ends:
        event.set()
    await asyncio.wait(using)
    assert sorted(ended) == [0, 1, 2, 3]
