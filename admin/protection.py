"""The middleware of the admin: refuses foreign pages, and sets the Content-Security-Policy."""

import base64
import hashlib
import secrets
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin.trip_map import MAP_STATE, MapFiles
from services.runtime import incidents

STATIC_PATH = "/static/"
_SAFE_METHODS = frozenset({"GET", "HEAD"})

# The event handlers in the attributes of the library's templates: those of the list's columns and pages.
_HANDLERS = ("applyColumnVisibility()", "window.location = this.value")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


_HANDLER_HASHES = " ".join(_hash(handler) for handler in _HANDLERS)


def policy(nonce: str, opened_map: MapFiles | None = None) -> str:
    """A Content-Security-Policy that runs only the scripts of the templates and of our files, and loads nothing
    from other hosts, except what the page's map needs.
    """
    asked, workers = "'self'", "'none'"
    if opened_map is not None:
        # The map computes its lines in a worker, and loads everything by `fetch`.
        asked, workers = opened_map.connect_src, "'self'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-hashes' {_HANDLER_HASHES}",
            # The library's templates and widgets have style elements and attributes.
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self'",
            "img-src 'self' data:",
            f"connect-src {asked}",
            f"worker-src {workers}",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


class Protection:
    """Refuses requests that pages of other origins cause; sets the headers; shows failures as incidents.

    ``is_own_page``: whether a request comes from the server's own pages or from a program.
    """

    def __init__(self, app: ASGIApp, *, is_own_page: Callable[[Scope, Headers], bool]) -> None:
        self._app = app
        self._is_own_page = is_own_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce
        is_static = scope["path"].removeprefix(scope.get("root_path", "")).startswith(STATIC_PATH)
        has_begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                sent["Cache-Control"] = "private, max-age=86400" if is_static else "no-store"
                # Pages of the front end's build have a stricter policy of their own.
                sent.setdefault("Content-Security-Policy", policy(nonce, scope["state"].get(MAP_STATE)))
                sent["X-Content-Type-Options"] = "nosniff"
                sent["X-Frame-Options"] = "DENY"
                sent["Referrer-Policy"] = "same-origin"
            await send(message)

        # A link from elsewhere may lead here. Requests that change something, and requests of a foreign page's
        # script (which have an Origin), may not.
        is_suspect = scope["method"] not in _SAFE_METHODS or "origin" in headers
        if is_suspect and not self._is_own_page(scope, headers):
            refusal = PlainTextResponse("This request came from a page of another origin.", 403)
            await refusal(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except ClientDisconnect:
            # The client has disconnected; the status tells the log that the fault was the client's.
            await PlainTextResponse("The body is incomplete.", 400)(scope, receive, send_guarded)
        except Exception as error:
            incident_id = incidents.report(error)
            if not has_begun:
                await _failed(Request(scope), incidents.shown(incident_id))(scope, receive, send_guarded)


def _failed(request: Request, message: str) -> JSONResponse | PlainTextResponse:
    return JSONResponse({"msg": message}, 500) if "/_api/" in request.url.path else PlainTextResponse(message, 500)
