"""The board's service worker, which shows push messages while no page is open."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# At the root: a service worker may serve only what is below its own path.
PATH = "/service-worker.js"
_SCRIPT = Path(__file__).with_suffix(".js")
_HEADERS = {
    # Browsers look for a newer one at each registration.
    "Cache-Control": "no-cache",
    # It loads nothing.
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


def service_worker_route() -> Route:
    """``/service-worker.js``, by GET and HEAD."""
    script = _SCRIPT.read_text(encoding="utf-8")

    async def service_worker(_: Request) -> Response:
        return Response(script, media_type="text/javascript", headers=_HEADERS)

    return Route(PATH, service_worker, methods=["GET"])
