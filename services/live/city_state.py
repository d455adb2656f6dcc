"""The city at one moment, and the messages that are made of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from models.city import CityCounts, CityDriver, CityOutage, CityTrip
from services.live.events import CityEvent
from services.live.messages import CityChange, CitySnapshot


class CityState:
    """The city at one moment. ``number`` counts the states; ``revoked``: watchers who are no staff any more."""

    __slots__ = ("_snapshot", "at", "counts", "drivers", "is_cut", "number", "outages", "revoked", "trips")

    def __init__(
        self,
        number: int,
        *,
        drivers: Mapping[UUID, CityDriver],
        trips: Mapping[UUID, CityTrip],
        counts: CityCounts,
        is_cut: bool,
        outages: frozenset[CityOutage],
        revoked: frozenset[UUID],
    ) -> None:
        self.number = number
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

    def change_from(self, before: "CityState") -> CityEvent:
        """What has changed since the state before."""
        content = CityChange(
            self.at,
            tuple(each for key, each in self.drivers.items() if before.drivers.get(key) is not each),
            tuple(before.drivers.keys() - self.drivers.keys()),
            tuple(each for key, each in self.trips.items() if before.trips.get(key) is not each),
            tuple(before.trips.keys() - self.trips.keys()),
            self.counts,
            self.is_cut,
            self.outages,
        )
        return CityEvent(self.number, content, self.revoked)
