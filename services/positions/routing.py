"""Driving times: estimated from the distance, or from an OSRM server."""

import asyncio
from typing import Any, Protocol

import httpx
import structlog

from models.geo import GeoPoint, distance_m

_log = structlog.stdlib.get_logger(__name__)

# Streets are longer than the straight line: in cities by a fifth to two fifths.
# Source: G. Boeing, "The morphology and circuity of walkable and drivable street networks" (2019).
DETOUR = 1.3
# Longer than any drive: longer answers are wrong.
MAX_DRIVE_TIME_S = 30 * 24 * 3600

# A driver who is further away is not on the way: a position or a pick-up is wrong.
MAX_ETA_S = 4 * 3600

_FAILURES = (httpx.HTTPError, TimeoutError, ValueError, LookupError, TypeError, OverflowError, RecursionError)


class Router(Protocol):
    """Computes driving times."""

    async def drive_time_s(self, start: GeoPoint, end: GeoPoint) -> float:
        """An estimate, in seconds. Never raises: callers have no better value to show."""
        ...

    async def close(self) -> None:
        """Close the connections, if any."""
        ...


async def eta_s(router: Router, start: GeoPoint, end: GeoPoint) -> int | None:
    """How long a driver takes to a pick-up, in seconds; None if it is implausibly long."""
    seconds = await router.drive_time_s(start, end)
    return round(seconds) if seconds <= MAX_ETA_S else None


class StraightLine:
    """The distance, with a factor for detours, at a constant speed."""

    def __init__(self, *, speed_kmh: float) -> None:
        self._speed_m_per_s = speed_kmh / 3.6

    async def drive_time_s(self, start: GeoPoint, end: GeoPoint) -> float:
        return distance_m(start, end) * DETOUR / self._speed_m_per_s

    async def close(self) -> None:
        """There is nothing to close."""


class Osrm:
    """Asks an OSRM server, and estimates if it has no answer in time.

    Source: https://project-osrm.org/docs/v5.24.0/api/#route-service
    """

    def __init__(self, url: str, *, timeout_s: float, fallback: Router) -> None:
        # Ignore proxies of the environment: positions go to that server only.
        self._http = httpx.AsyncClient(base_url=url.rstrip("/") + "/", timeout=timeout_s, trust_env=False)
        self._timeout_s = timeout_s
        self._fallback = fallback
        self._asking: dict[tuple[GeoPoint, GeoPoint], asyncio.Task[float]] = {}

    async def drive_time_s(self, start: GeoPoint, end: GeoPoint) -> float:
        """Ask for the fastest route; simultaneous equal questions become one.

        One document may ask for the same time hundreds of times.
        """
        question = (start, end)
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.create_task(self._ask(start, end))
            asking.add_done_callback(lambda _: self._asking.pop(question))
        return await asyncio.shield(asking)

    async def _ask(self, start: GeoPoint, end: GeoPoint) -> float:
        try:
            # For the whole request: httpx's own time-outs are for each step, and an answer can arrive byte by
            # byte.
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.get(
                    # OSRM takes the longitude first.
                    f"route/v1/driving/{start.lng:.6f},{start.lat:.6f};{end.lng:.6f},{end.lat:.6f}",
                    params={"overview": "false"},
                )
            answer: Any = response.json()
            if answer["code"] == "Ok":
                return _checked(float(answer["routes"][0]["duration"]))
            # For example, no street is near: this is an answer, and no failure of the engine.
            _log.debug("no route", code=answer["code"])
        except _FAILURES as error:
            _log.warning("the routing engine did not answer", error=str(error) or type(error).__name__)
        return await self._fallback.drive_time_s(start, end)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._fallback.close()


def _checked(seconds: float) -> float:
    if not 0 <= seconds <= MAX_DRIVE_TIME_S:
        raise ValueError(f"not a driving time: {seconds}")
    return seconds
