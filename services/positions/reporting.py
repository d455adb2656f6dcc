"""Reports of positions, and the users who may see them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from models.geo import GeoPoint
from models.values import Location, Role, TripValue
from models.visibility import Actor, is_on_trip
from services.drivers.faults import fault_of
from services.errors import BadInput, ErrorCode, SessionEnded, UserFault
from services.events.topics import Topics
from services.limits.rates import RateLimit
from services.positions.active_trips import ActiveTrip, ActiveTrips
from services.positions.freshness import Freshness, Lifetime
from services.positions.store import PositionStore, Stored
from services.runtime.data_loader import DataLoader
from services.trips.faults import NotADriver
from services.validation.points import on_earth

# Accepted clock skew of a phone: a time up to this far ahead counts as now.
CLOCK_TOLERANCE = timedelta(minutes=1)
# A position measured longer ago than this, and than the period of the rate, is backlog. A phone within its rate
# measures at most the allowed burst in that period, and needs some seconds to send it.
MIN_BACKLOG_AGE = timedelta(seconds=3)


class StaleLocation(UserFault):
    """A newer position of the driver is known, or this one has expired."""

    code = ErrorCode.STALE_LOCATION


class Positions:
    """The last position of each driver of one application, with an expiry.

    A position goes to the driver's own subscriptions, and to those of the rider of the trip that was the driver's
    active one when it was reported. Nobody else receives it: after a trip has ended, its rider receives no
    position, even if the rider's process has not heard of the end.
    """

    def __init__(
        self,
        store: PositionStore,
        topics: Topics,
        *,
        active_trips: ActiveTrips,
        lifetime: Lifetime,
        limit: RateLimit,
    ) -> None:
        self.lifetime = lifetime
        self._active_trips = active_trips
        self._store = store
        self._topics = topics
        self._ttl = timedelta(seconds=lifetime.ttl_s)
        self._limit = limit
        self._backlog_age = max(
            MIN_BACKLOG_AGE, timedelta(seconds=limit.rate.period_s if limit.rate is not None else 0)
        )
        self._last = DataLoader(store.last, gathers=True)

    async def report(
        self, actor: Actor, *, point: GeoPoint, heading: float | None = None, recorded_at: datetime
    ) -> None:
        """Record the position of the calling driver at ``recorded_at``. A repeated report changes nothing.

        A time that is less than a minute ahead counts as now, so that a phone whose clock is corrected can
        continue. Outdated positions do not count against the rate, and backlog has a rate of its own, so that the
        newest position of a phone that leaves a tunnel is accepted. Both cost only a dictionary look-up.

        Raises:
            NotADriver: the caller is a rider.
            OffDuty, DriverNotApproved, VehicleRequired: the driver may not take trips now, and has no active trip.
            StaleLocation: a newer position is known, or this one has expired.
            RateLimited: the driver reports too often.
            BadInput: the point is invalid, the heading not within 0 to 360, or the time in the future or without a
                time zone.
            SessionEnded: the caller's session has ended.
        """
        if actor.user.role is not Role.DRIVER:
            raise NotADriver("Only drivers can report positions.")
        on_earth(point, "point")
        if heading is not None and not 0 <= heading <= 360:
            raise BadInput("A heading must be between 0 and 360.", field=("heading",))
        now = datetime.now(UTC)
        recorded_at = _measured(recorded_at, now)
        age = now - recorded_at
        if age >= self._ttl:
            raise StaleLocation("This position is too old.", field=("recordedAt",))
        newest = self._store.newest(actor.id)
        if newest is not None and newest > recorded_at:
            raise _newer_is_known()
        counted_as = actor.id if age < self._backlog_age else (actor.id, "backlog")
        self._limit.check(counted_as)
        report = _Report(actor.id, point, heading, recorded_at.astimezone(UTC), (self._ttl - age).total_seconds())
        stored = await self._put_as_remembered(actor, report)
        if stored in (Stored.UNSURE, Stored.UNANSWERED):
            active = await self._active_trips.find(actor)
            if active is None:
                raise SessionEnded
            if active.obstacle is not None and not active.takes_positions:
                raise fault_of(active.obstacle)
            location, topics = self._told(report, active)
            # Only if there is still time to ask Redis.
            put = self._store.put if stored is Stored.UNSURE else self._store.put_here
            stored = await put(location, topics, ttl_s=report.ttl_s)
        if stored is Stored.OUTDATED:
            # Another process received the newer one.
            self._limit.give_back(counted_as)
            raise _newer_is_known()

    async def _put_as_remembered(self, actor: Actor, report: "_Report") -> Stored:
        """Store it without asking the database; UNSURE and UNANSWERED: the database must be asked."""
        remembered = self._active_trips.remembered(actor)
        if remembered is None:
            return Stored.UNSURE
        active, lease = remembered
        location, topics = self._told(report, active)
        stored = await self._store.put_under(lease, location, topics, ttl_s=report.ttl_s)
        if stored is Stored.UNSURE:
            self._active_trips.forget(actor, lease)
        return stored

    def _told(self, report: "_Report", active: ActiveTrip) -> tuple[Location, list[str]]:
        """The position, and the topics on which it is told."""
        topics = [self._topics.of_driver(report.driver_id).topic]
        if active.trip_id is not None:
            topics.append(self._topics.car(active.trip_id))
        return report.stamped(active), topics

    async def last(self, driver_id: UUID) -> Location | None:
        """The last position of a driver, if it has not expired. The caller checks access."""
        return await self._last.get(driver_id)

    async def near(self, center: GeoPoint, radius_m: float) -> Sequence[Location]:
        """Live positions of drivers without a trip within about that radius, in no order. For counts only: they
        must not be shown.
        """
        since = datetime.now(UTC) - timedelta(seconds=self.lifetime.stale_s)
        return await self._store.near(center, radius_m, since=since)

    async def last_near(self, center: GeoPoint, radius_m: float) -> Sequence[Location]:
        """As ``near``, also if the drivers are silent, as long as their positions are kept."""
        return await self._store.near(center, radius_m, since=datetime.now(UTC) - self._ttl)

    async def on_trip(self, trip: TripValue) -> tuple[Location | None, Freshness]:
        """The position of the trip's driver, if it was measured on this trip. The caller checks access."""
        if trip.driver is None:
            return None, Freshness.GONE
        location = await self.last(trip.driver.id)
        if location is None or not is_on_trip(location, trip):
            return None, Freshness.GONE
        freshness = self.lifetime.freshness(location)
        # The store expires positions by another clock: by the clock of this process, this one may be expired.
        return (location if freshness is not Freshness.GONE else None), freshness

    async def silent_in_s(self, driver_id: UUID, *, after_s: float) -> float | None:
        """In how many seconds a driver will have been silent for ``after_s``; 0 or less: has been.

        Positions are known for their lifetime only: a driver without one has been silent for at least that long,
        so a longer ``after_s`` counts as the lifetime. None: unknown, because positions may be missing now.
        """
        location = await self._last.get(driver_id)
        silent_s = self._store.whole_s
        if silent_s is None:
            return None
        if location is not None:
            silent_s = min(silent_s, (datetime.now(UTC) - location.recorded_at).total_seconds())
        return min(after_s, self.lifetime.ttl_s) - silent_s


class _Report(NamedTuple):
    """A checked report, before it is known which trip it belongs to."""

    driver_id: UUID
    point: GeoPoint
    heading: float | None
    recorded_at: datetime
    ttl_s: float

    def stamped(self, active: ActiveTrip) -> Location:
        return Location(
            self.driver_id, active.trip_id, self.point, self.heading, self.recorded_at, as_of=active.as_of
        )


def _newer_is_known() -> StaleLocation:
    return StaleLocation("A newer position is known.", field=("recordedAt",))


def _measured(recorded_at: datetime, now: datetime) -> datetime:
    """When the position was measured; the server's time if the phone's clock is ahead."""
    if recorded_at.tzinfo is None:
        raise BadInput("`recordedAt` needs a time zone.", field=("recordedAt",))
    if recorded_at - now > CLOCK_TOLERANCE:
        raise BadInput("`recordedAt` is in the future.", field=("recordedAt",))
    return min(recorded_at, now)
