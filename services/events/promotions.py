"""Processes tell each other that the database has a new primary."""

import asyncio
import functools

from services.database.primary_watch import PrimaryWatch
from services.events.bus import Bus
from services.events.topics import Topics
from services.runtime.counters import Counters
from services.runtime.tasks import cancel_and_wait, keep_running

_MESSAGE = b"{}"


class Promotions:
    """The first process that notices a promotion tells the others, and each looks at once.

    Otherwise a process could show for a second what a former primary has, after others have shown newer states.
    A message makes nobody do more than look: what the servers of the database answer decides. It is told before
    this process changes anything on the new primary, so it is published before the events of those changes.
    """

    def __init__(self, watch: PrimaryWatch | None, bus: Bus, topics: Topics, counters: Counters) -> None:
        """``watch``: None if the database has one server, or none that could be known."""
        self._watch = watch
        self._bus = bus
        self._topic = topics.promotions
        self._counters = counters
        self._noticed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to tell and to listen."""
        if self._watch is None:
            return
        self._watch.on_promotion(self._noticed.set)
        work = {"telling of promotions": self._tell, "promotions": functools.partial(self._listen, self._watch)}
        self._tasks = [
            asyncio.create_task(keep_running(name, each, self._counters)) for name, each in work.items()
        ]

    async def stop(self) -> None:
        """Tell and listen no more."""
        await cancel_and_wait(self._tasks)

    async def _tell(self) -> None:
        while True:
            await self._noticed.wait()
            self._noticed.clear()
            # If the broker does not take it, the others look by themselves within a second.
            await self._bus.publish_to_others([([self._topic], self._bus.mark_origin(_MESSAGE))])

    async def _listen(self, watch: PrimaryWatch) -> None:
        async with self._bus.listen(self._topic) as messages:
            async for _ in messages:
                watch.look()
