"""Health checks for load balancers and orchestrators."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.database.postgres import WrongDatabase, reason
from services.events.bus import BusState

READY_TIMEOUT_S = 2.0

_log = structlog.stdlib.get_logger(__name__)


def health_routes(
    *,
    ping_database: Callable[[], Awaitable[None]],
    bus_state: Callable[[], BusState],
    store_is_up: Callable[[], bool],
    photos_are_up: Callable[[], bool],
    mail_is_up: Callable[[], bool],
    replicas_are_up: Callable[[], bool] | None,
    is_draining: Callable[[], bool],
) -> list[Route]:
    """``/healthz``: the process is alive. ``/readyz``: it can serve.

    Without its database the server is not ready (503). It stays ready without the broker (``bus: degraded``), with
    a broker that does not keep positions and rates (``store: degraded``), and without the photo store (``photos:
    degraded``) or the mail server (``mail: degraded``), and without a fresh replica of the database (``replicas:
    degraded``; None: there are none): taking every instance out of service would make it worse.
    A process that drains is not ready (503), so that load balancers choose another.
    ``database`` is ``unusable`` if it answers but accepts no writes. The log reports the beginning and the end of
    that, not each request.
    """
    is_ready = True

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        nonlocal is_ready
        others = {
            "bus": bus_state().value,
            "store": "ok" if store_is_up() else "degraded",
            "photos": "ok" if photos_are_up() else "degraded",
            "mail": "ok" if mail_is_up() else "degraded",
        }
        if replicas_are_up is not None:
            others["replicas"] = "ok" if replicas_are_up() else "degraded"
        if is_draining():
            return JSONResponse({"status": "draining", **others}, 503)
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await ping_database()
        except Exception as error:
            # Any error of the driver means that no request can be served at the moment.
            if is_ready:
                _log.warning("not ready", error=reason(error))
            is_ready = False
            database = "unusable" if isinstance(error, WrongDatabase) else "unreachable"
            return JSONResponse({"status": "unavailable", "database": database, **others}, 503)
        if not is_ready:
            _log.info("ready again")
        is_ready = True
        return JSONResponse({"status": "ok", "database": "ok", **others})

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
