"""The use case of a driver's arrival at the pick-up."""

from datetime import datetime, timedelta
from uuid import UUID

from models.geo import distance_m
from models.trip_life import is_on_the_way
from models.values import Role, TripValue
from models.visibility import Actor, may_see
from services.database.connections import Database
from services.events.outbox import Outbox
from services.limits.throttle import PerUser
from services.positions.freshness import Freshness
from services.positions.reporting import Positions
from services.runtime.shield import Shield
from services.trips import rows as trip_rows
from services.trips.conditions import Periods
from services.trips.faults import IllegalTransition, NotADriver, NotNear, TripNotFound
from services.trips.writes import TripWrites


class Arrivals:
    """Reports of arrival, of one application."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        shield: Shield,
        writes: TripWrites,
        positions: Positions,
        periods: Periods,
        *,
        changing: PerUser,
        radius_m: float,
    ) -> None:
        """``changing``: how often a user may request and change trips."""
        self._database = database
        self._outbox = outbox
        self._shield = shield
        self._writes = writes
        self._positions = positions
        self._periods = periods
        self._changing = changing
        self._radius_m = radius_m

    def no_show_at(self, trip: TripValue) -> datetime | None:
        """When the driver may cancel because the rider has not come; None unless the driver waits for them."""
        if trip.arrived_at is None or not is_on_the_way(trip.status):
            return None
        return trip.arrived_at + timedelta(seconds=self._periods.no_show_wait_s)

    async def report(self, actor: Actor, *, trip_id: UUID) -> TripValue:
        """Note that the calling driver has arrived at the pick-up; the trip's subscribers are told.

        One UPDATE decides. Repeated, it succeeds, changes nothing and announces nothing. If the driver's position
        is unknown or stale, the distance is not checked.

        Raises:
            RateLimited: the caller requests and changes trips too often.
            NotADriver: the caller is a rider.
            TripNotFound: no such trip, or not visible to the caller.
            IllegalTransition: the caller is not on the way to that trip's pick-up.
            NotNear: the caller's position is too far from the pick-up.
            SessionEnded: the caller's session has ended.
        """
        if actor.user.role is not Role.DRIVER:
            raise NotADriver("Only drivers can report an arrival.")
        await self._changing.count(actor)
        return await self._shield.run(self._report(actor, trip_id))

    async def _report(self, actor: Actor, trip_id: UUID) -> TripValue:
        while True:
            trip = await trip_rows.find(self._database, trip_id)
            if trip is None or not may_see(actor, trip):
                raise TripNotFound("There is no such trip.", field=("tripId",))
            is_own = trip.driver is not None and trip.driver.id == actor.id
            if is_own and trip.arrived_at is not None:
                return trip
            if not is_own or not is_on_the_way(trip.status):
                raise IllegalTransition("You are not on the way to this trip's pick-up.", field=("tripId",))
            await self._check_distance(trip)
            async with self._outbox.statement() as changes:
                arrived = await self._writes.run(
                    changes, self._writes.arrival(trip_id, actor.id, actor.session_id)
                )
            if arrived is not None:
                return arrived
            # The trip changed between the read and the UPDATE.

    async def _check_distance(self, trip: TripValue) -> None:
        if trip.pick_up is None:
            return
        location, freshness = await self._positions.on_trip(trip)
        if location is None or freshness is not Freshness.LIVE:
            return
        away_m = distance_m(location.point, trip.pick_up)
        if away_m > self._radius_m:
            raise NotNear(f"You are {away_m:.0f} m from the pick-up; it must be at most {self._radius_m:.0f} m.")
