"""What happens once and is told to many: an event, a read of the state, and the messages made of them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any
from uuid import UUID

import structlog

from models.snapshots import TripSnapshot
from services.counts import Counts
from services.live.messages import Content
from services.trip_rows import TripsAt

_log = structlog.stdlib.get_logger(__name__)


class Message:
    """One content, shared by every subscriber that is sent it.

    ``renditions`` is room for those who encode it: each form is made once, and goes when the message does.
    ``trip_id`` names what a newer message about the same trip may replace; None: the whole state.
    """

    __slots__ = ("content", "renditions", "trip_id")

    def __init__(self, content: Content, trip_id: UUID | None) -> None:
        self.content = content
        self.trip_id = trip_id
        self.renditions: dict[Hashable, Any] = {}


class _Occurrence:
    """Keeps the messages made of it, so that equal ones are made once."""

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: dict[Hashable, Message] = {}

    def message(self, key: Hashable, content: Callable[[], Content], trip_id: UUID | None = None) -> Message:
        """The message of that key, made at the first call."""
        message = self._messages.get(key)
        if message is None:
            message = self._messages[key] = Message(content(), trip_id)
        return message


class TripEvent(_Occurrence):
    """A trip has changed, or has been found to be as it is now."""

    __slots__ = ("trip",)

    def __init__(self, trip: TripSnapshot) -> None:
        super().__init__()
        self.trip = trip


class StateRead(_Occurrence):
    """Trips as one read found them. ``versions`` maps each to its version."""

    __slots__ = ("_event", "as_of", "given_back_by", "trips", "versions")

    def __init__(self, found: TripsAt) -> None:
        super().__init__()
        self.trips = found.trips
        self.as_of = found.as_of
        self.versions = {trip.id: trip.version for trip in found.trips}
        self.given_back_by = frozenset[UUID]().union(*(trip.given_back_by for trip in found.trips))
        self._event = TripEvent(found.trips[0]) if found.trips else None

    def event(self) -> TripEvent | None:
        """The first trip as one event for all who ask; None if there is no trip."""
        return self._event


class StateReads:
    """Shares reads among those who come back together.

    A read serves only those who asked before it began: their topics were confirmed before, so that no
    change can fall between. Whoever asks later shares the next one.
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._next: dict[Hashable, asyncio.Task[StateRead]] = {}
        self._running: dict[Hashable, asyncio.Task[StateRead]] = {}

    async def read(self, scope: Hashable, query: Callable[[], Awaitable[TripsAt]]) -> StateRead:
        """The state of ``scope``, by a read that begins after this call."""
        task = self._next.get(scope)
        if task is None:
            task = self._next[scope] = asyncio.create_task(self._read(scope, query))
            # Those who wait may all have gone when it fails.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _read(self, scope: Hashable, query: Callable[[], Awaitable[TripsAt]]) -> StateRead:
        running = self._running.get(scope)
        if running is not None:
            await asyncio.wait([running])
        self._running[scope] = self._next.pop(scope)
        try:
            self._counts.reads += 1
            return StateRead(await query())
        except Exception as error:
            # Said once, however many wait for it.
            _log.warning("reading the state failed", scope=scope, error=str(error) or type(error).__name__)
            raise
        finally:
            del self._running[scope]
