"""Drives: estimated from the distance, or from an OSRM server."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import structlog

from models.geo import GeoPoint, distance_m
from services.positions import polyline
from services.runtime.counters import Counters

_log = structlog.stdlib.get_logger(__name__)

# Streets are longer than the straight line: in cities by a fifth to two fifths.
# Source: G. Boeing, "The morphology and circuity of walkable and drivable street networks" (2019).
DETOUR = 1.3
# Longer than any drive: longer answers are wrong.
MAX_DRIVE_TIME_S = 30 * 24 * 3600
MAX_DRIVE_M = 50_000_000
# A simplified line of a drive across a continent is a tenth of that.
MAX_POLYLINE_CHARS = 100_000

# A driver who is further away is not on the way: a position or a pick-up is wrong.
MAX_ETA_S = 4 * 3600

# The engine has looked and found nothing: this is an answer.
_NO_ROUTE = frozenset({"NoRoute", "NoSegment"})
_FAILURES = (httpx.HTTPError, TimeoutError, ValueError, LookupError, TypeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive from one point to another. ``is_estimated``: by the straight line, because no route is known.

    ``encoded_polyline``: its line, as text (``polyline.py``).
    """

    distance_m: float
    duration_s: float
    encoded_polyline: str
    is_estimated: bool


class Router(Protocol):
    """Computes drives."""

    @property
    def is_up(self) -> bool:
        """Whether its engine, if it has one, answered the last question."""
        ...

    async def drive(self, start: GeoPoint, end: GeoPoint) -> Drive:
        """The fastest drive. Never raises: callers have no better value to show."""
        ...

    def estimate(self, start: GeoPoint, end: GeoPoint) -> Drive:
        """The drive by the straight line, without asking anybody."""
        ...

    async def close(self) -> None:
        """Close the connections, if any."""
        ...


async def eta_s(router: Router, start: GeoPoint, end: GeoPoint) -> int | None:
    """How long a driver takes to a pick-up, in seconds; None if it is implausibly long."""
    return plausible_s((await router.drive(start, end)).duration_s)


def plausible_s(seconds: float | None) -> int | None:
    """A time of arrival as it is shown; None for none, and for one that is implausibly long."""
    return round(seconds) if seconds is not None and seconds <= MAX_ETA_S else None


class StraightLine:
    """The distance, with a factor for detours, at a constant speed."""

    is_up = True

    def __init__(self, *, speed_kmh: float) -> None:
        self._speed_m_per_s = speed_kmh / 3.6

    async def drive(self, start: GeoPoint, end: GeoPoint) -> Drive:
        return self.estimate(start, end)

    def estimate(self, start: GeoPoint, end: GeoPoint) -> Drive:
        distance = distance_m(start, end) * DETOUR
        return Drive(distance, distance / self._speed_m_per_s, polyline.encode((start, end)), is_estimated=True)

    async def close(self) -> None:
        """There is nothing to close."""


class Osrm:
    """Asks an OSRM server, and estimates if it has no answer in time.

    Source: https://project-osrm.org/docs/v5.24.0/api/#route-service
    """

    def __init__(self, url: str, *, timeout_s: float, fallback: Router, counters: Counters) -> None:
        # Ignore proxies of the environment: positions go to that server only.
        self._http = httpx.AsyncClient(base_url=url.rstrip("/") + "/", timeout=timeout_s, trust_env=False)
        self._timeout_s = timeout_s
        self._fallback = fallback
        self._counters = counters
        self._asking: dict[tuple[GeoPoint, GeoPoint], asyncio.Task[Drive]] = {}
        self.is_up = True

    async def drive(self, start: GeoPoint, end: GeoPoint) -> Drive:
        """Ask for the fastest route; simultaneous equal questions become one.

        One document may ask for the same time hundreds of times.
        """
        question = (start, end)
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.create_task(self._ask(start, end))
            asking.add_done_callback(lambda _: self._asking.pop(question))
        return await asyncio.shield(asking)

    async def _ask(self, start: GeoPoint, end: GeoPoint) -> Drive:
        try:
            # For the whole request: httpx's own time-outs are for each step, and an answer can arrive byte by
            # byte.
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.get(
                    # OSRM takes the longitude first.
                    f"route/v1/driving/{start.lng:.6f},{start.lat:.6f};{end.lng:.6f},{end.lat:.6f}",
                    params={"overview": "simplified", "geometries": "polyline"},
                )
            answer: Any = response.json()
            code = answer["code"]
            drive = None
            if code == "Ok" and response.is_success:
                drive = _checked(answer["routes"][0])
            elif code not in _NO_ROUTE:
                # Also what a proxy before the engine says, for example that there were too many questions.
                raise ValueError(f"the answer is {str(code)[:40]!r}")
            self.is_up = True
            if drive is not None:
                return drive
            _log.debug("no route", code=code)
        except _FAILURES as error:
            self.is_up = False
            self._counters.routing_failures += 1
            _log.warning("the routing engine did not answer", error=str(error) or type(error).__name__)
        return self.estimate(start, end)

    def estimate(self, start: GeoPoint, end: GeoPoint) -> Drive:
        return self._fallback.estimate(start, end)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._fallback.close()


def _checked(route: Any) -> Drive:
    """The drive of an answer. Raises: one of ``_FAILURES`` if it cannot be one."""
    seconds, metres, line = float(route["duration"]), float(route["distance"]), route["geometry"]
    if not 0 <= seconds <= MAX_DRIVE_TIME_S:
        raise ValueError(f"not a driving time: {seconds}")
    if not 0 <= metres <= MAX_DRIVE_M:
        raise ValueError(f"not a driving distance: {metres}")
    if not isinstance(line, str) or len(line) > MAX_POLYLINE_CHARS or not polyline.decode(line):
        raise ValueError("not a polyline")
    return Drive(metres, seconds, line, is_estimated=False)
