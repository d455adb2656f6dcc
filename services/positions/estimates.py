"""The use case of a rider who asks about a drive before requesting it."""

import asyncio
from dataclasses import dataclass

from models.geo import GeoPoint, distance_m
from models.visibility import Actor
from services.limits.throttle import PerUser
from services.positions.cells import BLUR_M, blurred
from services.positions.reporting import Positions
from services.positions.routing import Drive, Router, eta_s
from services.validation.points import on_earth

# Whoever asks learns that there are as many, and not how many more.
MAX_NEARBY = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """``drivers_nearby``: at most ``MAX_NEARBY``. ``pick_up_eta_s``: of the nearest of them; None without one."""

    drive: Drive
    drivers_nearby: int
    pick_up_eta_s: int | None


class Estimates:
    """Estimates of one application. They write nothing."""

    def __init__(self, router: Router, positions: Positions, *, radius_m: float, asking: PerUser) -> None:
        """``radius_m``: within which drivers are near. ``asking``: how often a user may ask."""
        self._router = router
        self._positions = positions
        self._radius_m = radius_m
        self._asking = asking

    async def estimate(self, actor: Actor, *, pick_up: GeoPoint, drop_off: GeoPoint) -> Estimate:
        """What a drive between the points would be like now.

        Drivers count with a blurred position, so that many questions find none of them more exactly than that.

        Raises:
            RateLimited: the caller asks too often.
            BadInput: a point is not on Earth.
        """
        await self._asking.count(actor)
        on_earth(pick_up, "pickUp")
        on_earth(drop_off, "dropOff")
        drive, nearest = await asyncio.gather(self._router.drive(pick_up, drop_off), self._near(pick_up))
        eta = await eta_s(self._router, nearest[0], pick_up) if nearest else None
        return Estimate(drive, min(len(nearest), MAX_NEARBY), eta)

    async def _near(self, point: GeoPoint) -> list[GeoPoint]:
        """The blurred positions of the drivers near a point, the nearest first."""
        found = await self._positions.near(point, self._radius_m + BLUR_M)
        blurs = [blurred(location.point) for location in found]
        near = [each for each in blurs if distance_m(point, each) <= self._radius_m]
        return sorted(near, key=lambda each: distance_m(point, each))
