"""The check constraints and unique indexes that the database enforces, in both dialects."""

import re
from collections.abc import AsyncIterator
from itertools import product
from typing import Any
from uuid import uuid4

import pytest

from application.settings import Settings
from models.trip_life import DRIVING, ENDED, TripStatus, is_open
from services.database.connections import Database
from services.database.failures import Conflict
from tests.support.database_rows import WITH_DRIVER, add_driver, add_rider, add_trip

CHECKS = {
    "trips": {
        "trips_status",
        "trips_version",
        "trips_driver",
        "trips_deadline_while_open",
        "trips_pick_up",
        "trips_drop_off",
        "trips_addresses",
        "trips_cancel_code",
    },
    "users": {"users_role", "users_approval"},
    "outbox": {"outbox_one_subject"},
    "staff_actions": {"staff_actions_action", "staff_actions_author"},
    "trip_changes": {
        "trip_changes_status",
        "trip_changes_version",
        "trip_changes_changed_by",
        "trip_changes_user",
        "trip_changes_cancel_code",
    },
    "letters": {"letters_kind", "letters_to"},
    "email_tokens": {"email_tokens_purpose"},
    "ratings": {"ratings_stars", "ratings_parties"},
    "webhook_endpoints": {"webhook_endpoints_disabled", "webhook_endpoints_former"},
    "webhook_deliveries": {"webhook_deliveries_status", "webhook_deliveries_version"},
}
# For each index: whether it is unique, and the statuses (or the column) that limit it.
INDEXES: dict[str, tuple[bool, str | None]] = {
    "trips_one_active_a_driver": (True, "'STARTED', 'IN_PROGRESS'"),
    "trips_open": (False, "'REQUESTED'"),
    "trips_open_by_cell": (False, "'REQUESTED'"),
    "trips_deadline": (False, "'REQUESTED'"),
    "trips_of_rider": (False, None),
    "trips_of_driver": (False, "driver_id IS NOT NULL"),
    "trips_active_of_rider": (False, "'REQUESTED', 'STARTED', 'IN_PROGRESS'"),
    "trips_ended_of_rider": (False, "'COMPLETED', 'CANCELLED', 'EXPIRED'"),
    "trips_ended_of_driver": (False, "'COMPLETED', 'CANCELLED', 'EXPIRED'"),
    "sessions_of_user": (False, None),
    "staff_actions_by_time": (False, None),
    "staff_actions_of_trip": (False, "trip_id IS NOT NULL"),
    "users_by_created": (False, None),
    "users_skeleton": (True, "username_skeleton IS NOT NULL"),
    "users_without_skeleton": (False, "username_skeleton IS NULL) = (deleted IS NULL"),
    "users_waiting_for_approval": (False, "'WAITING'"),
    "ratings_by_subject": (False, None),
    "ratings_by_created": (False, None),
    "ratings_of_author": (False, None),
    "letters_due": (False, "sent IS NULL"),
    "push_changes_due": (False, None),
    "push_messages_by_created": (False, None),
    "push_messages_due": (False, "settled IS NULL"),
    "push_messages_of_trip": (False, None),
    "push_subscriptions_of_session": (False, None),
    "letters_of_account": (True, "user_id IS NOT NULL"),
    "email_tokens_expires": (False, None),
    "trips_by_created": (False, None),
    "webhook_deliveries_due": (False, "'WAITING'"),
    "webhook_deliveries_ended": (False, "ended IS NOT NULL"),
    "webhook_deliveries_of_endpoint": (False, None),
    "webhook_deliveries_by_created": (False, None),
    "trip_changes_of_user": (False, "user_id IS NOT NULL"),
    "trips_active": (False, "'REQUESTED', 'STARTED', 'IN_PROGRESS'"),
}
# SQLite's unique index also finds prefixes.
ON_POSTGRESQL: dict[str, tuple[bool, str | None]] = {"users_by_name": (False, None)}


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings)
    await database.connect()
    yield database
    await database.disconnect()


async def checks_of(database: Database, table: str) -> set[str]:
    if database.is_sqlite:
        (row,) = await database.fetch("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = $1", table)
        return set(re.findall(r'CONSTRAINT "(\w+)" CHECK', row["sql"]))
    rows = await database.fetch(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = $1::text::regclass",
        table,
    )
    return {row["conname"] for row in rows}


async def test_every_check_is_in_the_catalogue(database: Database) -> None:
    for table, names in CHECKS.items():
        assert await checks_of(database, table) == names


async def test_every_index_is_in_the_catalogue_with_its_condition(database: Database) -> None:
    if database.is_sqlite:
        rows = await database.fetch("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    else:
        rows = await database.fetch(
            "SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE schemaname = 'public' "
            "AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        )
    found: dict[str, tuple[bool, str | None]] = {}
    for row in rows:
        sql = row["sql"].replace('"', "").replace("::character varying", "").replace("::text", "")
        _, _, condition = sql.partition("WHERE")
        listed = (
            condition[condition.find("'") : condition.rfind("'") + 1]
            if "'" in condition
            else condition.strip(" ()")
        )
        found[row["name"]] = (" UNIQUE " in sql, listed or None)
    assert found == (INDEXES if database.is_sqlite else INDEXES | ON_POSTGRESQL)


@pytest.mark.parametrize("backend", ["production"], indirect=True)
async def test_tables_whose_rows_live_briefly_are_vacuumed_by_how_many_were_deleted(database: Database) -> None:
    """Otherwise a backlog of a million rows lets PostgreSQL wait for another 200,000."""
    rows = await database.fetch(
        "SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL AND relkind = 'r' "
        "AND relnamespace = 'public'::regnamespace"
    )
    assert {row["relname"]: set(row["reloptions"]) for row in rows} == {
        table: {
            "autovacuum_vacuum_scale_factor=0",
            "autovacuum_vacuum_threshold=1000",
            "autovacuum_vacuum_cost_delay=0",
            "vacuum_truncate=off",
        }
        for table in ("outbox", "push_changes", "session_changes")
    }


async def test_the_partial_indexes_name_the_same_statuses_as_the_code() -> None:
    def listed(*statuses: TripStatus) -> str:
        return ", ".join(f"'{status}'" for status in TripStatus if status in statuses)

    assert INDEXES["trips_one_active_a_driver"][1] == listed(*DRIVING)
    assert INDEXES["trips_ended_of_rider"][1] == listed(*ENDED)
    assert INDEXES["trips_active_of_rider"][1] == listed(*(set(TripStatus) - ENDED))
    assert INDEXES["trips_active"] == INDEXES["trips_active_of_rider"]
    assert INDEXES["trips_open"][1] == listed(*(status for status in TripStatus if is_open(status)))


BAD_TRIPS: list[tuple[str, dict[str, Any]]] = [
    ("trips_status", {"status": "PARKED", "expires_at": None}),
    ("trips_version", {"version": 0}),
    ("trips_deadline_while_open", {"expires_at": None}),
    ("trips_pick_up", {"pick_up_lat": 1.0}),
    ("trips_pick_up", {"pick_up_lng": 1.0}),
    ("trips_pick_up", {"pick_up_lat": 90.5, "pick_up_lng": 1.0}),
    ("trips_pick_up", {"pick_up_lat": 1.0, "pick_up_lng": -180.5}),
    ("trips_drop_off", {"drop_off_lat": 1.0}),
    ("trips_drop_off", {"drop_off_lat": -91.0, "drop_off_lng": 1.0}),
    ("trips_addresses", {"pick_up_address": ""}),
    ("trips_addresses", {"drop_off_address": ""}),
]


async def test_an_impossible_trip_is_refused(database: Database) -> None:
    trip_id = await add_trip(database, await add_rider(database))
    for constraint, values in BAD_TRIPS:
        changes = ", ".join(f"{column} = ${i + 2}" for i, column in enumerate(values))
        with pytest.raises(Conflict, match=constraint):
            await database.fetch(f"UPDATE trips SET {changes} WHERE id = $1", trip_id, *values.values())
    await database.fetch(
        "UPDATE trips SET pick_up_lat = 90, pick_up_lng = -180, drop_off_lat = 0, drop_off_lng = 0 WHERE id = $1",
        trip_id,
    )


async def test_a_trip_has_a_driver_when_its_status_says_so(database: Database) -> None:
    rider = await add_rider(database)
    for status, given in product(TripStatus, (None, await add_driver(database))):
        allowed = status is TripStatus.CANCELLED or (given is not None) == (status in WITH_DRIVER)
        if allowed:
            trip_id = await add_trip(database, rider, status=status, driver=given)
            await database.fetch("DELETE FROM trips WHERE id = $1", trip_id)
        else:
            with pytest.raises(Conflict, match="trips_driver"):
                await add_trip(database, rider, status=status, driver=given)


async def test_only_an_open_trip_has_a_deadline(database: Database) -> None:
    trip_id = await add_trip(
        database, await add_rider(database), status=TripStatus.STARTED, driver=await add_driver(database)
    )

    with pytest.raises(Conflict, match="trips_deadline_while_open"):
        await database.fetch("UPDATE trips SET expires_at = {now} WHERE id = $1", trip_id)


async def test_a_driver_has_one_active_trip_and_any_number_of_others(database: Database) -> None:
    rider, driver = await add_rider(database), await add_driver(database)
    await add_trip(database, rider, status=TripStatus.STARTED, driver=driver)
    for status in (TripStatus.STARTED, TripStatus.IN_PROGRESS):
        with pytest.raises(Conflict):
            await add_trip(database, rider, status=status, driver=driver)
    for status in (TripStatus.COMPLETED, TripStatus.COMPLETED, TripStatus.CANCELLED):
        await add_trip(database, rider, status=status, driver=driver)
    await add_trip(database, rider, status=TripStatus.IN_PROGRESS, driver=await add_driver(database))


async def test_a_rider_uses_a_key_once(database: Database) -> None:
    rider = await add_rider(database)
    await add_trip(database, rider, key="a")

    with pytest.raises(Conflict):
        await add_trip(database, rider, key="a")
    await add_trip(database, await add_rider(database), key="a")
    await add_trip(database, rider)
    await add_trip(database, rider)


async def test_an_account_has_the_role_of_a_rider_or_of_a_driver(database: Database) -> None:
    rider = await add_rider(database)

    with pytest.raises(Conflict, match="users_role"):
        await database.fetch("UPDATE users SET role = 'ADMIN' WHERE id = $1", rider.id)


async def test_an_outbox_row_belongs_to_a_trip_or_a_session(database: Database) -> None:
    insert = "INSERT INTO outbox (trip_id, session_id, for_pool, created) VALUES ($1, $2, $3, {now})"
    for subject in ((None, None), (uuid4(), uuid4())):
        with pytest.raises(Conflict, match="outbox_one_subject"):
            await database.fetch(insert, *subject, False)
    await database.fetch(insert, uuid4(), None, False)
    await database.fetch(insert, None, uuid4(), False)


async def test_users_with_trips_cannot_be_removed_and_sessions_are_removed_with_their_users(
    database: Database,
) -> None:
    rider, other = await add_rider(database), await add_rider(database)
    await add_trip(database, rider)
    # Others than those in which they act.
    await database.fetch("DELETE FROM sessions")
    for number, user in enumerate((rider, other)):
        await database.fetch(
            "INSERT INTO sessions (id, token_hash, created, used, user_id) VALUES ($1, $2, {now}, {now}, $3)",
            uuid4(),
            str(number),
            user.id,
        )

    with pytest.raises(Conflict):
        await database.fetch("DELETE FROM users WHERE id = $1", rider.id)
    await database.fetch("DELETE FROM users WHERE id = $1", other.id)

    assert [row["token_hash"] for row in await database.fetch("SELECT token_hash FROM sessions")] == ["0"]
    with pytest.raises(Conflict):
        await database.fetch("UPDATE trips SET rider_id = $1", uuid4())
