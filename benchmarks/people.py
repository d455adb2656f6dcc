"""Riders and drivers with sessions and trips. They have no passwords, because hashing takes long."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from application.application import Application
from application.settings import Settings
from models.values import Role, UserValue
from services.database.connections import Database

OPEN_OFFERS = 20
PAGE = 20
# Members of staff who watch the city.
WATCHERS = 20
_NO_PASSWORD = "none"


@dataclass(frozen=True, slots=True)
class Person:
    """An account and the token of its session."""

    id: UUID
    token: str


class People:
    """The users of a run, in the database that all servers under test share.

    Users are inserted directly; sessions are begun by the use case, so that the tokens are real.
    """

    def __init__(self, settings: Settings) -> None:
        application = Application(settings)
        self._database: Database = application.database
        self._sessions = application.services.sessions
        self.riders: list[Person] = []
        self.drivers: list[Person] = []
        # Drivers with a known position. All others receive every request.
        self.cruisers: list[Person] = []
        # Drivers who report positions on a trip: afterwards they are far from the requests of other workloads.
        self.reporters: list[Person] = []
        # Drivers of a whole city.
        self.crowd: list[Person] = []
        self.staff: list[Person] = []

    async def arrive(self, *, riders: int, drivers: int, reporters: int, cruisers: int, crowd: int) -> None:
        """Create the accounts."""
        await self._database.connect()
        self.riders = [await self._person(Role.RIDER) for _ in range(riders)]
        self.drivers = [await self._person(Role.DRIVER) for _ in range(drivers)]
        self.reporters = [await self._person(Role.DRIVER) for _ in range(reporters)]
        self.cruisers = [await self._person(Role.DRIVER) for _ in range(cruisers)]
        self.crowd = [await self._person(Role.DRIVER) for _ in range(crowd)]
        self.staff = [await self._person(Role.RIDER, is_staff=True) for _ in range(WATCHERS)]
        await self._database.fetch("ANALYZE users, sessions")

    async def leave(self) -> None:
        """Disconnect from the database."""
        await self._database.disconnect()

    async def clear_trips(self) -> None:
        """Delete all trips, and create the same few open trips before each measurement."""
        await self._database.fetch("TRUNCATE trips, outbox CASCADE")
        for _ in range(OPEN_OFFERS):
            await self.add_open_trip(self.riders[-1])
        await self._database.fetch("ANALYZE trips")

    async def add_open_trip(self, rider: Person) -> UUID:
        """A trip that waits for a driver."""
        trip_id = uuid4()
        await self._database.fetch(
            "INSERT INTO trips (id, created, updated, version, status, pick_up_address, drop_off_address, "
            "pick_up_lat, pick_up_lng, drop_off_lat, drop_off_lng, expires_at, given_back_by, rider_id) "
            "VALUES ($1, {now}, {now}, 1, 'REQUESTED', 'Central Station', 'Airport', 52.3791, 4.9003, 52.3105, "
            "4.7683, {now} + interval '1 day', '', $2)",
            trip_id,
            rider.id,
        )
        return trip_id

    async def add_page(self, rider: Person, drivers: Sequence[Person]) -> None:
        """Add a page of completed trips of this rider."""
        for number in range(PAGE):
            trip_id = await self.add_open_trip(rider)
            await self._database.fetch(
                "UPDATE trips SET status = 'COMPLETED', version = 4, expires_at = NULL, driver_id = $2 "
                "WHERE id = $1",
                trip_id,
                drivers[number % len(drivers)].id,
            )

    async def _person(self, role: Role, *, is_staff: bool = False) -> Person:
        name = uuid4().hex
        user = UserValue(uuid4(), f"{name}@example.com", "Robin", "Okafor", role, None)
        await self._database.fetch(
            "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, "
            "is_staff, is_active, created) VALUES ($1, $2, $2, $3, $4, $5, $6, $7, TRUE, {now})",
            user.id,
            user.username,
            _NO_PASSWORD,
            user.first_name,
            user.last_name,
            user.role,
            is_staff,
        )
        session = await self._sessions.begin(user)
        return Person(user.id, session.token)
