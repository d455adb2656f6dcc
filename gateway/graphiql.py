"""GraphiQL: the page at `/graphql` for browsers, and its files.

The page is our own build (`web/dist`), which loads nothing from other hosts.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from gateway.map_sources import MapSources
from gateway.unbuilt import unbuilt_page

# How the file of the maps' worker begins in the build.
_MAP_WORKER = "maplibre-gl-worker-"
# Where Vite's build expects its files (`base` and `assetsDir` in web/vite.config.ts).
_ASSETS_PATH = "/assets"


def _policy(**directives: str) -> str:
    """A Content-Security-Policy that forbids everything that the directives do not name."""
    named = dict.fromkeys(("default_src", "base_uri", "form_action", "frame_ancestors"), "'none'")
    return "; ".join(f"{name.replace('_', '-')} {sources}" for name, sources in (named | directives).items())


_OWN_POLICY = _policy(
    script_src="'self'",
    worker_src="'self'",
    # The editor (Monaco) writes style elements and attributes as it runs.
    style_src="'self' 'unsafe-inline'",
    # GraphiQL's style sheet contains its fonts as data.
    font_src="'self' data:",
    img_src="'self' data:",
    # Queries, and subscriptions: 'self' covers the socket of the same host.
    connect_src="'self'",
)

_ASSET_HEADERS = {
    # Each file name contains a hash of the contents.
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    # A worker has the policy that its script was served with.
    "Content-Security-Policy": _OWN_POLICY,
}

_PAGE_HEADERS = {
    # The page names the assets of the newest build, so browsers must revalidate it each time.
    "Cache-Control": "no-cache",
    # The same address answers API clients with JSON.
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": _OWN_POLICY,
}


class GraphiQL:
    """GraphiQL from a build of the front end; without a build, a page that says so.

    ``build`` is the folder that Vite writes. Every request checks it: a build that finishes while the server runs
    is served immediately. ``maps``: what the worker of the other pages' maps may load.
    """

    def __init__(self, build: Path, *, maps: MapSources) -> None:
        self._page = build / "graphiql" / "index.html"
        self._folder = build / "assets"
        self._assets = StaticFiles(directory=self._folder, check_dir=False)
        self._map_worker_policy = _policy(connect_src=maps.connect_src)

    def page(self) -> Response:
        """The page for a browser."""
        try:
            html = self._page.read_text(encoding="utf-8")
        except FileNotFoundError:
            return unbuilt_page()
        return HTMLResponse(html, headers=_PAGE_HEADERS)

    def icon_url(self) -> str | None:
        """The path of the pages' icon in the build; None without a build."""
        return next((f"{_ASSETS_PATH}/{icon.name}" for icon in self._folder.glob("favicon-*.svg")), None)

    def routes(self) -> list[Route]:
        """The files of the build: their names have hashes, so browsers keep them for ever. Other paths are 404."""
        return [Route(f"{_ASSETS_PATH}/{{path:path}}", self._asset, methods=["GET"])]

    async def _asset(self, request: Request) -> Response:
        # Raises HTTPException 404 for missing files, and for paths that lead out of the folder.
        response = await self._assets.get_response(request.path_params["path"], request.scope)
        response.headers.update(_ASSET_HEADERS)
        if request.path_params["path"].startswith(_MAP_WORKER):
            response.headers["Content-Security-Policy"] = self._map_worker_policy
        return response
