"""Frequent queries find their rows by an index, in PostgreSQL's own plans."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from application.application import Application
from application.settings import Settings
from models.geo import GeoPoint
from models.trip_life import DRIVING, TripStatus
from models.values import Role
from models.visibility import Actor
from services.accounts.session_checks import SessionChecks
from services.database.connections import Database
from services.database.dialects import uuid
from services.live.city_reads import CityReads
from services.live.reads import ENDED_TRIPS_AGE_S, ENDED_TRIPS_LIMIT, POOL_SNAPSHOT_LIMIT
from services.staff import lists
from services.staff.city_figures import CityPeriod, CityStatistics
from services.staff.list_query import Group, Match, Rule, StaffList
from services.trips import rows as trip_rows
from tests.support import servers
from tests.support.database_rows import add_driver, add_rider

pytestmark = pytest.mark.parametrize("backend", ["production"], indirect=True)

TRIPS = 20_000
# A request a second; one trip in twenty is open. 200 riders and 200 drivers share them.
FILL = f"""
    INSERT INTO trips (id, created, updated, version, status, pick_up_address, drop_off_address, expires_at,
                       given_back_by, rider_id, driver_id, pick_up_cell)
    SELECT gen_random_uuid(), moment, moment, 1, status, 'Here', 'There',
           CASE WHEN status = 'REQUESTED' THEN moment + interval '10 minutes' END, '', rider,
           CASE WHEN status = 'COMPLETED' THEN driver END, 600000000000000000 + n
    FROM (SELECT now() - n * interval '1 second' AS moment,
                 CASE WHEN n % 20 = 0 THEN 'REQUESTED' WHEN n % 10 = 5 THEN 'CANCELLED'
                      ELSE 'COMPLETED' END AS status,
                 n, ($1::uuid[])[1 + n % 200] AS rider, ($2::uuid[])[1 + n * 7 % 200] AS driver
          FROM generate_series(1, {TRIPS}) AS n) AS made
"""
PEOPLE = """
    INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, is_staff, is_active,
                       created)
    SELECT gen_random_uuid(), $1 || n, $1 || n, '', 'A', 'B', $1, false, true, now()
    FROM generate_series(1, 200) AS n
    RETURNING id
"""


_records: ContextVar[bool] = ContextVar("records", default=False)


@contextmanager
def recorded(*, everywhere: bool = False) -> Iterator[list[tuple[str, tuple[object, ...]]]]:
    """The statements of the block; with ``everywhere`` also those of the server's own tasks meanwhile."""
    seen: list[tuple[str, tuple[object, ...]]] = []
    run = Database._run

    async def spy(self: Database, connection: Any, sql: str, args: Any) -> Any:
        if everywhere or _records.get():
            seen.append((sql, tuple(args)))
        return await run(self, connection, sql, args)

    with patch.object(Database, "_run", spy):
        token = _records.set(True)
        yield seen
        _records.reset(token)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def plan_of(database: Database, sql: str, args: tuple[object, ...]) -> list[dict[str, Any]]:
    """The plan that a connection keeps: it knows none of the arguments."""
    asked = f"({', '.join('NULL' for _ in args)})" if args else ""
    async with database.transaction() as connection:
        await connection.fetch(f"PREPARE kept AS {sql}")
        (row,) = await connection.fetch(f"EXPLAIN (FORMAT JSON) EXECUTE kept{asked}")
        await connection.fetch("DEALLOCATE kept")
    (plan,) = row.values()
    return list(nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))


async def used(database: Database, sql: str, args: tuple[object, ...], table: str) -> set[str]:
    """The indexes of the plan; fails if the plan scans the whole table."""
    plan = await plan_of(database, sql, args)
    scans = [node for node in plan if node["Node Type"] == "Seq Scan" and node["Relation Name"] == table]
    assert not scans, (sql, plan)
    return {node["Index Name"] for node in plan if "Index Name" in node}


@dataclass
class Crowd:
    """An application with many trips, and one rider and one driver among its people."""

    application: Application
    rider: Actor
    driver: Actor

    @property
    def database(self) -> Database:
        return self.application.database


@dataclass
class Filled:
    """A database to copy, and the two people of the ``Crowd``."""

    url: str
    rider: Actor
    driver: Actor


async def fill(settings: Settings) -> Filled:
    database = Database(settings)
    await database.connect()
    rider, driver = await add_rider(database), await add_driver(database)
    riders, drivers = [[uuid(row["id"]) for row in await database.fetch(PEOPLE, role)] for role in Role]
    riders[17], drivers[23] = rider.id, driver.id
    await database.fetch(FILL, riders, drivers)
    await database.fetch(
        "INSERT INTO sessions (id, token_hash, created, used, user_id) "
        "SELECT gen_random_uuid(), 'hash ' || n, now(), now(), ($1::uuid[])[1 + n % 200] "
        "FROM generate_series(1, 5000) AS n",
        riders,
    )
    await database.fetch(
        "INSERT INTO outbox (session_id, for_pool, created) SELECT gen_random_uuid(), false, "
        "now() - interval '1 hour' FROM generate_series(1, 5000)"
    )
    await database.fetch(
        "INSERT INTO trip_changes (trip_id, version, status, at, changed_by, user_id) "
        "SELECT id, 1, 'REQUESTED', created, 'RIDER', rider_id FROM trips"
    )
    await database.fetch("ANALYZE")
    await database.disconnect()
    return Filled(settings.database_url, rider, driver)


@pytest.fixture(scope="module")
def filled(postgres: servers.Postgres) -> Iterator[Filled]:
    """A database with many rows. Each test has a copy: inserting them takes more than a second."""
    url = postgres.copy()
    settings = Settings(_env_file=None, database_url=url)  # pyright: ignore[reportCallIssue]
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(asyncio.run, fill(settings)).result()
    postgres.drop(url)


@pytest.fixture
def settings(settings: Settings, filled: Filled, postgres: servers.Postgres) -> Iterator[Settings]:
    """Settings of a server on a copy of that database."""
    url = postgres.copy(filled.url)
    yield settings.model_copy(update={"database_url": url})
    postgres.drop(url)


@pytest.fixture
async def crowd(application: Application, filled: Filled) -> Crowd:
    await application.periodic_jobs.stop()
    await application.outbox.stop()
    await application.webhook_sender.stop()
    return Crowd(application, filled.rider, filled.driver)


async def test_every_read_of_trips_uses_its_index(crowd: Crowd) -> None:
    database, trips = crowd.database, crowd.application.services.trips
    (row,) = await database.fetch("SELECT id, created FROM trips WHERE status = 'REQUESTED' LIMIT 1")
    place = (row["created"], UUID(str(row["id"])))

    async def indexes(read: Any) -> set[str]:
        with recorded() as seen:
            await read
        (statement,) = seen
        return await used(database, *statement, "trips")

    assert "trips_of_rider" in await indexes(trips.page(crowd.rider))
    # For a page with all of the rider's trips, both indexes by rider are suitable.
    whole = await indexes(trips.page(crowd.rider, first=100, after=place))
    assert whole & {"trips_of_rider", "uid_trips_rider_i_5cf048"}
    assert "trips_of_rider" in await indexes(trips.page(crowd.rider, statuses=[TripStatus.COMPLETED]))
    for page in (trips.page(crowd.driver), trips.page(crowd.driver, first=100, after=place)):
        seen = await indexes(page)
        # Both have the open trips in order; the random sample of ANALYZE decides which one is used.
        assert "trips_of_driver" in seen
        assert seen & {"trips_open", "trips_active"}
    await indexes(trips.page(crowd.driver, statuses=[TripStatus.REQUESTED]))
    assert "trips_pkey" in await indexes(trips.find(crowd.rider, trip_id=place[1]))
    assert "trips_pkey" in await indexes(trip_rows.find_at(database, place[1]))
    # If the offers are few, any index of the open trips is suitable.
    offers = await indexes(trip_rows.open_trips(database, limit=POOL_SNAPSHOT_LIMIT + 1))
    assert offers & {"trips_open", "trips_deadline", "trips_open_by_cell"}
    assert await indexes(trip_rows.open_trips(database, limit=20)) & {"trips_open", "trips_active"}
    around = trip_rows.open_trips_in(database, range(600000000000000000, 600000000000000030), limit=1000)
    assert "trips_open_by_cell" in await indexes(around)
    limits = {"ended_limit": ENDED_TRIPS_LIMIT, "ended_since_s": ENDED_TRIPS_AGE_S}
    of_rider = await indexes(trip_rows.trips_of(database, crowd.rider.id, Role.RIDER, **limits))
    assert {"trips_active_of_rider", "trips_ended_of_rider"} & of_rider
    of_driver = await indexes(trip_rows.trips_of(database, crowd.driver.id, Role.DRIVER, **limits))
    assert {"trips_one_active_a_driver", "trips_ended_of_driver"} <= of_driver
    assert "trips_of_driver" not in of_driver


async def test_a_change_finds_its_trip_by_its_id_and_the_sweep_by_the_deadline(crowd: Crowd) -> None:
    trips, database = crowd.application.services.trips, crowd.database
    (row,) = await database.fetch("SELECT id FROM trips WHERE expires_at > now() LIMIT 1")
    with recorded() as seen:
        await trips.update(crowd.driver, trip_id=UUID(str(row["id"])), status=TripStatus.STARTED)
        await trips.expire_overdue()
    (update,) = [statement for statement in seen if "UPDATE trips" in statement[0] and row["id"] in statement[1]]
    (sweep,) = [statement for statement in seen if "expires_at <= {begun}" in statement[0]]

    assert await used(database, *update, "trips") == {"trips_pkey", "users_pkey", "sessions_pkey"}
    assert await used(database, *update, "sessions")
    # Overdue trips are rare: the previous sweep has removed the others.
    await database.fetch("DELETE FROM trips WHERE status = 'REQUESTED' AND expires_at <= now()")
    await database.fetch("ANALYZE trips")
    assert "trips_deadline" in await used(database, *sweep, "trips")


async def test_reports_and_histories_find_their_rows_by_an_index(crowd: Crowd) -> None:
    services, database = crowd.application.services, crowd.database
    (row,) = await database.fetch("SELECT id FROM trips LIMIT 1")
    with recorded() as seen:
        await services.positions.report(crowd.driver, point=GeoPoint(1, 2), recorded_at=datetime.now(UTC))
        await services.history.of(uuid(row["id"]))
    report, history = seen

    assert "sessions_pkey" in await used(database, *report, "sessions")
    assert await used(database, *report, "trips") & {"trips_one_active_a_driver", "trips_of_driver"}
    assert await used(database, *history, "trip_changes")


async def test_the_file_about_a_person_reads_only_what_is_about_that_person(crowd: Crowd) -> None:
    with recorded() as seen:
        await crowd.application.personal_data.of(crowd.rider.id)

    found: dict[str, set[str]] = {}
    for statement in seen:
        for table in ("trips", "trip_changes", "ratings", "sessions"):
            if f" FROM {table} " in statement[0]:
                found[table] = found.get(table, set()) | await used(crowd.database, *statement, table)
    assert found["trip_changes"] == {"trip_changes_of_user"}
    assert found["ratings"] == {"ratings_of_author", "ratings_by_subject"}
    assert "sessions_of_user" in found["sessions"]
    assert "trips_of_driver" in found["trips"]


async def test_an_idempotency_key_is_found_by_its_index(crowd: Crowd) -> None:
    wanted = {"pick_up_address": "Here", "drop_off_address": "There", "idempotency_key": "k"}
    await crowd.application.services.trips.request(crowd.rider, **wanted)
    with recorded() as seen:
        await crowd.application.services.trips.request(crowd.rider, **wanted)
    for statement in seen:
        if "idempotency_key =" in statement[0]:
            assert await used(crowd.database, *statement, "trips")


async def test_sessions_are_found_by_their_token_and_notes_in_their_order(crowd: Crowd) -> None:
    database, sessions = crowd.database, crowd.application.services.sessions
    begun = await sessions.begin(crowd.rider.user)
    with recorded() as seen:
        await sessions.actor_of(begun.token)
        await sessions.ended_among([begun.actor.session_id])
        await crowd.application.outbox.sweep.run_once()
    (look_up,) = [statement for statement in seen if "s.token_hash = ANY" in statement[0]]
    (live,) = [statement for statement in seen if "asked" in statement[0]]
    looks = [statement for statement in seen if "FROM outbox" in statement[0]]

    assert "sessions_token_hash_key" in await used(database, *look_up, "sessions")
    assert "sessions_pkey" in await used(database, *live, "sessions")
    assert len(looks) >= 2, "where notes begin, and a claim of some"
    for look in looks:
        assert "outbox_pkey" in await used(database, *look, "outbox")


async def test_the_check_of_sessions_finds_them_and_their_changes_by_an_index(crowd: Crowd) -> None:
    database, sessions = crowd.database, crowd.application.services.sessions
    checks, begun = SessionChecks(database, sessions), await sessions.begin(crowd.rider.user)
    # Their statistics say that there are few; the notes of five thousand ended sessions are more.
    await database.fetch(
        "INSERT INTO session_changes (session_id, xact) "
        "SELECT gen_random_uuid(), n FROM generate_series(1, 5000) AS n"
    )
    await database.fetch("ANALYZE session_changes")
    with recorded() as seen:
        await checks.changed()
        await checks.look_at([begun.actor.session_id])
    changed, look = seen

    assert "session_changes_pkey" in await used(database, *changed, "session_changes")
    assert "sessions_pkey" in await used(database, *look, "sessions")


async def test_the_lists_of_staff_find_their_rows_by_an_index(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = crowd.database
    await database.fetch(
        "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, is_staff, "
        "is_active, created) SELECT gen_random_uuid(), 'many' || n, 'many' || n, '', 'A', 'B', 'RIDER', false, "
        "true, now() - n * interval '1 second' FROM generate_series(1, 20000) AS n"
    )
    await database.fetch(
        "INSERT INTO staff_actions (at, action, staff_username, staff_id, detail) "
        "SELECT now() - n * interval '1 second', 'LOG_IN', 'stella', $1, '' FROM generate_series(1, 20000) AS n",
        crowd.rider.id,
    )
    await database.fetch("ANALYZE")
    # The window has the same relation to these tables as to tables of two million rows.
    monkeypatch.setattr(lists, "MAX_ROWS", 100)

    async def indexes(staff_list: StaffList[Any], table: str, **asked: Any) -> set[str]:
        with recorded() as seen:
            assert await staff_list.page(**asked, limit=25)
            assert await staff_list.count(**asked)
        page, count = [await used(database, *statement, table) for statement in seen]
        return page & count

    trips, users = lists.trips(database), lists.users(database)
    active = Group([Rule("status", Match.ONE_OF, ["REQUESTED"])])
    lately = Group([Rule("created", Match.UNTIL, datetime.now(UTC))])
    rider_id, name = str(crowd.rider.id), crowd.rider.user.username
    assert "trips_by_created" in await indexes(trips, "trips")
    assert "trips_by_created" in await indexes(trips, "trips", where=lately)
    assert "trips_active" in await indexes(trips, "trips", where=active)
    assert {"trips_pkey", "trips_of_driver"} <= await indexes(trips, "trips", search=rider_id)
    assert "users_by_name" in await indexes(trips, "trips", search=name)
    assert "users_by_created" in await indexes(users, "users")
    assert "users_pkey" in await indexes(users, "users", search=rider_id)
    assert {"users_by_name", "users_by_created"} <= await indexes(users, "users", search=name)
    assert "staff_actions_by_time" in await indexes(lists.actions(database), "staff_actions")


async def test_the_city_and_its_figures_read_no_older_trips(crowd: Crowd) -> None:
    database = crowd.database
    with recorded() as seen:
        await CityReads(database).read(
            people=[crowd.driver.id], since=datetime.now(UTC), watchers=[crowd.rider.id]
        )
        await CityStatistics(database).of(CityPeriod.HOUR)
        await trip_rows.count_trips(database, DRIVING)
    city, figures, *_, count = seen

    assert await used(database, *city, "trips")
    assert "users_pkey" in await used(database, *city, "users")
    assert "trips_by_created" in await used(database, *figures, "trips")
    assert await used(database, *figures, "trip_changes")
    assert await used(database, *count, "trips")


async def test_a_plan_without_its_index_is_noticed(crowd: Crowd) -> None:
    await crowd.database.fetch(
        "DROP INDEX trips_of_rider, trips_active_of_rider, trips_ended_of_rider, trips_by_created, trips_active"
    )
    await crowd.database.fetch("ALTER TABLE trips DROP CONSTRAINT uid_trips_rider_i_5cf048")
    with recorded() as seen:
        await crowd.application.services.trips.page(crowd.rider)

    with pytest.raises(AssertionError):
        await used(crowd.database, *seen[0], "trips")
