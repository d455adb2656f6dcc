"""A city that has had many trips: a database filled by statements of PostgreSQL."""

from dataclasses import dataclass

import asyncpg

from application.application import Application
from application.settings import load_settings
from models.visibility import Actor
from services.database.connections import Database
from tests.support.database_rows import add_driver, add_rider

RIDERS, DRIVERS, OPEN_TRIPS, UNDER_WAY = 50_000, 5_000, 200, 400
# A trip every three seconds. One rider and one driver have a thousandth of all.
APART_S = 3
SHARE = 1_000
_FILL = """
    CREATE TEMP TABLE people AS SELECT gen_random_uuid() AS id, n FROM generate_series(1, {riders} + {drivers}) n;
    INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, is_staff, is_active,
        created)
    SELECT id, 'person' || n || '@example.com', 'person' || n || '@example.com', '', 'A', 'B',
        CASE WHEN n <= {riders} THEN 'RIDER' ELSE 'DRIVER' END, FALSE, TRUE, now() - n * interval '1 minute'
    FROM people;
    INSERT INTO sessions (id, token_hash, created, used, user_id)
    SELECT gen_random_uuid(), 'hash ' || n, now(), now(), id FROM people;
    CREATE TEMP TABLE numbered AS
        SELECT array_agg(id ORDER BY n) FILTER (WHERE n <= {riders}) AS riders,
            array_agg(id ORDER BY n) FILTER (WHERE n > {riders}) AS drivers
        FROM people;
    CREATE TEMP TABLE made AS
        SELECT gen_random_uuid() AS id, g.n, now() - g.n * interval '{apart} seconds' AS moment,
            CASE WHEN g.n <= {open} THEN 'REQUESTED' WHEN g.n <= {open} + {under_way} THEN 'IN_PROGRESS'
                WHEN g.n % 10 = 3 THEN 'CANCELLED' WHEN g.n % 10 = 7 THEN 'EXPIRED' ELSE 'COMPLETED' END AS status,
            CASE WHEN g.n % {share} = 1 THEN '{rider}'::uuid ELSE r.id END AS rider,
            CASE WHEN g.n > {open} + {under_way} AND g.n % {share} = 2 THEN '{driver}'::uuid ELSE d.id END
                AS driver
        FROM generate_series(1, {trips}) g (n)
        JOIN people r ON r.n = 1 + g.n % {riders} JOIN people d ON d.n = {riders} + 1 + g.n % {drivers};
    INSERT INTO trips (id, created, updated, version, status, pick_up_address, drop_off_address, expires_at,
        given_back_by, rider_id, driver_id, pick_up_cell)
    SELECT id, moment, moment + interval '40 seconds', CASE status WHEN 'REQUESTED' THEN 1 ELSE 4 END, status,
        '1 Main Street', 'Central Station', CASE WHEN status = 'REQUESTED' THEN now() + interval '1 day' END, '',
        rider,
        CASE WHEN status IN ('IN_PROGRESS', 'COMPLETED') THEN driver END, 600000000000000000 + n % 100000
    FROM made ORDER BY n DESC;
    INSERT INTO trip_changes (trip_id, version, status, at, changed_by, user_id)
    SELECT id, 1, 'REQUESTED', moment, 'RIDER', rider FROM made ORDER BY n DESC;
    INSERT INTO trip_changes (trip_id, version, status, at, changed_by, user_id)
    SELECT id, version, step, moment + version * interval '10 seconds', 'DRIVER', driver
    FROM made, (VALUES (2, 'STARTED'), (3, 'IN_PROGRESS'), (4, 'COMPLETED')) AS steps (version, step)
    WHERE status = 'COMPLETED' ORDER BY n DESC;
    INSERT INTO ratings (trip_id, author_id, subject_id, stars, created)
    SELECT id, rider, driver, 5, moment FROM made WHERE status = 'COMPLETED' AND n % 5 = 2 ORDER BY n DESC
"""
# In the order in which they can be dropped. They are made again in reverse: filling takes a tenth of the time.
_LAWS = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS gone,
        format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
            AS back
    FROM pg_constraint
    WHERE conrelid IN ('trips'::regclass, 'trip_changes'::regclass, 'ratings'::regclass) AND contype IN ('f', 'u')
    UNION ALL
    SELECT format('DROP INDEX %I', indexname), indexdef FROM pg_indexes
    WHERE tablename IN ('trips', 'trip_changes', 'ratings')
        AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


@dataclass
class City:
    """A database with many trips, and a rider and a driver with a thousandth of them.

    ``aside``: a connection whose statements are not measured.
    """

    application: Application
    aside: asyncpg.Connection
    rider: Actor
    driver: Actor
    trips: int

    @property
    def database(self) -> Database:
        """The database."""
        return self.application.database


async def fill(url: str, trips: int) -> City:
    """Fill a migrated database."""
    application = Application(load_settings(database_url=url, trip_rate="off", open_trips_per_rider="off"))
    database = application.database
    await database.connect()
    await application.bus.connect()
    connection = await asyncpg.connect(url)
    city = City(application, connection, await add_rider(database), await add_driver(database), trips)
    await connection.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'; SET jit = off")
    laws = await connection.fetch(_LAWS)
    for law in laws:
        await connection.execute(law["gone"])
    values = {
        "riders": RIDERS,
        "drivers": DRIVERS,
        "open": OPEN_TRIPS,
        "under_way": UNDER_WAY,
        "apart": APART_S,
        "share": SHARE,
        "trips": trips,
        "rider": city.rider.id,
        "driver": city.driver.id,
    }
    for statement in _FILL.split(";"):
        await connection.execute(statement.format(**values))
    for law in reversed(laws):
        await connection.execute(law["back"])
    await connection.execute("VACUUM ANALYZE")
    return city
