"""How uvicorn serves an application."""

import functools
from typing import Any

from starlette.types import ASGIApp

from application.application import Application
from application.asgi import Asgi
from application.errors import StartError
from application.process import read_settings, stop
from application.settings import Settings
from application.workers import end_with_parent
from gateway.uvicorn.first_request import connection
from gateway.uvicorn.socket_protocol import SocketProtocol
from services.limits.rates import Rate
from services.runtime import logs
from services.runtime.fair_queue import FairQueue

# The share of SHUTDOWN_TIMEOUT_S in which running requests may finish. Then the parts stop (lifespan.py).
SHARE_OF_REQUESTS = 0.6


def app_from_environment() -> ASGIApp:
    """Build the application that a server process runs, and tune the garbage collector for short pauses."""
    end_with_parent()
    settings = read_settings()
    logs.configure(level=settings.log_level, format=settings.log_format)
    try:
        application = Application(settings)
        app = Asgi(application)
    except StartError as error:
        stop(str(error))
    application.memory.take_over()
    return app


def uvicorn_options(settings: Settings, *, host: str, port: int) -> dict[str, Any]:
    """The options for ``uvicorn.Config``."""
    return {
        "host": host,
        "port": port,
        "workers": settings.workers,
        "loop": "uvloop",
        "ws": functools.partial(
            SocketProtocol,
            message_rate=Rate.parse(settings.socket_message_rate),
            pieces=FairQueue(),
            ends=FairQueue(),
        ),
        "http": functools.partial(connection, timeout_s=settings.receive_timeout_s, handshakes=FairQueue()),
        # Compression costs 16 µs a delivery and 40 KB a socket.
        "ws_per_message_deflate": False,
        "ws_max_size": settings.max_message_bytes,
        "ws_ping_interval": settings.ping_interval_s,
        "ws_ping_timeout": settings.pong_timeout_s,
        "timeout_keep_alive": settings.keep_alive_s,
        "timeout_graceful_shutdown": settings.shutdown_timeout_s * SHARE_OF_REQUESTS,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "forwarded_allow_ips": settings.trusted_proxies,
    }
