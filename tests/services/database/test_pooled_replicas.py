"""Replicas and PgBouncer: it may stand in front of the primary, but not in front of a replica."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from application.settings import Settings
from services.database.connections import Database
from services.database.postgres import WrongDatabase
from services.database.replicas import Replicas
from services.runtime.counters import Counters
from tests.support.pgbouncer import PORT, pgbouncer
from tests.support.replication import Node, standby_of
from tests.support.servers import own_postgres
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)

WITHIN_S = 30.0
SAYS = r"^TAXIRANK_DATABASE_REPLICA_URL: .*: it is a pooler .*: name the address of the replica itself$"


@dataclass
class Two:
    """The migrated database on a primary, and its standby."""

    primary_url: str
    standby: Node

    @property
    def replica_url(self) -> str:
        """The address of the standby itself."""
        return self.standby.url(urlsplit(self.primary_url).path.lstrip("/"))


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    with own_postgres() as own:
        url = own.copy()
        with standby_of(own) as standby:
            yield Two(url, standby)


def behind(folder: Path, url: str) -> str:
    """The address of the same database through a pooler."""
    return f"{url.partition('?')[0]}?host={folder}&port={PORT}"


def settings_of(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)  # pyright: ignore[reportCallIssue]


async def test_the_primary_may_be_behind_a_pooler(two: Two) -> None:
    with pgbouncer(two.primary_url) as folder:
        settings = settings_of(
            database_url=behind(folder, two.primary_url),
            database_direct_url=two.primary_url,
            database_replica_url=two.replica_url,
        )
        database, counters = Database(settings), Counters()
        replicas = Replicas(settings, database, counters)
        await database.connect()
        await replicas.start()
        await until(lambda: replicas.fresh == 1, WITHIN_S)
        (row,) = await replicas.fetch("SELECT pg_is_in_recovery() AS is_replica")
        assert row["is_replica"]
        assert counters.replica_reads == 1
        await replicas.stop()
        await database.disconnect()


@pytest.mark.parametrize("ignored", ["", "jit,enable_seqscan,plan_cache_mode,default_transaction_isolation"])
async def test_a_replica_behind_a_pooler_stops_the_start_with_one_line(two: Two, ignored: str) -> None:
    with pgbouncer(two.standby.url(), ignored=ignored) as folder:
        settings = settings_of(database_url=two.primary_url, database_replica_url=behind(folder, two.replica_url))
        database = Database(settings)
        replicas = Replicas(settings, database, Counters())
        await database.connect()
        with pytest.raises(WrongDatabase, match=SAYS):
            await replicas.start()
        await replicas.stop()
        await database.disconnect()
