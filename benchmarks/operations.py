"""The GraphQL operations of a driver's and a rider's app."""

from datetime import datetime
from typing import Any

import orjson

from models.geo import GeoPoint

_USER = "id firstName lastName photo"
_TRIP = f"""
    id created updated version status pickUpAddress dropOffAddress pickUp {{ lat lng }} dropOff {{ lat lng }}
    expiresAt rider {{ {_USER} }} driver {{ {_USER} }}
"""

POOL = f"""
    subscription Pool {{ driverPool {{
        __typename
        ... on PoolSnapshot {{ offers {{ {_TRIP} }} truncated }}
        ... on TripOffered {{ trip {{ {_TRIP} }} }}
        ... on TripWithdrawn {{ tripId version reason }}
    }} }}
"""
TRIP_UPDATED = f"subscription TripUpdated($id: ID!) {{ tripUpdated(id: $id) {{ {_TRIP} }} }}"
TRIPS = f"query Trips {{ trips(first: 20) {{ nodes {{ {_TRIP} }} pageInfo {{ hasNextPage endCursor }} }} }}"
CREATE_TRIP = f"""
    mutation CreateTrip($input: CreateTripInput!) {{
        createTrip(input: $input) {{ trip {{ {_TRIP} }} errors {{ code message }} }}
    }}
"""
UPDATE_TRIP = f"""
    mutation UpdateTrip($input: UpdateTripInput!) {{
        updateTrip(input: $input) {{ trip {{ {_TRIP} }} errors {{ code message }} }}
    }}
"""
REPORT_LOCATION = """
    mutation ReportLocation($input: LocationInput!) { reportLocation(input: $input) { errors { code message } } }
"""
DRIVER_LOCATION = """
    subscription DriverLocation($id: ID!) {
        driverLocation(tripId: $id) { id point { lat lng } heading recordedAt isStale isGone }
    }
"""
CITY = """
    subscription City { city {
        __typename
        ... on CitySnapshot { ...Now drivers { ...Driver } trips { ...Trip } }
        ... on CityChange { ...News drivers { ...Driver } removedDriverIds trips { ...Trip } removedTripIds }
    } }
    fragment Now on CitySnapshot { at truncated outages counts { open underWay available silent } }
    fragment News on CityChange { at truncated outages counts { open underWay available silent } }
    fragment Driver on CityDriver {
        id username firstName lastName point { lat lng } heading recordedAt isStale availability tripId
    }
    fragment Trip on CityTrip {
        id version status created updated pickUpAddress dropOffAddress pickUp { lat lng } dropOff { lat lng }
        expiresAt arrivedAt rider { id username firstName lastName } driver { id username firstName lastName }
    }
"""
MY_TRIPS = "subscription MyTrips { myTripsUpdated { __typename } }"
CENTRAL_STATION = GeoPoint(52.3791, 4.9003)

# The operation id of every pool subscription; equal ids make equal frames, as with equal clients.
POOL_ID = "pool"
# Comes before a trip's number in its pick-up address, so that messages are recognised without parsing.
MARK = "#"
MARK_DIGITS = 8


def marked_address(number: int) -> str:
    """A pick-up address that names the trip."""
    return f"{MARK}{number:0{MARK_DIGITS}d} Main Street"


def create_trip(address: str, pick_up: GeoPoint = CENTRAL_STATION) -> bytes:
    """The HTTP body that requests a trip."""
    point = {"lat": pick_up.lat, "lng": pick_up.lng}
    trip = {"pickUpAddress": address, "dropOffAddress": "Airport", "pickUp": point, "dropOff": point}
    return _body(CREATE_TRIP, "CreateTrip", input=trip)


def update_trip(trip_id: str, status: str) -> bytes:
    """The HTTP body that moves a trip to ``status``."""
    return _body(UPDATE_TRIP, "UpdateTrip", input={"id": trip_id, "status": status})


def report_location(point: GeoPoint, at: datetime) -> bytes:
    """The HTTP body that reports a position."""
    return _body(REPORT_LOCATION, "ReportLocation", input=_location(point, at))


def report_location_on_socket(operation_id: str, point: GeoPoint, at: datetime) -> bytes:
    """The socket message that reports a position."""
    return _subscribe(operation_id, REPORT_LOCATION, "ReportLocation", input=_location(point, at))


def _location(point: GeoPoint, at: datetime) -> dict[str, Any]:
    return {"point": {"lat": point.lat, "lng": point.lng}, "recordedAt": at.isoformat()}


def trips() -> bytes:
    """The HTTP body that asks for a page of the caller's trips."""
    return _body(TRIPS, "Trips")


def follow_pool() -> bytes:
    """The socket message that begins the pool subscription."""
    return _subscribe(POOL_ID, POOL, "Pool")


def follow_trip(trip_id: str) -> bytes:
    """The socket message that begins to follow a trip, under its own id."""
    return _subscribe(trip_id, TRIP_UPDATED, "TripUpdated", id=trip_id)


def follow_car(trip_id: str) -> bytes:
    """The socket message that begins to follow the driver of a trip."""
    return _subscribe("car", DRIVER_LOCATION, "DriverLocation", id=trip_id)


def follow_city() -> bytes:
    """The socket message that follows the city."""
    return _subscribe("city", CITY, "City")


def follow_own_trips() -> bytes:
    """The socket message that begins to follow the caller's trips."""
    return _subscribe("trips", MY_TRIPS, "MyTrips")


def _subscribe(operation_id: str, query: str, name: str, **variables: Any) -> bytes:
    payload = {"query": query, "operationName": name, "variables": variables}
    return orjson.dumps({"id": operation_id, "type": "subscribe", "payload": payload})


def _body(query: str, name: str, **variables: Any) -> bytes:
    return orjson.dumps({"query": query, "operationName": name, "variables": variables})
