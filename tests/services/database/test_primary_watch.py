"""What is learned from hosts that are asked again and again: which are former primaries."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, cast

import asyncpg
import pytest
from structlog.testing import capture_logs

from application.settings import Settings
from services.database import primary_watch
from services.database.address import Host
from services.database.connections import pool_connector
from services.database.primaries import Primary
from services.database.primary_watch import PrimaryWatch
from tests.support.waiting import until

A, B = hosts = [("/a", 5432), ("/b", 5432)]
STANDBY = None


class Connection:
    """An open connection to a host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def terminate(self) -> None: ...


class Hosts:
    """Two hosts that answer what a test says, and the watch that asks them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        url = "postgresql://postgres@/x?host=/a,/b"
        connector = pool_connector(Settings(_env_file=None, database_url=url))  # pyright: ignore[reportCallIssue]
        monkeypatch.setattr(connector, "open", self._open)
        monkeypatch.setattr(primary_watch, "primary_of", self._primary_of)
        self.says: dict[Host, Primary | Exception | None] = dict.fromkeys(hosts)
        self.asked: Counter[Host] = Counter()
        self.watch = PrimaryWatch(connector, answers=lambda: 0)

    async def _open(self, host: Host, **_: object) -> asyncpg.Connection:
        return cast("asyncpg.Connection", Connection(host))

    async def _primary_of(self, connection: Any) -> Primary | None:
        self.asked[connection.host] += 1
        answer = self.says[connection.host]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def settled(self) -> int:
        """How many count as former primaries when each host has been asked again."""
        before = self.asked.copy()
        # The last answer but one has been learned.
        await until(lambda: all(self.asked[host] >= before[host] + 2 for host in hosts))
        return self.watch.former_primaries


@pytest.fixture
async def two(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hosts]:
    monkeypatch.setattr(primary_watch, "SHORTEST_INTERVAL_S", 0.001)
    monkeypatch.setattr(primary_watch, "INTERVAL_S", 0.002)
    two = Hosts(monkeypatch)
    yield two
    await two.watch.stop()


@pytest.mark.parametrize("end", [STANDBY, ConnectionRefusedError()], ids=["demoted", "ended"])
async def test_a_former_primary_counts_and_is_told_once_until_it_is_none_any_more(
    two: Hosts, end: Exception | None
) -> None:
    two.says |= {A: Primary("city", 1), B: Primary("city", 2)}
    with capture_logs() as logs:
        two.watch.start()
        assert await two.settled() == 1
        assert await two.settled() == 1
        two.says[A] = end
        assert await two.settled() == 0
        two.says[A] = Primary("city", 1)
        assert await two.settled() == 1
    told = [line for line in logs if line["log_level"] == "error"]
    assert [(line["host"], line["timeline"]) for line in told] == [("/a:5432", 1)] * 2


async def test_a_former_primary_that_is_promoted_counts_no_more(two: Hosts) -> None:
    two.says |= {A: Primary("city", 1), B: Primary("city", 2)}
    two.watch.start()
    assert await two.settled() == 1
    two.says |= {A: Primary("city", 3), B: STANDBY}
    assert await two.settled() == 0


async def test_however_often_it_is_told_to_look_it_asks_only_so_often(
    two: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    shortest_s, looks = 0.02, 5
    monkeypatch.setattr(primary_watch, "SHORTEST_INTERVAL_S", shortest_s)
    monkeypatch.setattr(primary_watch, "INTERVAL_S", 3600.0)
    now = asyncio.get_running_loop().time
    began_s = now()
    two.watch.start()

    def has_asked() -> bool:
        two.watch.look()
        return two.asked[A] >= looks

    await until(has_asked)
    assert now() - began_s >= looks * shortest_s
