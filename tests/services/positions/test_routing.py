"""Times of arrival: from an OSRM server, or estimated if it has no answer."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from models.geo import GeoPoint, distance_m
from services.positions import polyline
from services.positions.routing import DETOUR, MAX_ETA_S, Drive, Osrm, Router, StraightLine, eta_s
from services.runtime.counters import Counters
from tests.support.brokers import free_port
from tests.support.waiting import PATIENCE_S, until

START, END = GeoPoint(52.517037, 13.38886), GeoPoint(52.529407, 13.397634)
ESTIMATE_S = distance_m(START, END) * DETOUR / (25 / 3.6)
TIMEOUT_S = 0.2
LINE = polyline.encode((START, GeoPoint(52.52, 13.39), END))
# As in https://project-osrm.org/docs/v5.24.0/api/#route-service
ROUTE: dict[str, Any] = {
    "code": "Ok",
    "waypoints": [
        {"name": "Friedrichstraße", "location": [13.388798, 52.517033], "distance": 4.231, "hint": "…"},
        {"name": "Torstraße", "location": [13.39763, 52.529432], "distance": 2.789, "hint": "…"},
    ],
    "routes": [
        {
            "legs": [{"steps": [], "weight": 263.2, "distance": 1886.3, "summary": "", "duration": 260.2}],
            "weight_name": "routability",
            "weight": 263.2,
            "distance": 1886.3,
            "duration": 260.2,
            "geometry": LINE,
        }
    ],
}


class Engine:
    """Replaces OSRM: answers every request with ``answer``, byte by byte every ``pause_s``; None: never."""

    def __init__(self) -> None:
        self.answer: bytes | None = None
        self.pause_s = 0.0
        self.asked: list[str] = []
        self.connections = 0
        self.port = 0

    def says(self, body: Any, status: str = "200 OK") -> None:
        """Give this answer from now on."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self.answer = head.encode() + data

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.asked.append(head.split(b" ")[1].decode())
                if self.answer is None:
                    continue
                pieces = [bytes([byte]) for byte in self.answer] if self.pause_s else [self.answer]
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(self.pause_s)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections -= 1
            writer.close()


def osrm(url: str, *, timeout_s: float) -> Osrm:
    return Osrm(url, timeout_s=timeout_s, fallback=StraightLine(speed_kmh=25), counters=Counters())


async def time_s(router: Router, start: GeoPoint, end: GeoPoint) -> float:
    return (await router.drive(start, end)).duration_s


@asynccontextmanager
async def served(engine: Engine, path: str = "", *, timeout_s: float = PATIENCE_S) -> AsyncGenerator[Router]:
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    router = osrm(f"http://127.0.0.1:{port}{path}", timeout_s=timeout_s)
    try:
        yield router
    finally:
        await router.close()
        server.close()
        await until(lambda: engine.connections == 0)


async def test_the_estimate_is_the_straight_line_with_a_detour_at_the_speed() -> None:
    router = StraightLine(speed_kmh=36)
    assert await time_s(router, GeoPoint(0, 0), GeoPoint(0, 1)) == pytest.approx(111_195 * DETOUR / 10, rel=1e-4)
    assert await time_s(router, START, START) == 0


async def test_a_time_of_arrival_beyond_a_few_hours_is_not_shown() -> None:
    router = StraightLine(speed_kmh=100)
    there = GeoPoint(START.lat + MAX_ETA_S * 100 / 3.6 / DETOUR / 111_195, START.lng)
    assert await eta_s(router, START, GeoPoint(there.lat - 0.01, there.lng)) == pytest.approx(MAX_ETA_S, rel=0.01)
    assert await eta_s(router, START, GeoPoint(there.lat + 0.01, there.lng)) is None


async def test_the_engine_is_asked_for_the_fastest_route_with_the_longitude_first() -> None:
    engine = Engine()
    engine.says(ROUTE)
    async with served(engine) as router:
        assert await time_s(router, START, END) == 260.2
    assert engine.asked == [
        "/route/v1/driving/13.388860,52.517037;13.397634,52.529407?overview=simplified&geometries=polyline"
    ]


async def test_a_drive_has_the_line_and_the_length_of_the_engine_or_the_straight_line_and_says_so() -> None:
    engine = Engine()
    engine.says(ROUTE)
    async with served(engine) as router:
        assert await router.drive(START, END) == Drive(1886.3, 260.2, LINE, is_estimated=False)
        assert router.is_up
        engine.says(b"oops")
        drive = await router.drive(START, END)
        assert not router.is_up
        assert drive == await StraightLine(speed_kmh=25).drive(START, END)
        assert (drive.is_estimated, len(polyline.decode(drive.encoded_polyline))) == (True, 2)
        engine.says({"code": "NoRoute"}, "400 Bad Request")
        assert (await router.drive(START, END)).is_estimated
        assert router.is_up, "it has answered"


async def test_simultaneous_equal_requests_are_sent_once_and_the_next_one_again() -> None:
    engine = Engine()
    engine.says(ROUTE)
    async with served(engine) as router:
        assert await asyncio.gather(*(time_s(router, START, END) for _ in range(50))) == [260.2] * 50
        assert len(engine.asked) == 1
        await asyncio.gather(time_s(router, START, END), time_s(router, END, START))
    assert len(engine.asked) == 3


@pytest.mark.parametrize("path", ["/berlin/car", "/berlin/car/"])
async def test_the_engine_may_be_behind_a_path(path: str) -> None:
    engine = Engine()
    engine.says(ROUTE)
    async with served(engine, path) as router:
        assert await time_s(router, START, END) == 260.2
    assert engine.asked[0].startswith("/berlin/car/route/v1/driving/13.388860,")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("400 Bad Request", {"code": "NoRoute", "message": "Impossible route between points"}),
        ("200 OK", {"code": "NoRoute", "routes": []}),
        ("400 Bad Request", {"code": "InvalidQuery", "message": "Query string malformed close to position 12"}),
        ("400 Bad Request", {"code": "NoSegment", "message": "Could not find a matching segment"}),
        ("429 Too Many Requests", ROUTE),
        ("429 Too Many Requests", {"code": "TooManyRequests"}),
        ("503 Service Unavailable", ROUTE),
        ("500 Internal Server Error", b"oops"),
        ("502 Bad Gateway", b"<html>"),
        ("301 Moved Permanently", b""),
        ("200 OK", b""),
        ("200 OK", b"\xff\xfe"),
        ("200 OK", b"[" * 100_000),
        ("200 OK", b"null"),
        ("200 OK", []),
        ("200 OK", {}),
        ("200 OK", {"code": "Ok"}),
        ("200 OK", {"code": "Ok", "routes": []}),
        ("200 OK", {"code": "Ok", "routes": {}}),
        ("200 OK", {"code": "Ok", "routes": [{}]}),
        ("200 OK", {"code": "Ok", "routes": [{"duration": None}]}),
        ("200 OK", {"code": "Ok", "routes": [{"duration": "soon"}]}),
        ("200 OK", {"code": "Ok", "routes": [{"duration": -1}]}),
        ("200 OK", b'{"code": "Ok", "routes": [{"duration": NaN}]}'),
        ("200 OK", b'{"code": "Ok", "routes": [{"duration": 1e999}]}'),
        ("200 OK", b'{"code": "Ok", "routes": [{"duration": 1' + b"0" * 400 + b"}]}"),
        ("200 OK", {"code": "Ok", "routes": [{"duration": 3e9}]}),
        ("200 OK", {"code": "Ok", "routes": [{"duration": 1, "distance": -1, "geometry": LINE}]}),
        ("200 OK", {"code": "Ok", "routes": [{"duration": 1, "distance": 1e12, "geometry": LINE}]}),
        *(
            ("200 OK", {"code": "Ok", "routes": [{"duration": 1, "distance": 1, "geometry": line}]})
            for line in (None, [], "", " ", "\u0100", LINE[:-1], "_" * 9 + "?", "~" * 100_001, "A" * 100_002)
        ),
    ],
)
async def test_an_answer_without_a_route_is_estimated_and_the_next_answer_counts(status: str, body: Any) -> None:
    engine = Engine()
    async with served(engine) as router:
        engine.says(body, status)
        assert (await router.drive(START, END)).is_estimated
        assert await time_s(router, START, END) == pytest.approx(ESTIMATE_S)
        engine.says(ROUTE)
        assert await time_s(router, START, END) == 260.2


async def test_without_an_engine_the_time_is_estimated() -> None:
    router = osrm(f"http://127.0.0.1:{free_port()}", timeout_s=TIMEOUT_S)
    assert await time_s(router, START, END) == pytest.approx(ESTIMATE_S)
    await router.close()


# The whole answer would take more than a minute.
@pytest.mark.parametrize("pause_s", [None, TIMEOUT_S * 3 / 4], ids=["silent", "byte by byte"])
async def test_an_engine_that_takes_too_long_costs_its_time_out_and_no_more(pause_s: float | None) -> None:
    engine = Engine()
    if pause_s is not None:
        engine.says(ROUTE)
        engine.pause_s = pause_s
    async with served(engine, timeout_s=TIMEOUT_S) as router:
        began = time.monotonic()
        assert await time_s(router, START, END) == pytest.approx(ESTIMATE_S)
        assert TIMEOUT_S * 0.9 <= time.monotonic() - began < TIMEOUT_S + PATIENCE_S
        assert len(engine.asked) == 1


async def test_proxies_of_the_environment_receive_no_positions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    engine = Engine()
    engine.says(ROUTE)
    async with served(engine) as router:
        assert await time_s(router, START, END) == 260.2
