"""Batches without a timer: items that arrive during one round trip go together in the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batches(Generic[T, R]):
    """Sends items in batches, one batch at a time. A single item is sent at once.

    ``send`` gets the items of a batch, and the loop time at which the oldest one arrived, so that it can limit the
    total wait. It returns one answer per item, in order. An exception goes to all callers of the batch.
    """

    def __init__(self, send: Callable[[list[T], float], Awaitable[Sequence[R]]], *, at_most: int) -> None:
        """``at_most``: the maximum size of a batch."""
        self._send = send
        self._at_most = at_most
        self._waiting: list[tuple[T, float, asyncio.Future[R]]] = []
        self._sending: asyncio.Task[None] | None = None

    def run(self, item: T) -> "asyncio.Future[R]":
        """The answer to one item. Raises: what ``send`` raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, loop.time(), answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return answer

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._at_most], self._waiting[self._at_most :]
                try:
                    answers = await self._send([item for item, _, _ in batch], batch[0][1])
                except Exception as error:
                    for _, _, answer in batch:
                        # The caller may have been cancelled.
                        if not answer.done():
                            answer.set_exception(error)
                    continue
                for (_, _, answer), value in zip(batch, answers, strict=True):
                    if not answer.done():
                        answer.set_result(value)
        finally:
            self._sending = None
