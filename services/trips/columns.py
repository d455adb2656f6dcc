"""The columns of a trip with its rider and driver, and the values of such rows."""

from collections.abc import Iterable
from uuid import UUID

from models.geo import GeoPoint
from models.trip_life import CancelCode, TripStatus
from models.values import TripValue, UserValue, vehicle_from_json
from services.accounts.users import user_from
from services.database.dialects import Row, moment, uuid

# In the order in which ``_value_of`` takes them. To look each up by its name would be slower.
COLUMNS = """
    t.id, t.created, t.updated, t.version, t.status, t.pick_up_address, t.drop_off_address,
    t.pick_up_lat, t.pick_up_lng, t.drop_off_lat, t.drop_off_lng, t.expires_at, t.cancel_reason,
    t.given_back_by, t.rider_id, t.driver_id, t.vehicle, t.arrived_at, t.cancel_code,
    r.username AS r_username, r.first_name AS r_first_name, r.last_name AS r_last_name,
    r.role AS r_role, r.photo AS r_photo,
    d.username AS d_username, d.first_name AS d_first_name, d.last_name AS d_last_name,
    d.role AS d_role, d.photo AS d_photo
"""
JOINS = "JOIN users r ON r.id = t.rider_id LEFT JOIN users d ON d.id = t.driver_id"

_NOBODY: frozenset[UUID] = frozenset()
_STATUSES = {status.value: status for status in TripStatus}


def trip_of(row: Row) -> TripValue:
    """The trip of a row that begins with ``COLUMNS``."""
    return _value_of(row, {})


def trips_in(rows: Iterable[Row]) -> tuple[TripValue, ...]:
    """The trips of rows that begin with ``COLUMNS``; a row without a trip is left out."""
    users: dict[object, UserValue] = {}
    return tuple([_value_of(row, users) for row in rows if row["id"] is not None])


def _value_of(row: Row, users: dict[object, UserValue]) -> TripValue:
    """``users``: those of the rows before, by the column of the id. A rider is in all rows of their page."""
    (
        id,
        created,
        updated,
        version,
        status,
        pick_up_address,
        drop_off_address,
        pick_up_lat,
        pick_up_lng,
        drop_off_lat,
        drop_off_lng,
        expires_at,
        cancel_reason,
        given_back_by,
        rider_id,
        driver_id,
        vehicle,
        arrived_at,
        cancel_code,
        r_username,
        r_first_name,
        r_last_name,
        r_role,
        r_photo,
        d_username,
        d_first_name,
        d_last_name,
        d_role,
        d_photo,
        *_,
    ) = row.values()
    rider = users.get(rider_id)
    if rider is None:
        rider = users[rider_id] = user_from(rider_id, r_username, r_first_name, r_last_name, r_role, r_photo)
    driver = users.get(driver_id)
    if driver is None and driver_id is not None:
        driver = users[driver_id] = user_from(driver_id, d_username, d_first_name, d_last_name, d_role, d_photo)
    # By position: Python looks each name up.
    return TripValue(
        uuid(id),
        moment(created),
        moment(updated),
        version,
        _STATUSES[status],
        pick_up_address,
        drop_off_address,
        _point(pick_up_lat, pick_up_lng) if pick_up_lat is not None else None,
        _point(drop_off_lat, drop_off_lng) if drop_off_lat is not None else None,
        moment(expires_at) if expires_at is not None else None,
        cancel_reason,
        frozenset(map(UUID, given_back_by.split())) if given_back_by else _NOBODY,
        rider,
        driver,
        vehicle_from_json(vehicle) if vehicle is not None else None,
        moment(arrived_at) if arrived_at is not None else None,
        CancelCode(cancel_code) if cancel_code is not None else None,
    )


def _point(lat: float, lng: float | None) -> GeoPoint | None:
    return GeoPoint(lat, lng) if lng is not None else None
