"""The city at one moment, and the messages that are made of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from models.city import CityCounts, CityDriver, CityOutage, CityTrip
from services.live.events import CityEvent
from services.live.messages import CityChange, CitySnapshot
from services.runtime.pieces import Pieces

V = TypeVar("V")

# How many drivers, or trips, are compared in one iteration of the event loop.
COMPARED_AT_ONCE = 1_000


class CityState:
    """The city at one moment. ``number`` counts the states that were told; ``revoked``: watchers who are no staff
    any more.
    """

    __slots__ = ("_snapshot", "at", "counts", "drivers", "is_cut", "number", "outages", "revoked", "trips")

    def __init__(
        self,
        *,
        drivers: Mapping[UUID, CityDriver],
        trips: Mapping[UUID, CityTrip],
        counts: CityCounts,
        is_cut: bool,
        outages: frozenset[CityOutage],
        revoked: frozenset[UUID],
    ) -> None:
        self.number = 0
        self.at = datetime.now(UTC)
        self.drivers = drivers
        self.trips = trips
        self.counts = counts
        self.is_cut = is_cut
        self.outages = outages
        self.revoked = revoked
        self._snapshot: CityEvent | None = None

    @property
    def snapshot(self) -> CityEvent:
        """The whole state, built once for all who begin with it."""
        if self._snapshot is None:
            content = CitySnapshot(
                self.at,
                tuple(self.drivers.values()),
                tuple(self.trips.values()),
                self.counts,
                self.is_cut,
                self.outages,
            )
            self._snapshot = CityEvent(self.number, content, self.revoked)
        return self._snapshot

    @property
    def known_snapshot(self) -> CityEvent | None:
        """The whole state, if somebody began with it."""
        return self._snapshot

    async def change_from(self, before: "CityState") -> CityEvent:
        """What has changed since the state before; this one is the next."""
        content = CityChange(
            self.at,
            await _changed(before.drivers, self.drivers),
            await _gone(before.drivers, self.drivers),
            await _changed(before.trips, self.trips),
            await _gone(before.trips, self.trips),
            self.counts,
            self.is_cut,
            self.outages,
        )
        self.number = before.number + 1
        return CityEvent(self.number, content, self.revoked)


async def _changed(before: Mapping[UUID, V], now: Mapping[UUID, V]) -> tuple[V, ...]:
    """What is new, or another object than before."""
    changed: list[V] = []
    async for some in Pieces(now.items(), COMPARED_AT_ONCE):
        changed += [each for key, each in some if before.get(key) is not each]
    return tuple(changed)


async def _gone(before: Mapping[UUID, V], now: Mapping[UUID, V]) -> tuple[UUID, ...]:
    """The keys of what is not there any more."""
    gone: list[UUID] = []
    async for some in Pieces(before, COMPARED_AT_ONCE):
        gone += [key for key in some if key not in now]
    return tuple(gone)
