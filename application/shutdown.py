"""Stopping the parts of a server within one time limit."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import structlog

_log = structlog.stdlib.get_logger(__name__)


class Shutdown:
    """Stops the parts that were added within the block, at its end, the last one first.

    All parts share ``timeout_s``. A part that exceeds it is cancelled and logged. The parts after it are cancelled
    as soon as they wait: each must release what it holds when it is cancelled.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._deadline: float | None = None
        self._stack = AsyncExitStack()

    def add(self, name: str, stop: Callable[[], Awaitable[None]]) -> None:
        """Call ``stop`` at the end of the block."""
        self._stack.push_async_callback(self._stop, name, stop)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)

    async def _stop(self, name: str, stop: Callable[[], Awaitable[None]]) -> None:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._timeout_s
        limit = asyncio.timeout_at(self._deadline)
        try:
            async with limit:
                await stop()
        except TimeoutError:
            if not limit.expired():
                raise
            _log.warning("stopped without waiting any longer", part=name)
