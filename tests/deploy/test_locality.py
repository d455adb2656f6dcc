"""Clients that name their part of the town share a server there, so that a request wakes few. The files of
`deploy/haproxy/` and `deploy/nginx/`, before four real servers.
"""

import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import h3
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from benchmarks.divisions import divided
from models.geo import GeoPoint
from services.events.topics import Topics
from services.positions.cells import cell_of
from tests.deploy.test_backup import postgres_programs
from tests.support import haproxy
from tests.support.api import POOL, REPORT_LOCATION, Api, Events, Socket, open_socket
from tests.support.processes import server_process
from tests.support.proxies import Proxy, before
from tests.support.servers import Postgres

# It starts four servers.
pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

SERVERS = 4
DRIVERS_EACH = 6
RADIUS_M = 1_000
# The server closes the topics of a place only some time after its last driver has left: no two tests share places.
DEGREES = iter(range(-40, 40))


@pytest.fixture
def places() -> Sequence[GeoPoint]:
    """Four, farther from each other than an offer reaches."""
    south = next(DEGREES)
    return [GeoPoint(south + lat, lng) for lat in (0.2, 0.6) for lng in (4.7, 5.1)]


def area_of(place: GeoPoint) -> str:
    """What an app writes into the address: the H3 cell, as H3's library writes it."""
    return h3.latlng_to_cell(place.lat, place.lng, 7)


@dataclass
class Driver:
    """A driver with an open pool. ``server``: ``HOST:PORT`` of the one that its socket leads to."""

    api: Api
    pool: Events
    server: str


@dataclass
class Site:
    """Four servers. ``addresses``: ``HOST:PORT`` of each."""

    urls: Sequence[str]
    database_url: str
    redis: Redis
    topics: Topics

    @property
    def addresses(self) -> Sequence[str]:
        """`HOST:PORT` of each server."""
        return [urlsplit(url).netloc for url in self.urls]

    @asynccontextmanager
    async def person(self, role: str) -> AsyncIterator[Api]:
        """Somebody who has signed up, at a server itself."""
        async with Api(self.urls[0]) as api:
            yield await api.sign_up(role)

    @asynccontextmanager
    async def drivers(
        self, url: str, places: Sequence[GeoPoint], *, named: bool
    ) -> AsyncIterator[list[list[Driver]]]:
        """Six at each place. ``url``: where their sockets lead; ``named``: they name their area there."""
        async with AsyncExitStack() as stack:
            found: list[list[Driver]] = []
            for place in places:
                there: list[Driver] = []
                for _ in range(DRIVERS_EACH):
                    api = await stack.enter_async_context(self.person("DRIVER"))
                    at = {
                        "point": {"lat": place.lat, "lng": place.lng},
                        "recordedAt": datetime.now(UTC).isoformat(),
                    }
                    assert (await api.data(REPORT_LOCATION, input=at))["errors"] == []
                    query = f"?area={area_of(place)}" if named else ""
                    socket = await stack.enter_async_context(
                        open_socket(url, headers=api.cookie_header(), query_string=query)
                    )
                    await socket.init()
                    pool = await socket.start(POOL)
                    assert (await pool.next())["__typename"] == "PoolSnapshot"
                    there.append(Driver(api, pool, server_of(socket)))
                found.append(there)
            yield found

    async def woken(self, place: GeoPoint) -> int:
        """How many servers hear of a request there. Each listens once, however many drivers it has there."""
        ((_, listening),) = await self.redis.pubsub_numsub(self.topics.pool_cell(cell_of(place)))
        return int(listening)


def server_of(socket: Socket) -> str:
    """The server that a socket leads to."""
    response = socket.connection.response
    assert response is not None
    return response.headers["X-Server"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(
    postgres: Postgres, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    folder, database_url = tmp_path_factory.mktemp("locality"), postgres.copy()
    prefix = f"locality-{folder}".replace("/", "-")[-40:]
    async with AsyncExitStack() as stack:
        stack.callback(postgres.drop, database_url)
        settings = {
            "database_url": database_url,
            "redis_url": redis_url,
            "redis_prefix": prefix,
            "media_url": folder,
            "password_hash_memory_kib": 1024,
            "offer_radius_m": RADIUS_M,
        }
        servers = [await stack.enter_async_context(server_process(**settings)) for _ in range(SERVERS)]
        for server in servers:
            await server.ready()
        redis = Redis.from_url(redis_url)
        stack.push_async_callback(redis.aclose)
        yield Site([server.url for server in servers], database_url, redis, Topics(prefix))


async def request_at(rider: Api, place: GeoPoint) -> str:
    trip = await rider.create_trip(pickUp=point_of(place))
    return trip["id"]


def point_of(place: GeoPoint) -> dict[str, float]:
    return {"lat": place.lat, "lng": place.lng}


def areas_of(site: Site) -> str:
    """The file that HAProxy reads, by the command in `areas.sql`."""
    text = haproxy.AREAS.read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("--   psql ")]
    line = line.removeprefix("--   ").replace("deploy/haproxy/areas.sql", str(haproxy.AREAS))
    done = subprocess.run(
        ["bash", "-e", "-c", line],
        env={"PATH": f"{postgres_programs()}:/usr/bin:/bin", "TAXIRANK_DATABASE_URL": site.database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_without_an_area_a_request_wakes_every_server(site: Site, places: Sequence[GeoPoint]) -> None:
    async with before(Proxy.HAPROXY, site.addresses) as url, site.drivers(url, places, named=False):
        assert [await site.woken(place) for place in places] == [SERVERS] * len(places)


async def test_with_a_divided_town_a_request_wakes_the_one_server_of_its_part(
    site: Site, places: Sequence[GeoPoint]
) -> None:
    async with site.person("RIDER") as rider:
        # Not as many everywhere.
        requests = [place for place, times in zip(places, (1, 1, 2, 4), strict=True) for _ in range(times)]
        for place in requests:
            await request_at(rider, place)
        areas = areas_of(site)
        servers = dict(line.split() for line in areas.splitlines())
        assert servers == {f"{cell:x}": f"server{n + 1}" for cell, n in divided(requests, SERVERS).items()}
        async with (
            before(Proxy.HAPROXY, site.addresses, areas=areas) as url,
            site.drivers(url, places, named=True) as d,
        ):
            for place, there in zip(places, d, strict=True):
                number = int(servers[area_of(place)].removeprefix("server"))
                assert {driver.server for driver in there} == {site.addresses[number - 1]}
                assert await site.woken(place) == 1
                trip_id = await request_at(rider, place)
                for driver in there:
                    assert (await driver.pool.next())["trip"]["id"] == trip_id


async def test_if_the_server_of_a_part_is_away_another_takes_its_clients(
    site: Site, places: Sequence[GeoPoint]
) -> None:
    areas = "".join(f"{area_of(place)} server{n}\n" for n, place in enumerate(places, 1))
    # Nobody listens at port 1.
    servers = [*site.addresses[:-1], "127.0.0.1:1"]
    async with before(Proxy.HAPROXY, servers, areas=areas) as url, site.drivers(url, places, named=True) as found:
        *present, away = [{driver.server for driver in there} for there in found]
        assert present == [{address} for address in site.addresses[:-1]]
        assert away <= set(site.addresses[:-1])


async def test_a_part_that_the_file_does_not_have_is_shared_by_all_servers(
    site: Site, places: Sequence[GeoPoint]
) -> None:
    async with (
        before(Proxy.HAPROXY, site.addresses, areas=f"{area_of(places[0])} server2\n") as url,
        site.drivers(url, places, named=True) as found,
    ):
        assert {driver.server for driver in found[0]} == {site.addresses[1]}
        # Those with the fewest connections come first, so the one that has six already gets none for a while.
        others = {driver.server for there in found[1:] for driver in there}
        assert others >= {address for address in site.addresses if address != site.addresses[1]}


async def test_nginx_brings_the_drivers_of_a_cell_to_one_server_and_spreads_those_who_name_none(
    site: Site, places: Sequence[GeoPoint]
) -> None:
    async with before(Proxy.NGINX, site.addresses, by_area=True) as url:
        async with site.drivers(url, places, named=True):
            assert [await site.woken(place) for place in places] == [1] * len(places)
        elsewhere = [GeoPoint(place.lat, place.lng + 10) for place in places]
        async with site.drivers(url, elsewhere, named=False) as found:
            # By chance: that the six drivers of a place meet at one server, four times, does not happen.
            assert len({driver.server for there in found for driver in there}) > 1
            assert sum([await site.woken(place) for place in elsewhere]) > len(places)
