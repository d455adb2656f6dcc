"""Makes the library use the address by which users know the server."""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send


class PublicAddress:
    """Makes every request look like one to the public address.

    The library builds links and redirects from the requested address, and sets Secure cookies if it begins with
    https. Behind a proxy the requested address differs, and a client can choose it.
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
