"""The drives of trips under way: the route, and the time that is left of it.

The router is asked once for each trip and leg, and again only while the car is off the route. More positions and
readers cost no question.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from itertools import accumulate, pairwise
from math import cos, hypot, radians

from models.geo import GeoPoint, distance_m
from models.values import TripValue
from services.positions import polyline
from services.positions.routing import Drive, Router
from services.runtime.memory_cache import MemoryCache

# A car that is farther from its route than this, or than a tenth of the route, has taken another one.
OFF_ROUTE_M = 100.0
OFF_ROUTE_SHARE = 0.1
# How soon the router is asked again about a leg: off the route, or after it had no answer.
ASK_AGAIN_S = 15.0
REMEMBERED_BYTES = 16_000_000
_POINT_BYTES = 200
_M_PER_DEGREE = 111_195.0


class _Leg:
    """A drive that was asked for, and where a car is on it."""

    def __init__(self, drive: Drive, asked_s: float) -> None:
        self.drive = drive
        self.asked_s = asked_s
        self._points = polyline.decode(drive.encoded_polyline)
        # The distance of each point from the start, along the line.
        self._at_m = [0.0, *accumulate(distance_m(one, other) for one, other in pairwise(self._points))]

    @property
    def taken_bytes(self) -> int:
        return len(self.drive.encoded_polyline) + _POINT_BYTES * len(self._points)

    def progress(self, point: GeoPoint) -> tuple[bool, float]:
        """Whether a point is off the route, and the share of the line that is behind the nearest point."""
        best_m, behind_m = distance_m(point, self._points[0]), 0.0
        for number, (one, other) in enumerate(pairwise(self._points)):
            away_m, share = _nearest(point, one, other)
            if away_m < best_m:
                best_m, behind_m = (
                    away_m,
                    self._at_m[number] + share * (self._at_m[number + 1] - self._at_m[number]),
                )
        is_off = best_m > max(OFF_ROUTE_M, OFF_ROUTE_SHARE * self.drive.distance_m)
        return is_off, behind_m / self._at_m[-1] if self._at_m[-1] else 1.0


def _nearest(point: GeoPoint, one: GeoPoint, other: GeoPoint) -> tuple[float, float]:
    """The distance of a point from a straight piece, and the share of the piece before the nearest point of it."""
    # A flat map around the point is right to within a metre over the length of a piece.
    narrowing = cos(radians(point.lat)) * _M_PER_DEGREE
    x1, y1 = (one.lng - point.lng) * narrowing, (one.lat - point.lat) * _M_PER_DEGREE
    x2, y2 = (other.lng - point.lng) * narrowing, (other.lat - point.lat) * _M_PER_DEGREE
    length = (x2 - x1) ** 2 + (y2 - y1) ** 2
    share = max(0.0, min(1.0, -(x1 * (x2 - x1) + y1 * (y2 - y1)) / length)) if length else 0.0
    return hypot(x1 + share * (x2 - x1), y1 + share * (y2 - y1)), share


class TripDrives:
    """The drives of one application's trips. They are remembered in this process, up to ``REMEMBERED_BYTES``."""

    def __init__(self, router: Router, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._router = router
        self._clock = clock
        self._legs = MemoryCache[Hashable, _Leg](REMEMBERED_BYTES)
        self._asking: dict[Hashable, asyncio.Task[_Leg]] = {}

    async def route(self, trip: TripValue) -> Drive | None:
        """The drive from the pick-up to the drop-off; None if one of them is unknown."""
        if trip.pick_up is None or trip.drop_off is None:
            return None
        return (await self._leg(trip.id, trip.pick_up, trip.drop_off)).drive

    async def to_pick_up(self, trip: TripValue, car: GeoPoint) -> Drive | None:
        """The drive of the car to the pick-up; None if that is unknown, and while the car is not on it."""
        if trip.pick_up is None or trip.driver is None:
            return None
        key = (trip.id, trip.driver.id, "pick-up")
        leg, is_off, _ = await self._followed(key, await self._leg(key, car, trip.pick_up), car, trip.pick_up)
        return leg.drive if not is_off else None

    async def to_pick_up_s(self, trip: TripValue, car: GeoPoint) -> float | None:
        """The seconds until the car reaches the pick-up; None if that is unknown."""
        if trip.pick_up is None or trip.driver is None:
            return None
        key = (trip.id, trip.driver.id, "pick-up")
        return await self._left_s(key, await self._leg(key, car, trip.pick_up), car, trip.pick_up)

    async def to_drop_off_s(self, trip: TripValue, car: GeoPoint) -> float | None:
        """The seconds until the car, with the rider in it, reaches the drop-off; None if that is unknown."""
        if trip.pick_up is None or trip.drop_off is None or trip.driver is None:
            return None
        key = (trip.id, trip.driver.id, "drop-off")
        if key in self._legs:
            # The car has left the route before.
            leg = await self._leg(key, car, trip.drop_off)
        else:
            leg = await self._leg(trip.id, trip.pick_up, trip.drop_off)
        return await self._left_s(key, leg, car, trip.drop_off)

    async def _left_s(self, key: Hashable, leg: _Leg, car: GeoPoint, end: GeoPoint) -> float:
        leg, is_off, behind = await self._followed(key, leg, car, end)
        if is_off or leg.drive.is_estimated:
            # Until the router may be asked again.
            return self._router.estimate(car, end).duration_s
        return leg.drive.duration_s * (1 - behind)

    async def _followed(self, key: Hashable, leg: _Leg, car: GeoPoint, end: GeoPoint) -> tuple[_Leg, bool, float]:
        """The leg, or a new one if the car has left it; whether the car is off it; the share behind the car."""
        is_off, behind = leg.progress(car)
        if is_off and self._may_ask(leg):
            leg = await self._ask(key, car, end)
            is_off, behind = leg.progress(car)
        return leg, is_off, behind

    async def _leg(self, key: Hashable, start: GeoPoint, end: GeoPoint) -> _Leg:
        leg = self._legs.get(key)
        if leg is None or (leg.drive.is_estimated and self._may_ask(leg)):
            leg = await self._ask(key, start, end)
        return leg

    def _may_ask(self, leg: _Leg) -> bool:
        return self._clock() - leg.asked_s >= ASK_AGAIN_S

    async def _ask(self, key: Hashable, start: GeoPoint, end: GeoPoint) -> _Leg:
        """Ask the router; all who ask about the leg meanwhile share the answer."""
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._answer(key, start, end))
            asking.add_done_callback(lambda _: self._asking.pop(key))
        return await asyncio.shield(asking)

    async def _answer(self, key: Hashable, start: GeoPoint, end: GeoPoint) -> _Leg:
        leg = _Leg(await self._router.drive(start, end), self._clock())
        self._legs.put(key, leg, leg.taken_bytes)
        return leg
