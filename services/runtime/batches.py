"""Batches without a timer: items that arrive during a round trip go together in the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar, cast

import structlog

_log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class Batches(Generic[T, R]):
    """Sends items in batches. While ``under_way`` batches are being sent, new items wait; otherwise an item is
    sent immediately.

    ``send`` gets the items of a batch, and the loop time at which the oldest one arrived, so that it can limit the
    total wait. It returns one answer per item, in order. An exception goes to all callers of the batch.
    """

    def __init__(
        self, send: Callable[[list[T], float], Awaitable[Sequence[R]]], *, at_most: int, under_way: int = 1
    ) -> None:
        """``at_most``: the maximum size of a batch. ``under_way``: the number of batches sent at the same time."""
        self._send = send
        self._at_most = at_most
        self._under_way = under_way
        self._waiting: list[tuple[T, float, asyncio.Future[R]]] = []
        self._sending: set[asyncio.Task[None]] = set()

    def run(self, item: T) -> "asyncio.Future[R]":
        """The answer to one item. Raises: what ``send`` raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, loop.time(), answer))
        if len(self._sending) < self._under_way:
            # Not in the context of one caller: it may have a transaction, and it names the request in the log.
            self._sending.add(loop.create_task(self._send_all(), context=Context()))
        return answer

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._at_most], self._waiting[self._at_most :]
                try:
                    answers = await self._send([item for item, _, _ in batch], batch[0][1])
                except Exception as error:
                    if all(answer.done() for _, _, answer in batch):
                        _log.error("work failed after its callers had left", exc_info=error)
                    for _, _, answer in batch:
                        # The caller may have been cancelled.
                        if not answer.done():
                            answer.set_exception(error)
                    continue
                for (_, _, answer), value in zip(batch, answers, strict=True):
                    if not answer.done():
                        answer.set_result(value)
        finally:
            # Not in a callback: items that arrive before it runs would wait for ever.
            self._sending -= {cast("asyncio.Task[None]", asyncio.current_task())}
