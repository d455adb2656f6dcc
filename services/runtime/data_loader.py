"""Look-ups that are made together."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LookUps(Generic[K, V]):
    """Asks for all keys of one turn of the event loop at once: a page of trips is one statement, not twenty.

    Not a cache: each look-up begins after it was asked for.
    """

    def __init__(self, fetch: Callable[[list[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._fetch = fetch
        self._asked: dict[K, asyncio.Future[V | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """What belongs to the key; None if nothing does. Raises: what ``fetch`` raises."""
        found = self._asked.get(key)
        if found is None:
            loop = asyncio.get_running_loop()
            if not self._asked:
                loop.call_soon(self._fetch_soon)
            found = self._asked[key] = loop.create_future()
        return await asyncio.shield(found)

    def _fetch_soon(self) -> None:
        asked, self._asked = self._asked, {}
        task = asyncio.create_task(self._answer(asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, asked: dict[K, "asyncio.Future[V | None]"]) -> None:
        try:
            values = await self._fetch(list(asked))
        except Exception as error:
            for future in asked.values():
                future.set_exception(error)
                # Whoever asked may have gone.
                future.exception()
        else:
            for key, future in asked.items():
                future.set_result(values.get(key))
