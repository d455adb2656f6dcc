"""Where drivers are: reporting it, and who may know."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from models.geo import GeoPoint
from models.snapshots import Location, Role
from models.visibility import Actor
from services.database import Database, moment, uuid
from services.errors import BadInput, ErrorCode, UserFault
from services.location_store import LocationStore, Stored
from services.lookups import LookUps
from services.points import on_earth
from services.rate_limits import RateLimit
from services.topics import Topics
from services.trips import NotADriver

# So much may the clock of a phone be ahead.
CLOCK_TOLERANCE = timedelta(seconds=10)


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
        self, database: Database, store: LocationStore, topics: Topics, *, ttl_s: int, limit: RateLimit
    ) -> None:
        self._database = database
        self._store = store
        self._topics = topics
        self._ttl = timedelta(seconds=ttl_s)
        self._limit = limit
        self._active_trips = LookUps(self._find_active_trips)
        self._last = LookUps(store.last)

    async def report(
        self, actor: Actor, *, point: GeoPoint, heading: float | None = None, recorded_at: datetime
    ) -> None:
        """Note where the calling driver was at ``recorded_at``. The same report again changes nothing.

        Raises:
            NotADriver: the caller is a rider.
            StaleLocation: a newer position is known, or this one has expired.
            RateLimited: the driver reports too often.
            BadInput: the point is not on Earth, the heading not within 0 to 360, or the moment in the future or
                without a time zone.
        """
        if actor.user.role is not Role.DRIVER:
            raise NotADriver("Only drivers report where they are.")
        self._limit.check(actor.id)
        on_earth(point, "point")
        if heading is not None and not 0 <= heading <= 360:
            raise BadInput("A heading lies between 0 and 360.", field=("heading",))
        age = _age(recorded_at)
        if age >= self._ttl:
            raise StaleLocation("This position is too old.", field=("recordedAt",))
        active = await self._active_trips.get(actor.id)
        assert active is not None, "the look-up answers for every driver"
        location = Location(
            actor.id, active.trip_id, point, heading, recorded_at.astimezone(UTC), as_of=active.as_of
        )
        topics = [self._topics.location(actor.id)]
        if active.trip_id is not None:
            topics.append(self._topics.car(active.trip_id))
        if await self._store.put(location, topics, ttl_s=(self._ttl - age).total_seconds()) is Stored.STALE:
            raise StaleLocation("A newer position is known.", field=("recordedAt",))

    async def last(self, driver_id: UUID) -> Location | None:
        """The last position of a driver, if it has not expired. Whoever asks must have the right to know it."""
        return await self._last.get(driver_id)

    async def _find_active_trips(self, driver_ids: Sequence[UUID]) -> dict[UUID, _ActiveTrip]:
        rows = await self._database.fetch(
            "SELECT d.id AS driver_id, t.id AS trip_id, {now} AS as_of "
            f"FROM {self._database.ids(1)} d LEFT JOIN trips t "
            "ON t.driver_id = d.id AND t.status IN ('STARTED', 'IN_PROGRESS')",
            list(driver_ids),
        )
        return {
            uuid(row["driver_id"]): _ActiveTrip(
                uuid(row["trip_id"]) if row["trip_id"] is not None else None, moment(row["as_of"])
            )
            for row in rows
        }


def _age(recorded_at: datetime) -> timedelta:
    if recorded_at.tzinfo is None:
        raise BadInput("The moment needs a time zone.", field=("recordedAt",))
    age = datetime.now(UTC) - recorded_at
    if age < -CLOCK_TOLERANCE:
        raise BadInput("The moment lies in the future.", field=("recordedAt",))
    return max(age, timedelta(0))
