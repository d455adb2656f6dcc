"""Walking a long list in pieces."""

import asyncio

import pytest

from services.runtime.fair_queue import FairQueue
from services.runtime.pieces import Pieces


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
async def test_every_item_comes_once_and_in_order(count: int) -> None:
    found = [piece async for piece in Pieces(range(count), 3)]
    assert [item for piece in found for item in piece] == list(range(count))
    assert all(found)
    assert max(map(len, found), default=0) <= 3


async def test_other_work_is_done_before_each_piece() -> None:
    done: list[object] = []
    async for piece in Pieces({"a": 1, "b": 2, "c": 3}.items(), 2):
        done.append(piece)
        asyncio.get_running_loop().call_soon(done.append, "other")
    assert done == [[("a", 1), ("b", 2)], "other", [("c", 3)]]


async def test_who_walks_may_wait_for_a_turn() -> None:
    turns, done = FairQueue(), list[str]()

    async def walk(name: str) -> None:
        async for piece in Pieces(range(4), 2, turn=turns.turn):
            done.append(f"{name}{piece[0]}")

    await asyncio.gather(walk("a"), walk("b"))
    assert done == ["a0", "b0", "a2", "b2"]
