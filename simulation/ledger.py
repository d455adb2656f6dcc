"""Records what the people of each trip were told, and checks it for contradictions."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter
from typing import Any

ENDED = frozenset({"COMPLETED", "CANCELLED", "EXPIRED"})
UNDER_WAY = frozenset({"STARTED", "IN_PROGRESS"})


@dataclass(slots=True)
class Record:
    """One trip.

    ``status``, ``version`` and ``cancel_code``: the last ones that its rider's subscription sent. ``told``: the
    newest version in an answer to its rider or a driver. ``accepted_by``: for each version, the driver who was
    told to have the trip. ``arrivals``: the versions in answers to reports of arrival; ``without_arrival``:
    those that the rider's subscription sent without one. ``arriving_s``: when the driver first reported arrival.
    ``not_before_s`` and ``wait_s``: what the last TOO_EARLY said.
    """

    sent_s: float | None = None
    answered_s: float | None = None
    first_offered_s: float | None = None
    first_accepted_s: float | None = None
    status: str | None = None
    version: int = 0
    told: int = 0
    accepted_by: dict[int, set[str]] = field(default_factory=dict[int, set[str]])
    was_under_way: bool = False
    was_in_car: bool = False
    positions_seen: int = 0
    cancel_code: str | None = None
    arrivals: set[int] = field(default_factory=set[int])
    without_arrival: set[int] = field(default_factory=set[int])
    arriving_s: float | None = None
    not_before_s: float | None = None
    wait_s: int | None = None

    @property
    def is_ours(self) -> bool:
        """Whether a simulated rider requested it; others may use the server at the same time."""
        return self.status is not None

    @property
    def is_accepted(self) -> bool:
        """Whether a driver has ever had it."""
        return self.was_under_way or bool(self.accepted_by)

    @property
    def was_accepted_twice(self) -> bool:
        """Whether two drivers were told that they have the trip, and the first had not given it back before."""
        versions = sorted(self.accepted_by)
        return any(len(drivers) > 1 for drivers in self.accepted_by.values()) or any(
            later - earlier < 2 and self.accepted_by[later] != self.accepted_by[earlier]
            for earlier, later in pairwise(versions)
        )

    @property
    def has_unknown_arrival(self) -> bool:
        """Whether the driver was told that the arrival is reported, and the rider's subscription was not."""
        return any(version > self.version or version in self.without_arrival for version in self.arrivals)


class Ledger:
    """The records of all trips, by id. ``clock``: a monotonic clock in seconds.

    ``paused_wrongly``: how often a driver was offered or given a trip while the pool was paused or the driver off
    duty, and how many pools were wrong about it at the end. ``ended_too_early``: how often a trip was ended before
    the time that the server has told. ``wrong_pins``: how often a ride began with one.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.clock = clock
        self.trips: dict[str, Record] = {}
        self.older_after_newer = 0
        self.paused_wrongly = 0
        self.ended_too_early = 0
        self.wrong_pins = 0
        self._no_show_wait_s = 0.0
        self._heard = asyncio.Event()

    def requested(self, trip: dict[str, Any], *, sent_s: float) -> None:
        """The rider's request was answered."""
        record = self._record(trip["id"])
        record.sent_s, record.answered_s = sent_s, self.clock()
        record.status = record.status or trip["status"]
        record.told = max(record.told, trip["version"])

    def offered(self, trip_id: str) -> None:
        """A driver was offered the trip."""
        record = self._record(trip_id)
        if record.first_offered_s is None:
            record.first_offered_s = self.clock()

    def accepted(self, trip: dict[str, Any], *, driver: str) -> None:
        """A driver's acceptance was answered with success."""
        record = self._record(trip["id"])
        record.accepted_by.setdefault(trip["version"], set()).add(driver)
        record.arriving_s = record.not_before_s = record.wait_s = None
        self.changed(trip)

    def arriving(self, trip_id: str) -> None:
        """The driver reports arrival."""
        record = self._record(trip_id)
        if record.arriving_s is None:
            record.arriving_s = self.clock()

    def arrived(self, trip: dict[str, Any]) -> None:
        """The report of arrival was answered with success."""
        self._record(trip["id"]).arrivals.add(trip["version"])
        self.changed(trip)

    def too_early(self, trip_id: str, *, sent_s: float, retry_after_s: int | None) -> None:
        """The driver may not yet report a no-show, or the rider not yet leave the car of a silent driver.

        ``retry_after_s`` was rounded up, and counts from a moment after ``sent_s``.
        """
        record = self._record(trip_id)
        if retry_after_s is None:
            return
        record.wait_s, record.not_before_s = retry_after_s, sent_s + retry_after_s - 1
        if not record.was_in_car:
            self._no_show_wait_s = max(self._no_show_wait_s, retry_after_s - 1)

    def changed(self, trip: dict[str, Any]) -> None:
        """A change of the trip, by the rider or a driver, was answered."""
        record = self._record(trip["id"])
        record.told = max(record.told, trip["version"])
        record.was_in_car |= trip["status"] == "IN_PROGRESS"
        if trip["status"] == "CANCELLED":
            self._check_time(record, is_no_show=trip["cancelCode"] == "NO_SHOW")

    def _check_time(self, record: Record, *, is_no_show: bool) -> None:
        now_s, early = self.clock(), False
        if (is_no_show or record.was_in_car) and record.not_before_s is not None:
            early = now_s < record.not_before_s
        if is_no_show:
            early |= record.arriving_s is None or now_s - record.arriving_s < self._no_show_wait_s
        self.ended_too_early += early

    def heard(self, trip: dict[str, Any]) -> None:
        """The rider's subscription sent the trip."""
        record = self._record(trip["id"])
        if trip["version"] < record.version:
            self.older_after_newer += 1
            return
        record.status, record.version = trip["status"], trip["version"]
        record.cancel_code = trip["cancelCode"]
        record.was_in_car |= trip["status"] == "IN_PROGRESS"
        if trip["arrivedAt"] is None:
            record.without_arrival.add(trip["version"])
        if trip["status"] in UNDER_WAY or trip["status"] == "COMPLETED":
            record.was_under_way = True
        if trip["status"] == "STARTED" and record.first_accepted_s is None:
            record.first_accepted_s = self.clock()
        self._heard.set()

    def saw_car(self, trip_id: str) -> None:
        """The rider's subscription sent the car's position."""
        self._record(trip_id).positions_seen += 1

    @property
    def ours(self) -> Iterable[Record]:
        """The trips that simulated riders requested."""
        return (record for record in self.trips.values() if record.is_ours)

    async def settled(self) -> None:
        """Return when each rider's subscription has caught up with all answers about the trip."""
        while any(record.version < record.told for record in self.ours):
            self._heard.clear()
            await self._heard.wait()

    def _record(self, trip_id: str) -> Record:
        return self.trips.setdefault(trip_id, Record())
