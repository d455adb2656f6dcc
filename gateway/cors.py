"""CORS: only pages of the listed origins may read our answers."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

# The longest time for which Chromium keeps the answer to a preflight; other browsers keep it as long or shorter.
PREFLIGHT_MAX_AGE_S = 7200


class Cors(CORSMiddleware):
    """Starlette's middleware for listed origins, with credentials. It tells an unlisted origin nothing.

    Starlette sends every origin the allowed methods, headers and credentials, and withholds only the permission.
    Every answer has ``Vary: Origin``: an answer that a cache stored for a request without origin lacks the headers
    for a listed one.
    """

    def __init__(self, app: ASGIApp, *, origins: tuple[str, ...], headers: tuple[str, ...]) -> None:
        """``origins`` as browsers send them; ``headers``: allowed request headers besides the usual ones."""
        super().__init__(
            app,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=("GET", "POST"),
            allow_headers=headers,
            expose_headers=("X-Request-ID", "Retry-After"),
            max_age=PREFLIGHT_MAX_AGE_S,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight."""
        if not self.is_allowed_origin(request_headers["origin"]):
            return PlainTextResponse("Disallowed CORS origin", 400, headers={"Vary": "Origin"})
        return super().preflight_response(request_headers)

    async def simple_response(self, scope: Scope, receive: Receive, send: Send, request_headers: Headers) -> None:
        """Answer any other request."""
        if not self.is_allowed_origin(request_headers.get("origin", "")):
            # Answer as if the request had no Origin.
            request_headers = Headers()
        await super().simple_response(scope, receive, send, request_headers)
