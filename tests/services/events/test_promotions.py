"""A process that has noticed a promotion tells the others, which look by themselves."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from application.settings import Settings
from services.database import primary_watch
from services.database.connections import Database
from services.database.primary_watch import PrimaryWatch
from services.errors import DatabaseUnavailable
from services.events.bus import Bus
from services.events.promotions import Promotions
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.runtime.counters import Counters
from tests.support.replication import Node, standby_of
from tests.support.servers import own_postgres
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)

WITHIN_S = 30.0
WHERE = "SELECT current_setting('data_directory') AS folder"


@dataclass
class Process:
    """What one server process has of this."""

    database: Database
    bus: Bus
    topics: Topics

    @property
    def watch(self) -> PrimaryWatch:
        """What asks its hosts."""
        assert self.database.primary_watch is not None
        return self.database.primary_watch

    async def is_at(self, folder: str) -> bool:
        """Whether its statements go to the server with these files."""
        try:
            (row,) = await self.database.fetch(WHERE)
        except DatabaseUnavailable:
            return False
        return row["folder"] == folder


@asynccontextmanager
async def process(database_url: str, redis_url: str) -> AsyncGenerator[Process]:
    settings = Settings(_env_file=None, database_url=database_url)  # pyright: ignore[reportCallIssue]
    database, topics, counters = Database(settings), Topics("promotions"), Counters()
    bus = Bus(RedisLink(redis_url), counters, heartbeats=topics.heartbeats(), on_gap=lambda: None)
    promotions = Promotions(database.primary_watch, bus, topics, counters)
    async with AsyncExitStack() as stack:
        await database.connect()
        stack.push_async_callback(database.disconnect)
        await bus.connect()
        stack.push_async_callback(bus.disconnect)
        await promotions.start()
        stack.push_async_callback(promotions.stop)
        await until(lambda: bus.followed([topics.promotions]), WITHIN_S)
        yield Process(database, bus, topics)


@dataclass
class Two:
    """A primary, its standby, and the address of both."""

    primary: Node
    standby: Node
    url: str


@pytest.fixture
def two() -> Iterator[Two]:
    with own_postgres() as own, standby_of(own) as standby:
        primary = Node(own.tools, own.data, own.socket_folder)
        yield Two(primary, standby, f"{own.url.partition('?')[0]}?host={primary.folder},{standby.folder}")


@pytest.fixture(autouse=True)
def nobody_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primary_watch, "INTERVAL_S", 3600.0)


async def test_the_first_to_notice_makes_the_others_look_and_leave_the_former_primary(
    two: Two, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Bus] = []
    tell = Bus.publish_to_others

    async def counted(bus: Bus, *args: Any, **options: Any) -> Any:
        told.append(bus)
        return await tell(bus, *args, **options)

    monkeypatch.setattr(Bus, "publish_to_others", counted)
    async with process(two.url, redis_url) as first, process(two.url, redis_url) as second:
        former, promoted = [node.execute("SHOW data_directory") for node in (two.primary, two.standby)]
        await asyncio.to_thread(two.standby.promote)
        assert await first.is_at(former)
        assert await second.is_at(former)
        first.watch.look()
        await until(lambda: first.is_at(promoted), WITHIN_S)
        await until(lambda: second.is_at(promoted), WITHIN_S)
        # Each has noticed it, and has told so once.
        await until(lambda: len(told) >= 2, WITHIN_S)
        assert told == [first.bus, second.bus]


async def test_a_message_makes_nobody_do_more_than_look(
    two: Two, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process(two.url, redis_url) as told:
        before = (await told.database.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"]
        looks: list[object] = []
        ask = primary_watch.primary_of

        async def counted(connection: object) -> object:
            looks.append(connection)
            return await ask(connection)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(primary_watch, "primary_of", counted)
        await told.bus.publish([([told.topics.promotions], b"not even JSON")])
        await until(lambda: len(looks) >= 2, WITHIN_S)
        # The second look follows what the first has found.
        await told.bus.publish([([told.topics.promotions], b"{}")])
        await until(lambda: len(looks) >= 4, WITHIN_S)
        assert (await told.database.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"] == before
        assert told.database.former_primaries == 0
