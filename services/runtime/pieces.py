"""Walks a long list some items at a time, so that other connections are served in between."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


async def _next_iteration() -> None:
    await asyncio.sleep(0)


class Pieces(Generic[T]):
    """The items in order, ``size`` at a time. Before each piece the event loop does its other work.

    The items must not change meanwhile. Leaving the loop early leaves nothing behind.
    """

    __slots__ = ("_left", "_rest", "_size", "_turn")

    def __init__(
        self, items: Collection[T], size: int, *, turn: Callable[[], Awaitable[None]] = _next_iteration
    ) -> None:
        """``turn`` returns when the next piece may be walked; by default in the next iteration of the loop."""
        self._rest = iter(items)
        self._left = len(items)
        self._size = size
        self._turn = turn

    def __aiter__(self) -> "Pieces[T]":
        return self

    async def __anext__(self) -> list[T]:
        """The next piece."""
        if self._left <= 0:
            raise StopAsyncIteration
        await self._turn()
        self._left -= self._size
        return list(islice(self._rest, self._size))
