"""A stand-in for OSRM on loopback: streets that run north and east only."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import orjson

from models.geo import GeoPoint, distance_m
from services.positions import polyline

SPEED_M_PER_S = 5.0


class Streets(ThreadingHTTPServer):
    """Answers OSRM's route service with the way around one corner, while ``knows_routes``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.knows_routes = False

    @property
    def url(self) -> str:
        """For the setting ``TAXIRANK_ROUTING_URL``."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Streets  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        ends = urlsplit(self.path).path.rsplit("/", 1)[1].split(";")
        start, end = (GeoPoint(float(lat), float(lng)) for lng, lat in (each.split(",") for each in ends))
        corner = GeoPoint(start.lat, end.lng)
        distance = distance_m(start, corner) + distance_m(corner, end)
        route = {
            "distance": distance,
            "duration": distance / SPEED_M_PER_S,
            "geometry": polyline.encode((start, corner, end)),
        }
        answer = {"code": "Ok", "routes": [route]} if self.server.knows_routes else {"code": "NoRoute"}
        body = orjson.dumps(answer)
        self.send_response(200 if self.server.knows_routes else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Print nothing."""


@contextmanager
def serving_streets() -> Generator[Streets]:
    """Serve in a thread for the block."""
    with Streets() as streets:
        thread = threading.Thread(target=streets.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield streets
        finally:
            streets.shutdown()
            thread.join()
