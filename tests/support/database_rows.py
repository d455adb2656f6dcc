"""Users and trips inserted directly into the tables, and the contents of the outbox."""

from uuid import UUID, uuid4

from models.trip_life import TripStatus
from models.values import Role, UserValue
from models.visibility import Actor
from services.database.connections import Database
from services.database.dialects import Row, uuid
from tests.support.api import NUMBERS

WITH_DRIVER = (TripStatus.STARTED, TripStatus.IN_PROGRESS, TripStatus.COMPLETED)


async def add_person(database: Database, role: Role, *, has_session: bool = True) -> Actor:
    """An account with that role and a session, without the cost of hashing a password. Nobody has the token."""
    number = next(NUMBERS)
    user = UserValue(uuid4(), f"{role.lower()}{number}@example.com", role.title(), f"No{number}", role, None)
    await database.fetch(
        "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, is_staff, "
        "is_active, created) VALUES ($1, $2, $3, '', $4, $5, $6, $7, $8, {now})",
        user.id,
        user.username,
        user.username,
        user.first_name,
        user.last_name,
        role,
        False,
        True,
    )
    session_id = uuid4()
    if has_session:
        await database.fetch(
            "INSERT INTO sessions (id, token_hash, created, used, user_id) VALUES ($1, $2, {now}, {now}, $3)",
            session_id,
            session_id.hex,
            user.id,
        )
    return Actor(user, session_id)


async def set_staff(database: Database, user_id: UUID, is_staff: bool = True) -> None:
    """Let a user in as a member of staff, or no longer."""
    await database.fetch("UPDATE users SET is_staff = $2 WHERE id = $1", user_id, is_staff)


async def add_rider(database: Database) -> Actor:
    """A rider."""
    return await add_person(database, Role.RIDER)


async def add_driver(database: Database) -> Actor:
    """A driver."""
    return await add_person(database, Role.DRIVER)


async def add_trip(
    database: Database,
    rider: Actor,
    *,
    status: TripStatus = TripStatus.REQUESTED,
    driver: Actor | None = None,
    given_back_by: Actor | None = None,
    expires_in_s: int = 600,
    age_s: int = 0,
    key: str | None = None,
) -> UUID:
    """A trip at version 1, in any state."""
    is_open = status is TripStatus.REQUESTED
    trip_id = uuid4()
    deadline = database.sql.ago(-expires_in_s) if is_open else "NULL"
    await database.fetch(
        "INSERT INTO trips (id, created, updated, version, status, pick_up_address, drop_off_address, expires_at, "
        f"given_back_by, idempotency_key, rider_id, driver_id) VALUES ($1, {database.sql.ago(age_s)}, "
        f"{database.sql.ago(age_s)}, 1, $2, 'Here', 'There', {deadline}, "
        "$3, $4, $5, $6)",
        trip_id,
        status,
        f"{given_back_by.id} " if given_back_by is not None else "",
        key,
        rider.id,
        driver.id if driver is not None else None,
    )
    return trip_id


async def notes(database: Database) -> list[Row]:
    """The outbox rows, the oldest first."""
    return await database.fetch("SELECT * FROM outbox ORDER BY id")


async def noted_trips(database: Database) -> list[tuple[UUID, bool, UUID | None]]:
    """The trip, whether the pool hears of it, and the former driver, of each outbox row."""
    return [
        (
            uuid(note["trip_id"]),
            bool(note["for_pool"]),
            uuid(note["former_driver_id"]) if note["former_driver_id"] is not None else None,
        )
        for note in await notes(database)
    ]


async def trip_row(database: Database, trip_id: UUID) -> dict[str, object]:
    """The whole row of the trip."""
    (row,) = await database.fetch("SELECT * FROM trips WHERE id = $1", trip_id)
    return dict(row)
