"""The address by which users know the server, in what the library makes of a request."""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send


class PublicAddress:
    """Shows the library every request as one to the public address.

    It makes links and redirections of the address that it was asked by, and Secure cookies if that begins with
    https. Behind a proxy the server is asked by another one, or by whatever the client has written there.
    """

    def __init__(self, app: ASGIApp, *, url: str) -> None:
        self._app = app
        parts = urlsplit(url)
        self._scheme = parts.scheme
        self._host = parts.netloc.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            others = [field for field in scope["headers"] if field[0] != b"host"]
            scope = {**scope, "scheme": self._scheme, "headers": [(b"host", self._host), *others]}
        await self._app(scope, receive, send)
