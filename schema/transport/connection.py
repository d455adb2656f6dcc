"""The TCP connection behind an ASGI ``send``, as far as the server in front lets it be reached."""

from collections.abc import Callable
from typing import Protocol

from starlette.types import Scope

# A key of the scope's extensions: middleware wraps `send`, so endpoints cannot reach the connection by it.
_CONNECTION = "taxirank.connection"


class Connection(Protocol):
    """Direct access to the server's connection: raw frames, abort, keep-alive. Does nothing without it."""

    @property
    def write_ready(self) -> Callable[[bytes], bool] | None:
        """Writes encoded frames: all bytes or none, and returns which. None if the server cannot do that."""
        ...

    def abort(self) -> None:
        """Close the connection at once."""
        ...

    def when_stopping(self, end: Callable[[], None]) -> Callable[[], None]:
        """Call ``end`` when the server stops, at once if it is stopping. Call the result to unregister it."""
        ...

    def expect_acknowledgements(self, *, within_s: float) -> None:
        """Cut the connection when the peer acknowledges nothing for ``within_s``."""
        ...


def set_connection(scope: Scope, connection: Connection) -> None:
    """Attach the connection to a request, before any middleware."""
    scope["extensions"] = {**scope.get("extensions", {}), _CONNECTION: connection}


def connection_of(scope: Scope) -> Connection:
    """The connection of a request."""
    return scope["extensions"][_CONNECTION]
