"""The span of each HTTP request."""

from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.path_folders import folder_of
from services.tracing.tracing import Attributes, Tracing, failed

# Of balancers and of Prometheus, every few seconds.
_UNTRACED = {"/healthz", "/readyz", "/metrics"}
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}


class TracedRequests:
    """Traces requests, each in the trace that its headers name.

    The span has the request's id, and neither its query nor its client's address.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing, folders: Collection[str]) -> None:
        """``folders``: the first parts of the paths that the server has."""
        self._app = app
        self._tracing = tracing
        self._folders = folders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request in a span."""
        if scope["type"] != "http" or scope["path"] in _UNTRACED:
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        folder = folder_of(scope["path"])
        about = {**_about(scope), **({"http.route": folder} if folder in self._folders else {})}
        method = about["http.request.method"]
        name = f"{'HTTP' if method == '_OTHER' else method} {about.get('http.route', '')}".rstrip()
        with self._tracing.request(name, headers, about) as span:

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    for header, value in message.get("headers", ()):
                        if header == b"x-request-id":
                            span.set_attribute("taxirank.request_id", value.decode("latin-1"))
                    if status >= 500:
                        failed(span, str(status))
                await send(message)

            await self._app(scope, receive, send_noted)


def _about(scope: Scope) -> Attributes:
    return {
        "http.request.method": scope["method"] if scope["method"] in _METHODS else "_OTHER",
        "url.scheme": scope.get("scheme", "http"),
        "url.path": scope["path"][:256],
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
