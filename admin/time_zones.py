"""The time zone of displayed times: the browser's, which the library's script stores in a cookie."""

import functools
import zoneinfo

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette_admin.i18n import set_database_timezone, set_timezone

COOKIE = "timezone"
_DEFAULT = "UTC"


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


@functools.cache
def _known() -> set[str]:
    return zoneinfo.available_timezones()
