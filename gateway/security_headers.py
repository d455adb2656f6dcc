"""The default security headers of every HTTP answer."""

import functools

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Sent with every answer that does not set the header itself.
HEADERS = {
    # Answers are for one caller. What may be kept (photos, the build of the pages) says so itself.
    "Cache-Control": "no-store",
    # No answer is a page, but GraphiQL's, and that has a policy of its own: led here by a link, a browser loads
    # nothing and runs nothing, whatever is in the answer.
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # A page that opened one of ours has no hold of its window.
    "Cross-Origin-Opener-Policy": "same-origin",
    # No other origin can load an answer as a script or a picture, and learn from whether that worked. (Pages of
    # allowed origins read by CORS, which this does not touch.)
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
        "microphone=(), midi=(), payment=(), usb=()"
    ),
}

# A year, as the preload lists ask at least. Without includeSubDomains: other names are not ours to decide about.
_HSTS = "max-age=31536000"


class SecurityHeaders:
    """Adds to every answer the security headers that it does not have: errors of any layer too.

    ``is_https``: users reach the server by https, and browsers are told to remember that for a year.
    """

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        headers = {**HEADERS, "Strict-Transport-Security": _HSTS} if is_https else HEADERS
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        # The answers of one kind have the same names.
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
