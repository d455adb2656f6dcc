"""The city, live: the page for staff at `/admin/live`, which the admin serves to those who are logged in.

It is a page of the same build as the board (`web/dist`), and loads its files from the same place.
"""

from pathlib import Path

from starlette.responses import HTMLResponse, Response

from gateway.map_sources import MapSources
from gateway.unbuilt import unbuilt_page


def _policy(maps: MapSources) -> str:
    """Only its own scripts run, and it loads from this server and the hosts of the map's tiles alone."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            # The map is drawn with the help of workers.
            "worker-src 'self'",
            # Requests, sockets of the same host, and tiles.
            f"connect-src {maps.connect_src}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


class CityPage:
    """The page from a build of the front end; without a build, a page that says so.

    ``build`` is the folder that Vite writes. Every request checks it: a build that finishes while the server runs
    is served immediately.
    """

    def __init__(self, build: Path, *, maps: MapSources) -> None:
        self._page = build / "city" / "index.html"
        self._maps = maps
        # The admin adds the other headers of its pages.
        self._headers = {"Content-Security-Policy": _policy(maps)}

    def page(self) -> Response:
        """The page for a browser; the same for everybody, without data."""
        try:
            html = self._page.read_text(encoding="utf-8")
        except FileNotFoundError:
            return unbuilt_page()
        return HTMLResponse(self._maps.named_in(html), headers=self._headers)
