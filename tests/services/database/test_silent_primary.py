"""A PostgreSQL that stands still with every connection open: nobody waits for it for long."""

import asyncio
import socket
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog

from application.settings import Settings
from services.database import primary_watch
from services.database.connections import Database, pool_connector
from services.database.postgres import WrongDatabase
from services.errors import DatabaseUnavailable
from tests.support.api import Api
from tests.support.processes import server_process
from tests.support.proxy import link
from tests.support.replication import replicated, standby_of
from tests.support.servers import own_postgres
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(150)

# By itself a statement waits for 30 seconds, and a new connection for five.
LONG_S = 20.0
WITHIN_S = 30.0
STANDS_STILL = "a host of the database stands still: nobody waits for it any more"


def settings_of(url: str, **more: Any) -> Settings:
    return Settings(_env_file=None, database_url=url, **more)  # pyright: ignore[reportCallIssue]


async def works(database: Database) -> bool:
    """Whether a statement is answered."""
    try:
        await database.ping()
    except DatabaseUnavailable:
        return False
    return True


async def why_not(database: Database) -> str:
    """Why a statement fails."""
    with pytest.raises(DatabaseUnavailable) as found:
        await database.ping()
    return str(found.value)


async def test_statements_that_wait_for_it_end_and_later_ones_do_not_begin_to_wait() -> None:
    with own_postgres() as own:
        database = Database(settings_of(own.url))
        await database.connect()
        waiting = asyncio.create_task(database.fetch("SELECT pg_sleep(300)"))

        async def sleeps() -> bool:
            rows = await database.fetch("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            return bool(rows)

        await until(sleeps, WITHIN_S)
        with structlog.testing.capture_logs() as logs:
            own.freeze()
            try:
                with pytest.raises(DatabaseUnavailable):
                    async with asyncio.timeout(LONG_S):
                        await waiting
                assert "has given no answer for seconds" in await why_not(database)
            finally:
                own.thaw()
            await until(lambda: works(database), WITHIN_S)
        events = [log["event"] for log in logs]
        assert events.count(STANDS_STILL) == 1
        assert events.count("a host of the database answers again") == 1
        await database.disconnect()


async def test_a_server_whose_database_stands_still_says_so_and_goes_on_where_the_address_leads_next(
    tmp_path: Path,
) -> None:
    """A virtual address in front of a primary and its standby. The former primary wakes up later."""
    with replicated() as pair:
        former, standby = pair.primary, pair.standby
        async with link(pair.at(former), tmp_path) as address:
            given = {
                "database_url": address.url,
                "media_url": tmp_path / "photos",
                "password_hash_memory_kib": 1024,
            }
            async with server_process(**given) as server, Api(server.url) as api:
                await server.ready()
                await api.sign_up("RIDER")
                await asyncio.to_thread(former.freeze)
                try:
                    async with asyncio.timeout(LONG_S):
                        answer = await api.http.post("/graphql", json={"query": "{ me { id } }"})
                    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
                    assert answer.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
                    ready = await api.http.get("/readyz")
                    assert (ready.status_code, ready.json()["database"]) == (503, "unreachable")
                    await asyncio.to_thread(standby.promote)
                    address.move(pair.at(standby))
                    await until(lambda: is_ready(api), WITHIN_S)
                    await api.create_trip()
                finally:
                    await asyncio.to_thread(former.thaw)
                trips = "SELECT count(*) FROM trips"
                database = address.url.partition("?")[0].rpartition("/")[2]
                assert await asyncio.to_thread(standby.execute, trips, database) == "1"
                assert await asyncio.to_thread(former.execute, trips, database) == "0"
                assert STANDS_STILL in server.log()


async def is_ready(api: Api) -> bool:
    return (await api.http.get("/readyz")).status_code == 200


async def test_an_address_that_leads_back_to_a_former_primary_is_not_used(tmp_path: Path) -> None:
    with own_postgres() as own, standby_of(own) as standby:
        async with link(own.url, tmp_path) as address:
            database = Database(settings_of(address.url))
            await database.connect()
            await asyncio.to_thread(standby.promote)
            address.move(standby.url())
            await address.cut()
            await address.restore()
            await until(lambda: works(database), WITHIN_S)
            address.move(own.url)
            await address.cut()
            await address.restore()
            await until(lambda: is_refused(database), WITHIN_S)
            await database.disconnect()


async def is_refused(database: Database) -> bool:
    """Whether the address leads to a former primary, as this process knows."""
    try:
        await database.ping()
    except WrongDatabase as error:
        return "a former primary" in str(error)
    except DatabaseUnavailable:
        pass
    return False


class Silent:
    """A server that accepts connections and sends nothing, as the watch of a process sees it."""

    def __init__(self, folder: Path) -> None:
        self.connector = pool_connector(settings_of(f"postgresql://postgres@/x?host={folder}"))

    async def is_given_up(self, answers: Callable[[], int]) -> bool:
        watch = primary_watch._Asked(self.connector, self.connector.address.hosts[0], answers)
        with pytest.raises(TimeoutError):
            await watch.primary()
        return bool(self.connector._silent)


async def test_one_that_answers_others_meanwhile_is_not_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has much to do, or this process has."""
    for name in ("ANSWER_TIMEOUT_S", "SECOND_TIMEOUT_S"):
        monkeypatch.setattr(primary_watch, name, 0.05)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / ".s.PGSQL.5432"))
        listening.listen()
        silent = Silent(tmp_path)
        assert not await silent.is_given_up(count().__next__)
        assert await silent.is_given_up(lambda: 7)


def test_behind_a_pooler_at_one_address_nothing_is_known_of_the_server() -> None:
    url = "postgresql://postgres@/x?host=/pooler"
    assert not pool_connector(settings_of(url, database_direct_url="postgresql://db/x")).knows_servers
    assert pool_connector(settings_of(url)).knows_servers
    both = url + ",/other"
    assert pool_connector(settings_of(both, database_direct_url="postgresql://db/x")).knows_servers
