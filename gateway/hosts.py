"""The host names that this server answers to."""

import functools
import ipaddress
from collections.abc import Iterable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from services.limits.sparse_log import SparseLog

# Nobody can register a name below these: RFC 6761, RFC 6762, and ICANN's resolution of 2024 on private use.
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal")
_MAX_HOST_BYTES = 261  # A name of 253 characters, and a port.
ANY = "*"

_MESSAGE = "The server does not know this host name. TAXIRANK_PUBLIC_URL or TAXIRANK_ALLOWED_HOSTS must list it."
_ERROR = {"message": _MESSAGE, "extensions": {"code": "UNKNOWN_HOST"}}

_refusals = SparseLog(__name__)


class Hosts:
    """Refuses requests and sockets for unknown host names: 421 for HTTP, 403 for a socket.

    A page can make its own name point to an address inside a user's network (DNS rebinding). For the browser the
    server there is then the page's own origin, and the page reads everything that needs no log-in. The attack
    needs a name that can be registered; so addresses, names without a dot and private names are always known.
    """

    def __init__(self, app: ASGIApp, *, names: Iterable[str]) -> None:
        """``names``: host names without port, in lower case; ``*`` accepts any name."""
        self._app = app
        self._names = frozenset(names)
        self._knows = functools.lru_cache(maxsize=256)(self._look_up)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        if scope["type"] == "lifespan" or self.knows(header(scope, b"host")):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            host = header(scope, b"host").decode("latin-1")
            _refusals.warning("socket refused", reason=_MESSAGE, host=host)
            await JSONResponse({"errors": [_ERROR]}, 403)(scope, receive, send)
            # Read the disconnect message.
            await receive()
        else:
            await JSONResponse({"errors": [_ERROR]}, 421)(scope, receive, send)

    def knows(self, host: bytes) -> bool:
        """Whether a Host header names this server. A request without the header does not come from a browser and
        is accepted.
        """
        return len(host) <= _MAX_HOST_BYTES and self._knows(host)

    def _look_up(self, host: bytes) -> bool:
        name = _without_port(host.decode("latin-1").strip().lower()).removesuffix(".")
        if ANY in self._names or name in self._names or "." not in name:
            return True
        if name.endswith(_PRIVATE_SUFFIXES):
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True


def header(scope: Scope, name: bytes) -> bytes:
    """The first header of that name, in lower case; empty if there is none."""
    for given, value in scope["headers"]:
        if given == name:
            return value
    return b""


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host
