"""Batches look-ups: one statement for many keys."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextvars import Context
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


# Two, so that one look-up that hangs on a dead connection does not block the others.
MAX_UNDER_WAY = 2


class DataLoader(Generic[K, V]):
    """Fetches all keys of one event-loop iteration at once: a page of trips takes one statement, not twenty.

    While ``MAX_UNDER_WAY`` look-ups run, new keys wait and are fetched together by the next.

    It is not a cache: each fetch begins after ``get`` was called.
    """

    def __init__(self, fetch: Callable[[list[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._fetch = fetch
        self._asked: dict[K, asyncio.Future[V | None]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """The value of the key; None if there is none. Raises: what ``fetch`` raises."""
        found = self._asked.get(key)
        if found is None:
            loop = asyncio.get_running_loop()
            if not self._asked:
                loop.call_soon(self._fetch_next)
            found = self._asked[key] = loop.create_future()
        return await asyncio.shield(found)

    def _fetch_next(self) -> None:
        if self._asked and len(self._under_way) < MAX_UNDER_WAY:
            asked, self._asked = self._asked, {}
            task = asyncio.create_task(self._answer(asked))
            self._under_way.add(task)
            # Those who wait do not belong to the request of those who were first.
            task.add_done_callback(self._end, context=Context())

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._fetch_next()

    async def _answer(self, asked: dict[K, "asyncio.Future[V | None]"]) -> None:
        try:
            values = await self._fetch(list(asked))
        except Exception as error:
            # Cleared, because each future refers to the error's traceback, which refers to this frame. Both would
            # wait for the garbage collector.
            while asked:
                future = asked.popitem()[1]
                future.set_exception(error)
                # Mark the error as retrieved: the caller may have been cancelled.
                future.exception()
                del future
        else:
            for key, future in asked.items():
                future.set_result(values.get(key))
