"""Reads from real hot standbys: never older than the bound, and from the primary whenever that is not sure."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import structlog

from application.settings import Settings
from services.database.connections import Database
from services.database.postgres import WrongDatabase
from services.database.replica_marks import Marks, Unfit
from services.database.replicas import Replicas
from services.runtime.counters import Counters
from tests.support.replication import Node, standby_of
from tests.support.servers import OwnPostgres, own_postgres
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.timeout(120)

MAX_AGE_S = 1.0
IS_REPLICA = "SELECT pg_is_in_recovery() AS is_replica"


@dataclass
class Nodes:
    """A PostgreSQL, two standbys of it, and the address of a migrated database on each."""

    own: OwnPostgres
    primary: Node
    standbys: tuple[Node, Node]
    database: str

    def url(self, *nodes: Node) -> str:
        """The address of the database on these nodes."""
        return f"postgresql://postgres@/{self.database}?host={','.join(node.folder for node in nodes)}"


@contextmanager
def nodes() -> Iterator[Nodes]:
    with own_postgres() as own:
        url = own.copy()
        with standby_of(own) as first, standby_of(own) as second:
            primary = Node(own.tools, own.data, own.socket_folder)
            try:
                yield Nodes(own, primary, (first, second), urlsplit(url).path.lstrip("/"))
            finally:
                primary.thaw()


@pytest.fixture(scope="module")
def standing() -> Iterator[Nodes]:
    """Nodes that tests leave as they were."""
    with nodes() as found:
        yield found


@asynccontextmanager
async def reading(primary_url: str, replica_url: str) -> AsyncIterator[tuple[Replicas, Counters]]:
    """Replicas that are watched."""
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        database_url=primary_url,
        database_replica_url=replica_url,
        database_replica_max_age_s=MAX_AGE_S,
    )
    database, counters = Database(settings), Counters()
    replicas = Replicas(settings, database, counters)
    async with AsyncExitStack() as stack:
        await database.connect()
        stack.push_async_callback(database.disconnect)
        stack.push_async_callback(replicas.stop)
        await replicas.start()
        yield replicas, counters


async def answers_from_replica(replicas: Replicas) -> bool:
    """Whether a replica has answered."""
    (row,) = await replicas.fetch(IS_REPLICA)
    return row["is_replica"]


def reasons(logs: list[Any]) -> list[str]:
    """Why replicas were not read, as the log has it."""
    return [log["reason"] for log in logs if log["event"].startswith("a replica is not read")]


async def test_a_fresh_replica_answers(standing: Nodes) -> None:
    async with reading(standing.url(standing.primary), standing.url(standing.standbys[0])) as (replicas, counters):
        with structlog.testing.capture_logs() as logs:
            await until(lambda: replicas.fresh == 1)
            assert await answers_from_replica(replicas)
        assert (counters.replica_reads, counters.replica_fallbacks) == (1, 0)
        assert reasons(logs) == []


async def test_a_user_without_special_rights_can_read_replicas(standing: Nodes) -> None:
    standing.primary.execute("CREATE ROLE plain LOGIN")
    urls = [standing.url(node).replace("postgres@", "plain@") for node in (standing.primary, standing.standbys[0])]

    async def is_known() -> bool:
        try:
            await (await asyncpg.connect(urls[1])).close()
        except asyncpg.InvalidAuthorizationSpecificationError:
            return False
        return True

    await until(is_known)
    async with reading(*urls) as (replicas, _):
        await until(lambda: replicas.fresh == 1)
        assert await answers_from_replica(replicas)


async def test_what_is_read_is_never_older_than_the_bound_and_a_replica_that_stands_still_is_told(
    standing: Nodes,
) -> None:
    standby = standing.standbys[0]
    url = standing.url(standing.primary)
    connection = await asyncpg.connect(url)
    async with reading(url, standing.url(standby)) as (replicas, counters), AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        await connection.execute("CREATE TABLE notes (id int)")
        stack.push_async_callback(connection.execute, "DROP TABLE notes")
        await until(lambda: replicas.fresh == 1)
        stack.callback(standby.execute, "SELECT pg_wal_replay_resume()")
        await asyncio.to_thread(standby.execute, "SELECT pg_wal_replay_pause()")
        with structlog.testing.capture_logs() as logs:
            await connection.execute("INSERT INTO notes VALUES (1)")
            committed_s, before = monotonic(), counters.replica_reads
            has_seen_old = False
            while counters.replica_fallbacks == 0 or monotonic() < committed_s + 2 * MAX_AGE_S:
                begun_s = monotonic()
                rows = await replicas.fetch("SELECT id FROM notes")
                has_seen_old = has_seen_old or not rows
                assert rows or begun_s < committed_s + MAX_AGE_S
            assert has_seen_old or counters.replica_reads == before
            await until(lambda: replicas.fresh == 0)
        assert reasons(logs) == [Unfit.BEHIND]
        await asyncio.to_thread(standby.execute, "SELECT pg_wal_replay_resume()")
        await until(lambda: replicas.fresh == 1)
        assert await replicas.fetch("SELECT id FROM notes")
        assert await answers_from_replica(replicas)


async def test_a_replica_that_is_away_stops_no_start_and_is_read_when_it_comes(standing: Nodes) -> None:
    standby = standing.standbys[0]
    await asyncio.to_thread(standby.kill)
    with structlog.testing.capture_logs() as logs:
        async with reading(standing.url(standing.primary), standing.url(standby)) as (replicas, counters):
            assert not await answers_from_replica(replicas)
            await until(lambda: reasons(logs))
            await asyncio.to_thread(standby.start)
            await until(lambda: replicas.fresh == 1)
            assert await answers_from_replica(replicas)
            assert counters.replica_fallbacks == 1
            await asyncio.to_thread(standby.kill)
            assert not await answers_from_replica(replicas)
            await until(lambda: replicas.fresh == 0)
    await asyncio.to_thread(standby.start)
    assert len(reasons(logs)) >= 2


async def test_reads_that_wait_for_a_frozen_replica_go_to_the_primary_soon(standing: Nodes) -> None:
    standby = standing.standbys[0]
    async with reading(standing.url(standing.primary), standing.url(standby)) as (replicas, counters):
        await until(lambda: replicas.fresh == 1)
        slow = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_sleep(300) END, pg_is_in_recovery() AS is_replica"
        waiting = asyncio.create_task(replicas.fetch(slow))

        async def is_running() -> bool:
            active = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            return await asyncio.to_thread(standby.execute, active) == "1"

        await until(is_running)
        try:
            await asyncio.to_thread(standby.freeze)
            # By itself a statement waits for 30 seconds.
            async with asyncio.timeout(PATIENCE_S):
                (row,) = await waiting
        finally:
            await asyncio.to_thread(standby.thaw)
        assert not row["is_replica"]
        assert counters.replica_fallbacks == 1


async def test_a_replica_that_is_used_up_does_not_keep_anybody_waiting(standing: Nodes) -> None:
    async with reading(standing.url(standing.primary), standing.url(standing.standbys[0])) as (replicas, _):
        await until(lambda: replicas.fresh == 1)
        slow = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_sleep(300) END"
        waiting = [asyncio.create_task(replicas.fetch(slow)) for _ in range(4)]

        async def has_primary_answered() -> bool:
            return not await answers_from_replica(replicas)

        async with asyncio.timeout(PATIENCE_S):
            await until(has_primary_answered)
        # It is not taken for one that is away.
        assert replicas.fresh == 1
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_wrong_statement_fails_as_on_the_primary(standing: Nodes) -> None:
    async with reading(standing.url(standing.primary), standing.url(standing.standbys[0])) as (replicas, _):
        await until(lambda: replicas.fresh == 1)
        with pytest.raises(asyncpg.UndefinedTableError):
            await replicas.fetch("SELECT 1 FROM nothing")


async def test_the_primary_among_the_replicas_is_not_one_and_the_others_are_read(standing: Nodes) -> None:
    replica_url = standing.url(standing.primary, *standing.standbys)
    with structlog.testing.capture_logs() as logs:
        async with reading(standing.url(standing.primary), replica_url) as (replicas, _):
            await until(lambda: replicas.fresh == 2 and reasons(logs))
            assert await answers_from_replica(replicas)
    assert reasons(logs) == [Unfit.PRIMARY]


async def test_another_database_and_one_that_is_not_there_stop_the_start_with_one_line(standing: Nodes) -> None:
    primary, standby = standing.url(standing.primary), standing.url(standing.standbys[0])
    with own_postgres() as other:
        with pytest.raises(WrongDatabase, match=r"TAXIRANK_DATABASE_REPLICA_URL: .* another database") as found:
            async with reading(primary, other.url):
                pass
        assert "\n" not in str(found.value)
    absent = standby.replace(standing.database, "absent")
    with pytest.raises(WrongDatabase, match=r'TAXIRANK_DATABASE_REPLICA_URL: .*"absent" does not exist'):
        async with reading(primary, absent):
            pass


async def test_after_a_failover_only_replicas_of_the_new_primary_are_read() -> None:
    with nodes() as found:
        primary, (promoted, following) = found.primary, found.standbys
        both, replica_url = found.url(primary, promoted), found.url(promoted, following)
        with structlog.testing.capture_logs() as logs:
            async with reading(both, replica_url) as (replicas, _):
                await until(lambda: replicas.fresh == 2)
                # The former primary goes on, and the other standby follows it.
                await asyncio.to_thread(promoted.promote)
                await until(lambda: Unfit.PRIMARY in reasons(logs) and Unfit.OTHER_TIMELINE in reasons(logs))
                await asyncio.to_thread(primary.execute, "CREATE TABLE lost (id int)")
                assert replicas.fresh == 0
                assert not await answers_from_replica(replicas)
                await asyncio.to_thread(primary.kill)
                await asyncio.to_thread(following.rejoin_after_stop, promoted)
                await until(lambda: replicas.fresh == 1)
                assert await answers_from_replica(replicas)


def row(position: int, *, cluster: str = "1", timeline: int = 1, is_replica: bool = True) -> dict[str, Any]:
    """An answer of a server."""
    return {"cluster": cluster, "timeline": timeline, "position": position, "is_replica": is_replica}


def test_a_replica_is_as_old_as_the_oldest_mark_that_it_may_have() -> None:
    now_s = 100.0
    marks = Marks(2.0, lambda: now_s)
    assert marks.unfitness_of(row(10**9)) is Unfit.BEHIND
    marks.add(100.0, row(1000))
    now_s = 101.0
    marks.add(101.0, row(2000))
    assert marks.unfitness_of(row(999)) is Unfit.BEHIND
    assert marks.unfitness_of(row(1000)) is None
    now_s = 102.5
    assert marks.unfitness_of(row(1999)) is Unfit.BEHIND
    assert marks.unfitness_of(row(2000)) is None
    assert marks.unfitness_of(row(2000, is_replica=False)) is Unfit.PRIMARY
    assert marks.unfitness_of(row(2000, cluster="2")) is Unfit.FOREIGN
    now_s = 104.0
    assert marks.unfitness_of(row(10**9)) is Unfit.BEHIND


def test_a_replica_that_has_replayed_nothing_is_behind() -> None:
    marks = Marks(2.0, lambda: 100.0)
    marks.add(99.0, row(1000))
    assert marks.unfitness_of(row(0) | {"position": None}) is Unfit.BEHIND


def test_marks_are_young_until_a_replica_must_have_reached_one() -> None:
    now_s = 100.0
    marks = Marks(2.0, lambda: now_s)
    now_s = 101.9
    assert marks.is_young
    now_s = 102.0
    assert not marks.is_young


def test_marks_of_a_former_primary_do_not_count() -> None:
    marks = Marks(2.0, lambda: 100.0)
    marks.add(99.0, row(5000))
    marks.add(99.5, row(4000, timeline=2))
    assert marks.unfitness_of(row(5000)) is Unfit.OTHER_TIMELINE
    assert marks.unfitness_of(row(3999, timeline=2)) is Unfit.BEHIND
    assert marks.unfitness_of(row(4000, timeline=2)) is None


@pytest.mark.parametrize("header", [24, 40])
def test_the_header_of_a_page_is_no_part_of_what_a_replica_must_have(header: int) -> None:
    marks = Marks(2.0, lambda: 100.0)
    marks.add(99.0, row(8192 * 7 + header))
    assert marks.unfitness_of(row(8192 * 7)) is None
    assert marks.unfitness_of(row(8192 * 7 - 8)) is Unfit.BEHIND
