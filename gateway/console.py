"""The console: the page that a browser gets at `/`, with a rider and drivers side by side.

It is a page of the same build as GraphiQL (`web/dist`), and loads its files from the same place.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

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

_NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Taxirank</title>
<main>
<h1>Taxirank is running</h1>
<p>Its live board, with a rider and a driver side by side, has not been built yet. With Node 22
(or 20.19 at least), in the folder of this server:</p>
<pre><code>cd web &amp;&amp; npm ci &amp;&amp; npm run build</code></pre>
<p>Then load this page again; the server need not be restarted.</p>
<p>The API is at <a href="/graphql">/graphql</a>.</p>
</main>
</html>
"""


class Console:
    """The console, from a build of the front end if there is one; otherwise a page that says how to build it.

    `build` is the folder that Vite writes. It is looked at on every request: one made while the server runs
    is served at once.
    """

    def __init__(self, build: Path) -> None:
        self._page = build / "index.html"

    def is_built(self) -> bool:
        """Whether there is a console to be served."""
        return self._page.is_file()

    def route(self) -> Route:
        """``/``, by GET and HEAD. The page loads files from where GraphiQL's are."""

        async def page(_: Request) -> Response:
            try:
                html = self._page.read_text(encoding="utf-8")
            except FileNotFoundError:
                html = _NOT_BUILT
            return HTMLResponse(html, headers=_HEADERS)

        return Route("/", page, methods=["GET"])
