"""What a server does by itself when time passes: a request expires and is told, and old trips are removed."""

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from application.application import Application
from application.settings import Settings
from services.trips.retention import REMOVED_AT_ONCE
from tests.support.api import Api
from tests.support.processes import server_process
from tests.support.waiting import until
from tests.support.webhooks import add_endpoint, allowing, receiving

# The first run of a job is within 20 seconds of the start.
FIRST_RUN_S = 40.0
OTHER_TABLES = ("users", "sessions", "staff_actions", "webhook_endpoints", "unreferenced_photos")


async def test_a_request_that_expires_is_told_to_a_receiver_signed(settings: Settings) -> None:
    async with receiving() as receiver:
        application = Application(allowing(settings, receiver))
        await application.database.connect()
        _, secret = await add_endpoint(application, receiver.url, event_types=["trip.expired"])
        await application.outgoing.close()
        await application.database.disconnect()
        redis = (
            {"redis_url": settings.redis_url, "redis_prefix": settings.redis_prefix} if settings.redis_url else {}
        )
        async with server_process(
            database_url=settings.database_url,
            media_url=settings.media_url,
            request_ttl_s=1,
            webhook_private_hosts=f"127.0.0.1:{receiver.port}",
            **redis,
        ) as server:
            await server.ready()
            async with Api(server.url) as rider:
                await rider.sign_up("RIDER")
                trip = await rider.create_trip()
                await until(lambda: receiver.got)
                (shown,) = (await rider.data("{ trips { nodes { id status } } }"))["nodes"]
        (told,) = receiver.got
    assert shown == {"id": trip["id"], "status": "EXPIRED"}
    # The library of the specification checks the signature and the time.
    event = told.verified(secret)
    assert event["type"] == "trip.expired"
    assert (event["data"]["id"], event["data"]["status"]) == (trip["id"], "EXPIRED")
    assert (event["data"]["changedBy"], event["data"]["changedById"]) == ("SYSTEM", None)
    assert event["data"]["version"] == 2


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_server_on_sqlite_removes_old_trips_and_nothing_else(settings: Settings) -> None:
    path = Path(settings.database_url.removeprefix("sqlite://"))
    options = {"database_url": settings.database_url, "media_url": settings.media_url}
    async with server_process(**options) as server:
        await server.ready()
        async with Api(server.url) as rider, Api(server.url) as driver:
            await rider.sign_up("RIDER")
            await driver.sign_up("DRIVER")
            old, recent = [await rider.create_trip() for _ in range(2)]
            for trip in (old, recent):
                for status in ("STARTED", "IN_PROGRESS", "COMPLETED"):
                    await driver.update_trip(trip["id"], status)
            waiting = await rider.create_trip()
            cookies = rider.cookie_header()
    rows = sqlite3.connect(path)
    columns = ", ".join(name for (_, name, *_) in rows.execute("PRAGMA table_info(trips)") if name != "id")
    # More than two batches of old ones, and an open request as old as they are.
    rows.execute(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {2 * REMOVED_AT_ONCE}) "
        f"INSERT INTO trips (id, {columns}) SELECT '00000000-0000-4000-8000-' || printf('%012d', i), {columns} "
        f"FROM trips, n WHERE trips.id = '{old['id']}'"
    )
    rows.execute(
        "UPDATE trips SET created = datetime('now', '-31 days'), updated = datetime('now', '-31 days') "
        "WHERE id <> ?",
        (recent["id"],),
    )
    rows.commit()
    before = {table: rows.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in OTHER_TABLES}
    rows.close()
    async with server_process(**options, trip_retention_days=30) as server:
        await server.ready()

        def is_logged() -> re.Match[str] | None:
            return re.search(r"removed old trips.*", server.log())

        await until(is_logged, FIRST_RUN_S)
        async with Api(server.url) as rider:
            rider.http.headers.update(cookies)
            nodes: list[Any] = (await rider.data("{ trips { nodes { id status } } }"))["nodes"]
            metrics = (await rider.http.get("/metrics")).text
    number = 2 * REMOVED_AT_ONCE + 1
    assert f"taxirank_removed_trips_total {number}.0" in metrics
    assert {node["id"] for node in nodes} == {recent["id"], waiting["id"]}
    rows = sqlite3.connect(path)
    after = {table: rows.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in OTHER_TABLES}
    of_trips = rows.execute("SELECT DISTINCT trip_id FROM trip_changes").fetchall()
    rows.close()
    assert after == before
    assert {trip_id for (trip_id,) in of_trips} == {recent["id"], waiting["id"]}
