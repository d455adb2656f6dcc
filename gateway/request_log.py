"""The log of HTTP requests: their ids, and the incidents of unexpected failures."""

import logging
import random
import re
import time
from collections.abc import Callable
from urllib.parse import quote

import structlog
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.hosts import header
from services.runtime import incidents

_log = structlog.stdlib.get_logger("taxirank.access")
_levels = logging.getLogger("taxirank.access")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET_PATHS = {"/healthz", "/readyz"}
# The longest possible path would make a log line of 64 KB, or 190 KB if it is decoded and encoded again.
_LOGGED_PATH_BYTES = 256


def _new_id() -> str:
    """Unique, and no secret: a look at the system's random numbers for each request would take longer."""
    return f"{random.getrandbits(128):032x}"


class RequestId:
    """Gives each request an id: in every log line that it causes, and in ``X-Request-ID`` of the answer.

    An id that came with the request is kept, so that the logs of a proxy and of the server can be joined.
    Successful requests are logged only at debug level. ``observe`` receives the path, the status and the seconds
    of each request.
    """

    def __init__(self, app: ASGIApp, observe: Callable[[str, int, float], None]) -> None:
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = header(scope, b"x-request-id").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else _new_id()
        named = (b"x-request-id", request_id.encode())
        status = 500
        began = time.perf_counter()

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), named]
            await send(message)

        tokens = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send_named)
        finally:
            elapsed_s = time.perf_counter() - began
            self._observe(scope["path"], status, elapsed_s)
            level = logging.DEBUG if status < 400 or scope["path"] in _QUIET_PATHS else logging.INFO
            # structlog would also find out that the line is not wanted, ten times as slowly.
            if _levels.isEnabledFor(level):
                _log.log(
                    level,
                    "request",
                    method=scope["method"],
                    path=_logged_path(scope),
                    status=status,
                    elapsed_ms=round(elapsed_s * 1000, 1),
                )
            structlog.contextvars.reset_contextvars(**tokens)


def _logged_path(scope: Scope) -> str:
    """The path as it was sent, or its beginning. A decoded path could contain text that looks like another log
    entry.
    """
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    shown = quote(raw[:_LOGGED_PATH_BYTES], safe="/%")
    return shown if len(raw) <= _LOGGED_PATH_BYTES else f"{shown}…"


class Incidents:
    """Answers unexpected failures with 500 and an incident id; the log has the details.

    If the answer has already begun, the server only closes the connection, so that the client sees an incomplete
    answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        has_begun = False

        async def send_noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception as error:
            if scope["type"] != "http":
                raise
            incident_id = incidents.report(error)
            if not has_begun:
                extensions = {"code": "INTERNAL", "incidentId": incident_id}
                shown = {"message": incidents.shown(incident_id), "extensions": extensions}
                await JSONResponse({"errors": [shown]}, 500)(scope, receive, send)
