"""The default security headers of every answer."""

import functools

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Sent with every answer that does not set the header itself.
HEADERS = {
    # Answers are for one caller. Cacheable answers (photos, the build of the pages) set this header themselves.
    "Cache-Control": "no-store",
    # The pages (the board, GraphiQL, the admin) set policies of their own. If a link leads a browser to any other
    # answer, it loads nothing and runs nothing.
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # A page that opened one of ours gets no reference to its window.
    "Cross-Origin-Opener-Policy": "same-origin",
    # No other origin can load an answer as a script or a picture and learn from the result. Pages of allowed
    # origins read by CORS, which this does not affect.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
        "microphone=(), midi=(), payment=(), usb=()"
    ),
}

# A year, the minimum of the preload lists. Without includeSubDomains, because other host names are not ours.
_HSTS = "max-age=31536000"


class SecurityHeaders:
    """Adds the missing security headers to every answer, including errors of any layer.

    ``is_https``: users reach the server by https; browsers remember that for a year.
    """

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        headers = {**HEADERS, "Strict-Transport-Security": _HSTS} if is_https else HEADERS
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        # The answers of one kind have the same header names.
        self._missing = functools.lru_cache(maxsize=256)(self._look_up)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                message["headers"] = [*given, *self._missing(tuple([name for name, _ in given]))]
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _look_up(self, names: tuple[bytes, ...]) -> list[tuple[bytes, bytes]]:
        return [header for header in self._headers if header[0] not in names]
