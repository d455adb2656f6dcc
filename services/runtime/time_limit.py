"""A time limit that much work shares, with one timer for all of it."""

import asyncio
from types import TracebackType
from typing import Any


class TimeLimit:
    """Limits how long each piece of work may take, as ``asyncio.timeout`` does, at a fifth of its cost.

    ``asyncio.timeout`` sets and cancels a timer each time. Here all work has the same limit, so that the work that
    began first reaches it first, and one timer is enough.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # In the order of their deadlines.
        self._running: dict[Limited, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def limited(self, task: "asyncio.Task[Any] | None" = None) -> "Limited":
        """Use it as ``with limit.limited():``, in a task. Raises TimeoutError at its end if it took too long.

        ``task``: the task, if the caller knows it.
        """
        return Limited(self, task or asyncio.current_task())

    def begin(self, work: "Limited") -> None:
        """Let the time of a piece of work run. Called by ``Limited``."""
        self._running[work] = None
        if self._timer is None:
            self._set_timer(work)

    def finish(self, work: "Limited") -> None:
        """A piece of work is done. Called by ``Limited``."""
        self._running.pop(work, None)

    def _set_timer(self, oldest: "Limited") -> None:
        self._timer = asyncio.get_running_loop().call_at(oldest.deadline, self._end_overdue)

    def _end_overdue(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._running:
            oldest = next(iter(self._running))
            if oldest.deadline > now:
                self._set_timer(oldest)
                return
            del self._running[oldest]
            oldest.end()


class Limited:
    """One piece of work with a time limit, in the task that entered it."""

    __slots__ = ("__weakref__", "_cancelling", "_limit", "_task", "deadline", "has_expired")

    def __init__(self, limit: TimeLimit, task: "asyncio.Task[Any] | None") -> None:
        assert task is not None, "a time limit cancels a task"
        self._limit = limit
        self._task = task
        # By the loop's clock.
        self.deadline = 0.0
        self.has_expired = False

    def __enter__(self) -> "Limited":
        self._cancelling = self._task.cancelling()
        self.deadline = asyncio.get_running_loop().time() + self._limit.seconds
        self._limit.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # If something else has cancelled the task too, it stays cancelled.
        is_timeout = self.has_expired and self._task.uncancel() <= self._cancelling
        # Break a reference cycle: the traceback of an error in the task refers to this object.
        del self._task
        if not self.has_expired:
            self._limit.finish(self)
        if is_timeout and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def end(self) -> None:
        """The limit is reached: cancel the work."""
        self.has_expired = True
        self._task.cancel()
