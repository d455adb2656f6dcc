"""The statement that reads the city for staff: active trips, names, and who may still look."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from models.city import CityPerson, CityTrip
from models.geo import GeoPoint
from models.trip_life import ACTIVE, DRIVING, OPEN, TripStatus
from services.database.connections import Database
from services.database.dialects import Row, moment, uuid
from services.runtime.pieces import Pieces
from services.trips.conditions import has_status
from services.trips.rows import counted

# How many trips are shown.
MAX_TRIPS = 5_000
# How many people are asked for in one statement: the drivers encode a list of ids in one go.
PEOPLE_AT_ONCE = 1_000
# How many rows are read in one iteration of the event loop.
ROWS_AT_ONCE = 100
# Before everything.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FULL = (
    "status",
    "created",
    "updated",
    "pick_up_address",
    "drop_off_address",
    "pick_up_lat",
    "pick_up_lng",
    "drop_off_lat",
    "drop_off_lng",
    "expires_at",
    "arrived_at",
    "rider_id",
)
_NAMES = ("username", "first_name", "last_name")


@dataclass(frozen=True, slots=True)
class FoundTrip:
    """An active trip. ``trip``: all of it, if it changed after the asked time."""

    id: UUID
    version: int
    driver_id: UUID | None
    trip: CityTrip | None


@dataclass(frozen=True, slots=True)
class CityRead:
    """What one statement found. ``begun``: what was committed before, by the database's clock, is in it."""

    begun: datetime
    trips: Sequence[FoundTrip]
    is_cut: bool
    people: Sequence[CityPerson]
    staff: frozenset[UUID]
    open: int
    under_way: int


class CityReads:
    """Reads the city by one statement: by the partial indexes of active trips and by ids.

    It takes further ones to ask for more than ``PEOPLE_AT_ONCE`` people, in the first second of a large city.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = _statement(database)
        self._people_sql = (
            f"SELECT 'person' AS kind, u.id, {', '.join(f'u.{name}' for name in _NAMES)} "
            f"FROM {database.sql.ids(1)} asked JOIN users u ON u.id = asked.id"
        )

    async def read(self, *, people: Collection[UUID], since: datetime, watchers: Collection[UUID]) -> CityRead:
        """The active trips, with all that is shown of those changed after ``since``; the names of these people;
        and who of the watchers is an active member of staff.

        Raises:
            DatabaseUnavailable
        """
        asked = list(people)
        rows = [*await self._database.fetch(self._sql, asked[:PEOPLE_AT_ONCE], since, list(watchers), True)]
        for first in range(PEOPLE_AT_ONCE, len(asked), PEOPLE_AT_ONCE):
            rows += await self._database.fetch(self._people_sql, asked[first : first + PEOPLE_AT_ONCE])
        trips: list[FoundTrip] = []
        found: list[CityPerson] = []
        staff: set[UUID] = set()
        begun, open_trips, driven_trips = EPOCH, 0, 0
        async for some in Pieces(rows, ROWS_AT_ONCE):
            for row in some:
                match row["kind"]:
                    case "trip":
                        trips.append(_trip_in(row))
                    case "person":
                        found.append(_person(row, row["id"], ""))
                    case "staff":
                        staff.add(uuid(row["id"]))
                    case _:
                        begun = moment(row["updated"])
                        open_trips, driven_trips = row["open_trips"], row["driven_trips"]
        return CityRead(
            begun=begun,
            trips=trips[:MAX_TRIPS],
            is_cut=len(trips) > MAX_TRIPS,
            people=found,
            staff=frozenset(staff),
            open=open_trips,
            under_way=driven_trips,
        )


def _statement(database: Database) -> str:
    """One row for each trip, asked person and watching member of staff, and one with the time and the counts.

    The first part gives the columns their types. A trip that has not changed is an index entry and a few columns.
    """
    ids = database.sql.ids
    full = ", ".join(f"t.{name}" for name in _FULL)
    names = ", ".join(f"r.{name}" for name in _NAMES)
    of_driver = ", ".join(f"d.{name} AS d_{name}" for name in _NAMES)
    nothing = ", ".join(["NULL"] * (len(_FULL) + 1))
    person = ", ".join(f"u.{name}" for name in _NAMES)
    rest = "NULL, NULL, NULL, 0, 0"
    clock = ", ".join("{begun}" if name == "updated" else "NULL" for name in ("driver_id", *_FULL))
    return (
        f"SELECT 'trip' AS kind, a.id, a.version, a.driver_id, {full}, {names}, {of_driver}, "
        "0 AS open_trips, 0 AS driven_trips FROM (SELECT t.id, t.version, t.updated, t.driver_id FROM trips t "
        f"WHERE {has_status(ACTIVE, 't')} ORDER BY t.created DESC, t.id DESC LIMIT {MAX_TRIPS + 1}) a "
        "LEFT JOIN trips t ON t.id = a.id AND a.updated > $2 "
        "LEFT JOIN users r ON r.id = t.rider_id LEFT JOIN users d ON d.id = t.driver_id "
        f"UNION ALL SELECT 'person', u.id, 0, {nothing}, {person}, {rest} "
        f"FROM {ids(1)} asked JOIN users u ON u.id = asked.id "
        f"UNION ALL SELECT 'staff', u.id, 0, {nothing}, NULL, NULL, NULL, {rest} "
        f"FROM {ids(3)} asked JOIN users u ON u.id = asked.id WHERE u.is_staff = $4 AND u.is_active = $4 "
        f"UNION ALL SELECT 'clock', NULL, 0, {clock}, NULL, NULL, NULL, NULL, NULL, NULL, "
        f"({counted(OPEN)}), ({counted(DRIVING)})"
    )


def _trip_in(row: Row) -> FoundTrip:
    trip_id, driver_id = uuid(row["id"]), row["driver_id"]
    return FoundTrip(
        trip_id,
        row["version"],
        uuid(driver_id) if driver_id is not None else None,
        _trip(row, trip_id) if row["status"] is not None else None,
    )


def _trip(row: Row, trip_id: UUID) -> CityTrip:
    return CityTrip(
        id=trip_id,
        version=row["version"],
        status=TripStatus(row["status"]),
        created=moment(row["created"]),
        updated=moment(row["updated"]),
        pick_up_address=row["pick_up_address"],
        drop_off_address=row["drop_off_address"],
        pick_up=_point(row["pick_up_lat"], row["pick_up_lng"]),
        drop_off=_point(row["drop_off_lat"], row["drop_off_lng"]),
        expires_at=moment(row["expires_at"]) if row["expires_at"] is not None else None,
        arrived_at=moment(row["arrived_at"]) if row["arrived_at"] is not None else None,
        rider=_person(row, row["rider_id"], ""),
        driver=_person(row, row["driver_id"], "d_") if row["driver_id"] is not None else None,
    )


def _person(row: Row, person_id: object, prefix: str) -> CityPerson:
    return CityPerson(
        uuid(person_id), row[f"{prefix}username"], row[f"{prefix}first_name"], row[f"{prefix}last_name"]
    )


def _point(lat: float | None, lng: float | None) -> GeoPoint | None:
    return GeoPoint(lat, lng) if lat is not None and lng is not None else None
