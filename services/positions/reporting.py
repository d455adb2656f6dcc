"""Reports of positions, and the users who may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from models.geo import GeoPoint
from models.trip_life import DRIVING
from models.values import Location, Role
from models.visibility import Actor
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.database.dialects import moment, uuid
from services.errors import BadInput, ErrorCode, SessionEnded, UserFault
from services.events.topics import Topics
from services.limits.rates import RateLimit
from services.positions.freshness import Lifetime
from services.positions.store import LocationStore, Stored
from services.runtime.data_loader import DataLoader
from services.trips.conditions import has_status
from services.trips.faults import NotADriver
from services.validation.points import on_earth

# Accepted clock skew of a phone: what it measures "later" than now counts as measured now.
CLOCK_TOLERANCE = timedelta(minutes=1)
# What was measured longer ago, also than the period of the rate, is backlog. A phone that keeps to the rate
# measures no more in that period than may come at once, and needs some seconds to send it.
MIN_FRESH = timedelta(seconds=3)


class StaleLocation(UserFault):
    """A newer position of the driver is known already, or this one is too old to be kept."""

    code = ErrorCode.STALE_LOCATION


@dataclass(frozen=True, slots=True)
class _ActiveTrip:
    """The trip that a driver drives, if any, at ``as_of``, the database's clock."""

    trip_id: UUID | None
    as_of: datetime


class Locations:
    """Positions of the drivers of one application: the last of each, with an expiry.

    A position is told to the driver's own subscriptions, and to those of the rider of the trip that was the
    driver's active one when it was reported, and to nobody else: after a trip has ended no position is told to its
    rider, whatever the rider's process has heard of the end.
    """

    def __init__(
        self,
        database: Database,
        store: LocationStore,
        topics: Topics,
        *,
        sessions: Sessions,
        lifetime: Lifetime,
        limit: RateLimit,
    ) -> None:
        self.lifetime = lifetime
        self._database = database
        self._sessions = sessions
        self._store = store
        self._topics = topics
        self._ttl = timedelta(seconds=lifetime.ttl_s)
        self._limit = limit
        self._fresh = max(MIN_FRESH, timedelta(seconds=limit.rate.period_s if limit.rate is not None else 0))
        self._active_trips = DataLoader(self._find_active_trips)
        self._last = DataLoader(store.last)

    async def report(
        self, actor: Actor, *, point: GeoPoint, heading: float | None = None, recorded_at: datetime
    ) -> None:
        """Note where the calling driver was at ``recorded_at``. The same report again changes nothing.

        A moment that is less than a minute ahead counts as now, so that a phone whose clock is set right goes on.

        What is stale does not count towards the rate, and backlog is counted by itself, so that a phone that sends
        what it has gathered in a tunnel has its newest position taken. Neither costs more than a look into a
        dictionary.

        Raises:
            NotADriver: the caller is a rider.
            StaleLocation: a newer position is known, or this one has expired.
            RateLimited: the driver reports too often.
            BadInput: the point is none, the heading not within 0 to 360, or the moment in the future or without a
                time zone.
            SessionEnded: the caller's session has ended.
        """
        if actor.user.role is not Role.DRIVER:
            raise NotADriver("Only drivers report where they are.")
        on_earth(point, "point")
        if heading is not None and not 0 <= heading <= 360:
            raise BadInput("A heading lies between 0 and 360.", field=("heading",))
        now = datetime.now(UTC)
        recorded_at = _measured(recorded_at, now)
        age = now - recorded_at
        if age >= self._ttl:
            raise StaleLocation("This position is too old.", field=("recordedAt",))
        newest = self._store.newest(actor.id)
        if newest is not None and newest > recorded_at:
            raise _stale()
        counted_as = actor.id if age < self._fresh else (actor.id, "backlog")
        self._limit.check(counted_as)
        active = await self._active_trips.get(actor.session_id)
        if active is None:
            raise SessionEnded
        location = Location(
            actor.id, active.trip_id, point, heading, recorded_at.astimezone(UTC), as_of=active.as_of
        )
        topics = [self._topics.location(actor.id)]
        if active.trip_id is not None:
            topics.append(self._topics.car(active.trip_id))
        if await self._store.put(location, topics, ttl_s=(self._ttl - age).total_seconds()) is Stored.STALE:
            # Another process received the newer one.
            self._limit.give_back(counted_as)
            raise _stale()

    async def last(self, driver_id: UUID) -> Location | None:
        """The last position of a driver, if it has not expired. The caller checks access."""
        return await self._last.get(driver_id)

    async def _find_active_trips(self, session_ids: Sequence[UUID]) -> dict[UUID, _ActiveTrip]:
        """For each driver's session that is live: a position costs no statement more for being asked that."""
        rows = await self._database.fetch(
            "SELECT s.id AS session_id, t.id AS trip_id, {now} AS as_of "
            f"FROM {self._database.sql.ids(1)} asked JOIN sessions s ON s.id = asked.id "
            "JOIN users u ON u.id = s.user_id LEFT JOIN trips t "
            f"ON t.driver_id = u.id AND {has_status(DRIVING, 't')} "
            f"WHERE {self._sessions.is_live}",
            list(session_ids),
        )
        return {
            uuid(row["session_id"]): _ActiveTrip(
                uuid(row["trip_id"]) if row["trip_id"] is not None else None, moment(row["as_of"])
            )
            for row in rows
        }


def _stale() -> StaleLocation:
    return StaleLocation("A newer position is known.", field=("recordedAt",))


def _measured(recorded_at: datetime, now: datetime) -> datetime:
    """When a position was measured; by our clock, as far as the phone's is ahead of it."""
    if recorded_at.tzinfo is None:
        raise BadInput("`recordedAt` needs a time zone.", field=("recordedAt",))
    if recorded_at - now > CLOCK_TOLERANCE:
        raise BadInput("`recordedAt` is in the future.", field=("recordedAt",))
    return min(recorded_at, now)
