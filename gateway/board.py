"""The board: the page at `/` for browsers, with a rider and drivers side by side.

It is a page of the same build as GraphiQL (`web/dist`), and loads its files from the same place.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gateway.map_sources import MapSources
from gateway.unbuilt import unbuilt_page


def _headers(maps: MapSources) -> dict[str, str]:
    return {
        # The page names the assets of the newest build, so browsers must revalidate it each time.
        "Cache-Control": "no-cache",
        # The page holds tokens that scripts can read: only its own scripts may run.
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                # The maps compute their lines in a worker.
                "worker-src 'self'",
                "style-src 'self'",
                # The build has small pictures as data; `blob:` is the preview of a chosen photo.
                "img-src 'self' data: blob:",
                # Requests, sockets of the same host, and tiles.
                f"connect-src {maps.connect_src}",
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
    """The board from a build of the front end; without a build, a page that says so.

    ``build`` is the folder that Vite writes. Every request checks it: a build that finishes while the server runs
    is served immediately. ``has_demo``: the page offers a ride with demo people.
    """

    def __init__(self, build: Path, *, has_demo: bool, maps: MapSources) -> None:
        self._page = build / "index.html"
        self._has_demo = has_demo
        self._maps = maps
        self._headers = _headers(maps)

    def route(self) -> Route:
        """``/``, by GET and HEAD. The page loads files from GraphiQL's folder."""

        async def page(_: Request) -> Response:
            try:
                html = self._page.read_text(encoding="utf-8")
            except FileNotFoundError:
                return unbuilt_page()
            if self._has_demo:
                html = html.replace("<html", "<html data-demo", 1)
            return HTMLResponse(self._maps.named_in(html), headers=self._headers)

        return Route("/", page, methods=["GET"])
