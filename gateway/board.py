"""The board: the page that a browser gets at `/`, with a rider and drivers side by side.

It is a page of the same build as GraphiQL (`web/dist`), and loads its files from the same place.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gateway.unbuilt import unbuilt_page

_HEADERS = {
    # The page names the assets of the newest build, so it is asked for again each time.
    "Cache-Control": "no-cache",
    # The page holds tokens where scripts can read them: no script but its own runs here.
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            # Small pictures are in the build as data; `blob:` is the preview of a photo that was chosen.
            "img-src 'self' data: blob:",
            # Requests, and sockets of the same host.
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


class Board:
    """The board, from a build of the front end if there is one; otherwise a page that says so.

    `build` is the folder that Vite writes. It is looked at on every request: one made while the server runs
    is served at once.
    """

    def __init__(self, build: Path) -> None:
        self._page = build / "index.html"

    def route(self) -> Route:
        """``/``, by GET and HEAD. The page loads files from where GraphiQL's are."""

        async def page(_: Request) -> Response:
            try:
                html = self._page.read_text(encoding="utf-8")
            except FileNotFoundError:
                return unbuilt_page()
            return HTMLResponse(html, headers=_HEADERS)

        return Route("/", page, methods=["GET"])
