"""The time zone of displayed times: the browser's, which the library's script stores in a cookie."""

import functools
import zoneinfo
from datetime import UTC, datetime
from typing import NamedTuple

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette_admin.i18n import get_tzinfo, set_database_timezone, set_timezone

COOKIE = "timezone"
_DEFAULT = "UTC"
# Below each limit in seconds, an age is told in the unit. The script in templates/layout.html has the same steps.
_UNITS = ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h"), (float("inf"), 86_400, "days"))


class TimeZones:
    """Replaces the library's class, which fails on a cookie like ``../x`` and caches 512 cookies of any size."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        wanted = HTTPConnection(scope).cookies.get(COOKIE, _DEFAULT)
        set_timezone(wanted if wanted in _known() else _DEFAULT)
        set_database_timezone(_DEFAULT)
        await self._app(scope, receive, send)


class Moment(NamedTuple):
    """A time as the pages show it: in the reader's zone, which it names, and how long ago it is."""

    text: str
    iso: str
    age: str
    age_s: int


def moment(value: datetime) -> Moment:
    """A time for ``templates/time.html``."""
    age_s = round((datetime.now(UTC) - value).total_seconds())
    return Moment(text(value), value.astimezone(UTC).isoformat(timespec="seconds"), age_text(age_s), age_s)


def text(value: datetime) -> str:
    """A time in the reader's zone, with the name of the zone."""
    local = value.astimezone(get_tzinfo())
    zone = local.tzname() or _DEFAULT
    # Zones without letters of their own are called by their distance.
    return f"{local:%Y-%m-%d %H:%M:%S} {f'UTC{zone}' if zone[0] in '+-' else zone}"


def age_text(age_s: float) -> str:
    """How long ago that was, in words; a negative age lies ahead."""
    seconds = abs(age_s)
    size, unit = next((size, unit) for limit, size, unit in _UNITS if seconds < limit)
    said = f"{int(seconds // size)} {unit}"
    return f"in {said}" if age_s < 0 else f"{said} ago"


@functools.cache
def _known() -> set[str]:
    return zoneinfo.available_timezones()
