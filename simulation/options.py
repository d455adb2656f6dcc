"""The options of a simulation."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from simulation.city import City
from simulation.geo import GeoPoint

_RADII_M = (100.0, 50_000.0)
_SPEED_UPS = (0.1, 100.0)
# By default a server accepts five positions a second from each driver, and deletes them after ten minutes.
_REPORTS_S = (0.25, 600.0)


class CannotSimulate(Exception):
    """The simulation cannot run. Its text is one line that says what to do."""


class OptionsError(CannotSimulate):
    """A wrong option."""


@dataclass(frozen=True, slots=True)
class Options:
    """Seconds and rates are real time. ``speed_up`` applies to the cars and to people's delays."""

    url: str
    riders: int = 20
    drivers: int = 50
    seconds: float = 60.0
    city: City = City(GeoPoint(52.3702, 4.8952), 5_000.0)  # noqa: RUF009 - frozen
    requests_per_minute: float = 30.0
    report_every_s: float = 4.0
    speed_up: float = 10.0
    seed: int | None = None

    def __post_init__(self) -> None:
        """Raises: OptionsError."""
        _check("--riders", self.riders >= 1, "must be at least 1")
        _check("--drivers", self.drivers >= 1, "must be at least 1")
        _check("--seconds", self.seconds > 0, "must be above 0")
        _check("--requests-per-minute", self.requests_per_minute > 0, "must be above 0")
        _within("--radius-m", self.city.radius_m, _RADII_M)
        _within("--speed-up", self.speed_up, _SPEED_UPS)
        _within("--report-every-s", self.report_every_s, _REPORTS_S)


def server_url(text: str) -> str:
    """The address of a server, without a path. Raises: OptionsError."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    is_address = parts.scheme in {"http", "https"} and parts.hostname is not None and port != 0
    if not is_address or parts.path.rstrip("/") not in {"", "/graphql"} or parts.query:
        raise OptionsError(f"{text!r} is not the address of a server, such as http://localhost:8000")
    return f"{parts.scheme}://{parts.netloc}"


def point(text: str) -> GeoPoint:
    """A position such as ``52.3702,4.8952``: latitude, then longitude. Raises: OptionsError."""
    try:
        lat, lng = map(float, text.split(","))
    except ValueError:
        lat = lng = float("nan")
    _check("--center", abs(lat) <= 90 and abs(lng) <= 180, "must be a position such as 52.3702,4.8952")
    return GeoPoint(lat, lng)


def _within(name: str, value: float, bounds: tuple[float, float]) -> None:
    _check(name, bounds[0] <= value <= bounds[1], f"must lie within {bounds[0]:g} and {bounds[1]:g}")


def _check(name: str, holds: bool, text: str) -> None:
    if not holds:
        raise OptionsError(f"{name}: {text}")
