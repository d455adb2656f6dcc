"""The lists of the admin on a real hot standby: staff see at once what they have changed themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from application.settings import Settings
from services.staff.city_figures import CityPeriod
from tests.conftest import LiveServer, serving
from tests.support.api import PASSWORD
from tests.support.replication import Node, standby_of
from tests.support.servers import own_postgres
from tests.support.staff import StaffBrowser, make_staff
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)

NEW = {
    "username": "nora@example.com",
    "password": PASSWORD,
    "first_name": "Nora",
    "last_name": "New",
    "role": "RIDER",
}


@dataclass
class Site:
    """A server with a replica that is read, and a member of staff whose log-in was long ago."""

    server: LiveServer
    standby: Node
    staff: StaffBrowser

    @property
    def reads(self) -> int:
        """How many reads the replica has answered."""
        return self.server.application.counters.replica_reads

    async def forget_changes(self) -> None:
        """Let all changes of staff have been made long ago, also for the replica."""
        database = self.server.application.database
        await database.fetch("UPDATE staff_actions SET at = at - interval '1 hour'")
        written = await database.fetch("SELECT pg_current_wal_insert_lsn()::text AS position")
        replayed = f"SELECT pg_last_wal_replay_lsn() >= '{written[0]['position']}'"

        async def is_replayed() -> bool:
            return await asyncio.to_thread(self.standby.execute, replayed) == "t"

        await until(is_replayed)


@pytest.fixture
async def site(settings: Settings) -> AsyncIterator[Site]:
    with own_postgres() as own, standby_of(own) as standby:
        url = own.copy()
        name = url.rpartition("?")[0].rpartition("/")[2]
        standby_has_it = f"SELECT count(*) FROM pg_database WHERE datname = '{name}'"

        async def is_there() -> bool:
            return await asyncio.to_thread(standby.execute, standby_has_it) == "1"

        await until(is_there)
        given = {
            "database_url": url,
            "database_replica_url": standby.url(name),
            "database_replica_max_age_s": 60.0,
        }
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(serving(settings.model_copy(update=given)))
            staff = await stack.enter_async_context(StaffBrowser(server.url))
            await make_staff(server.application, "stella")
            assert (await staff.log_in("stella")).status_code == 303
            found = Site(server, standby, staff)
            await found.forget_changes()
            await until(lambda: server.application.replicas.fresh == 1)
            yield found


async def test_lists_exports_and_figures_are_read_from_the_replica_and_a_row_from_the_primary(site: Site) -> None:
    before = site.reads
    (user_id,) = await site.staff.rows("user")
    # The rows and their number.
    assert site.reads == before + 2
    assert (await site.staff.get("/user/detail", pk=user_id)).status_code == 200
    assert site.reads == before + 2
    assert "stella" in (await site.staff.export("user")).text
    assert site.reads > before + 2
    before = site.reads
    await site.server.application.services.city_statistics.of(CityPeriod.HOUR)
    assert site.reads > before


async def test_staff_see_what_they_have_just_changed_although_the_replica_has_not_heard_of_it(site: Site) -> None:
    await asyncio.to_thread(site.standby.execute, "SELECT pg_wal_replay_pause()")
    before = site.reads
    assert (await site.staff.form("/user/create", NEW)).status_code == 303
    shown = site.reads
    assert shown > before
    assert len(await site.staff.rows("user", q="nora")) == 1
    assert site.reads == shown
    # Somebody else sees it when the replica has heard of it.
    async with StaffBrowser(site.server.url) as other:
        await make_staff(site.server.application, "otto")
        assert (await other.log_in("otto")).status_code == 303
        await site.server.application.database.fetch(
            "UPDATE staff_actions SET at = at - interval '1 hour' WHERE staff_username = 'otto'"
        )
        assert await other.rows("user", q="nora") == []
        await asyncio.to_thread(site.standby.execute, "SELECT pg_wal_replay_resume()")

        async def is_shown() -> bool:
            return len(await other.rows("user", q="nora")) == 1

        await until(is_shown)


async def test_readiness_and_metrics_tell_whether_a_replica_is_read(site: Site) -> None:
    http = site.staff.http
    assert (await http.get("/readyz")).json()["replicas"] == "ok"
    await site.staff.rows("trip")
    metrics = (await http.get("/metrics")).text
    assert "taxirank_replicas_fresh 1.0" in metrics
    assert f"taxirank_replica_reads_total {float(site.reads)}" in metrics
    await asyncio.to_thread(site.standby.kill)

    async def is_told() -> bool:
        ready = await http.get("/readyz")
        assert ready.status_code == 200
        return ready.json()["replicas"] == "degraded"

    await until(is_told)
    assert len(await site.staff.rows("user")) == 1
    metrics = (await http.get("/metrics")).text
    assert "taxirank_replicas_fresh 0.0" in metrics
    assert "taxirank_replica_fallbacks_total 2.0" in metrics
