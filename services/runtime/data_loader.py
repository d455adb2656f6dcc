"""Batches look-ups: one statement for many keys."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextvars import Context
from typing import Generic, TypeVar

from services.runtime.crowd import QUIET_S, Crowd

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


# Two, so that one look-up that hangs on a dead connection does not block the others.
MAX_UNDER_WAY = 2
# How many keys and how long a look-up of a crowd waits for others that come with it.
ENOUGH_KEYS = 16
GATHERED_S = 0.02


class DataLoader(Generic[K, V]):
    """Fetches all keys of one event-loop iteration at once: a page of trips takes one statement, not twenty.

    While ``MAX_UNDER_WAY`` look-ups run, new keys wait and are fetched together by the next.

    It is not a cache: each fetch begins after ``get`` was called.
    """

    def __init__(self, fetch: Callable[[list[K]], Awaitable[Mapping[K, V]]], *, gathers: bool = False) -> None:
        """``gathers``: whether the keys of a crowd that comes one after the other, like ten thousand clients who
        connect again, wait up to 20 ms for each other. A statement for each two of them would cost a tenth of a
        connection.
        """
        self._fetch = fetch
        self._gathers = gathers
        self._asked: dict[K, list[asyncio.Future[V | None]]] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._crowd = Crowd()
        self._is_gathering = False

    async def get(self, key: K) -> V | None:
        """The value of the key; None if there is none. Raises: what ``fetch`` raises."""
        loop = asyncio.get_running_loop()
        # One for each caller, since one of them may be cancelled.
        answer: asyncio.Future[V | None] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._fetch_next)
        self._asked.setdefault(key, []).append(answer)
        return await answer

    def _fetch_next(self) -> None:
        if not self._asked or self._is_gathering or len(self._under_way) >= MAX_UNDER_WAY:
            return
        if self._gathers and self._crowd.has_come(len(self._asked)) and len(self._asked) < ENOUGH_KEYS:
            self._is_gathering = True
            loop = asyncio.get_running_loop()
            loop.call_later(QUIET_S, self._gather, len(self._asked), loop.time() + GATHERED_S)
            return
        self._begin()

    def _gather(self, before: int, until_s: float) -> None:
        """Begin when all have come: when nobody came since the last look, or enough, or after a while."""
        loop, count = asyncio.get_running_loop(), len(self._asked)
        self._crowd.has_come(count - before)
        if before < count < ENOUGH_KEYS and loop.time() < until_s:
            loop.call_later(QUIET_S, self._gather, count, until_s)
            return
        self._is_gathering = False
        self._begin()

    def _begin(self) -> None:
        asked, self._asked = self._asked, {}
        task = asyncio.create_task(self._answer(asked))
        self._under_way.add(task)
        # Those who wait do not belong to the request of those who were first.
        task.add_done_callback(self._end, context=Context())

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._fetch_next()

    async def _answer(self, asked: dict[K, list["asyncio.Future[V | None]"]]) -> None:
        try:
            values = await self._fetch(list(asked))
        except Exception as error:
            # Cleared, because each future refers to the error's traceback, which refers to this frame. Both would
            # wait for the garbage collector.
            while asked:
                answers = asked.popitem()[1]
                while answers:
                    _fail(answers.pop(), error)
        else:
            for key, answers in asked.items():
                value = values.get(key)
                for answer in answers:
                    # The caller may have been cancelled.
                    if not answer.done():
                        answer.set_result(value)


def _fail(answer: "asyncio.Future[V | None]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        # Mark the error as retrieved: the caller may be cancelled before it goes on.
        answer.exception()
