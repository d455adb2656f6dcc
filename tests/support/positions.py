"""Positions as values, and reports as a driver's phone sends them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from models.geo import GeoPoint
from models.values import Location
from tests.support.api import REPORT_LOCATION, Api, Events

LNG = 13.4
DRIVER_LOCATION = """
    subscription ($tripId: ID!) { driverLocation(tripId: $tripId) {
        id point { lat lng } heading recordedAt isStale isGone
    } }
"""


def location(
    driver_id: UUID | None = None, lat: float = 52.5, *, age_s: float = 0.0, trip_id: UUID | None = None
) -> Location:
    """The position of a driver so many seconds ago."""
    now = datetime.now(UTC)
    return Location(
        driver_id or uuid4(), trip_id, GeoPoint(lat, LNG), None, now - timedelta(seconds=age_s), as_of=now
    )


def report_input(lat: float = 52.5, *, age_s: float = 0.0, **changes: Any) -> dict[str, Any]:
    """The input of `reportLocation`."""
    recorded_at = datetime.now(UTC) - timedelta(seconds=age_s)
    return {"point": {"lat": lat, "lng": LNG}, "recordedAt": recorded_at.isoformat(), **changes}


async def report(driver: Api, lat: float, **changes: Any) -> None:
    """Report a position at that latitude."""
    payload = await driver.data(REPORT_LOCATION, input=report_input(lat, **changes))
    assert payload["errors"] == [], payload["errors"]


async def shows(events: Events, *lats: float) -> None:
    """Fail unless exactly these latitudes come next."""
    assert [(await events.next())["point"]["lat"] for _ in lats] == [*lats]
